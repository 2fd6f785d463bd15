//! An instance in service: in the catalog, checked, and taken out of it the moment it fails.

use std::net::SocketAddr;
use std::time::Duration;

use polity_catalog::{Change, Health};
use polity_plan::Program;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::{End, Failure, Order, Runner};
use crate::event::EventKind;
use crate::health::{Probe, ProbeError};
use crate::process::{Exit, Process};
use crate::service::checks::{Checks, Verdict};
use crate::service::status::InstanceState;

/// What happened to an instance in service.
enum Happening {
    Retire,
    Exited(Exit),
    Checked(Result<(), ProbeError>),
}

/// The check of an instance at `address`.
pub(super) fn probe(program: &Program, address: SocketAddr) -> Probe {
    Probe {
        address,
        asks: program.health.asks.clone(),
        timeout: program.health.timeout,
    }
}

/// Waits for the order to retire, and for nothing else. Cancelling it loses nothing.
pub(super) async fn retired(orders: &mut watch::Receiver<Order>) -> Duration {
    let order = orders.wait_for(|order| *order != Order::Run).await;
    match order.as_deref() {
        Ok(Order::Retire(drain)) => *drain,
        // The actor is gone, and so is whoever would wait for the requests.
        Ok(Order::Run) | Err(_) => Duration::ZERO,
    }
}

impl Runner {
    /// From ready to the end of the process.
    pub(super) async fn serve(&mut self, process: &Process, address: Option<SocketAddr>) -> End {
        self.enter_service(address);
        let program = self.birth.release.program.clone();
        let mut checks = Checks::new(program.health.interval, program.restart_after);
        let mut was_asked = true;
        loop {
            match self.next_happening(process, address, &checks).await {
                Happening::Retire => {
                    self.retire(process).await;
                    return End::Retired;
                }
                Happening::Exited(exit) => {
                    self.leave_catalog();
                    return End::Failed(Failure {
                        kind: EventKind::Crashed,
                        message: format!("ended with {exit}"),
                        exit: Some(exit),
                    });
                }
                Happening::Checked(Err(error @ ProbeError::NotAsked { .. })) => {
                    if std::mem::replace(&mut was_asked, false) {
                        let instance = self.birth.id.as_str();
                        tracing::warn!(instance, %error, "a check could not be made; the instance is left as it is until one can");
                    }
                }
                Happening::Checked(result) => {
                    was_asked = true;
                    let verdict = match &result {
                        Ok(()) => checks.passed(),
                        Err(_) => checks.failed(Instant::now()),
                    };
                    if self.follow(verdict, result.err(), process).await {
                        return End::Unhealthy;
                    }
                }
            }
        }
    }

    async fn next_happening(
        &self,
        process: &Process,
        address: Option<SocketAddr>,
        checks: &Checks,
    ) -> Happening {
        let checked = async {
            let Some(address) = address else {
                // What listens on nothing has nothing to check but that it runs.
                return std::future::pending().await;
            };
            sleep(checks.pause()).await;
            let probe = probe(&self.birth.release.program, address);
            self.birth.parts.prober.probe(&probe).await
        };
        let mut orders = self.orders.clone();
        // A check that is cut short says nothing that matters any more.
        tokio::select! { biased;
            _ = retired(&mut orders) => Happening::Retire,
            exit = process.exited() => Happening::Exited(exit),
            result = checked => Happening::Checked(result),
        }
    }

    /// Does what a check calls for, and says whether the process was ended for it.
    async fn follow(
        &mut self,
        verdict: Verdict,
        error: Option<ProbeError>,
        process: &Process,
    ) -> bool {
        let why = error.map(|error| error.to_string()).unwrap_or_default();
        match verdict {
            Verdict::Same => false,
            Verdict::Leave => {
                self.crashes.unready();
                self.set_health(Health::Unready);
                self.enter(InstanceState::Unready, |i| i.message = Some(why.clone()));
                self.tell(EventKind::Unready, format!("fails its checks: {why}"));
                false
            }
            Verdict::Return => {
                self.crashes.ready(Instant::now());
                self.set_health(Health::Ready);
                self.enter(InstanceState::Ready, |i| i.message = None);
                self.tell(EventKind::Ready, "passes its checks again");
                false
            }
            Verdict::Restart => {
                // Another one that is being restarted goes first: together they would be an outage.
                let Ok(permit) = self.birth.restarts.clone().try_acquire_owned() else {
                    return false;
                };
                self.restarting = Some(permit);
                let bound = self.birth.release.program.restart_after;
                let message = format!("failed its checks for {bound:?}, is restarted: {why}");
                self.tell(EventKind::Unhealthy, message);
                self.leave_catalog();
                self.stop(process).await;
                true
            }
        }
    }

    fn enter_service(&mut self, address: Option<SocketAddr>) {
        self.birth.unless_ready = super::UnlessReady::Retry;
        self.restarting = None;
        self.crashes.ready(Instant::now());
        if let Some(address) = address {
            let instance = polity_catalog::Instance {
                id: self.birth.id.clone(),
                host: address.ip().to_string(),
                port: address.port(),
                version: Some(self.birth.release.version().clone()),
                health: Health::Ready,
                weight: 1,
                zone: None,
            };
            let service = self.birth.release.service.name.clone();
            self.birth.parts.publish(Change::Put(service, instance));
        }
        self.enter(InstanceState::Ready, |instance| instance.message = None);
        self.tell(EventKind::Ready, "is ready");
    }

    /// Leaves the catalog first, so that no new request comes, and ends when the last is answered.
    async fn retire(&mut self, process: &Process) {
        self.leave_catalog();
        self.enter(InstanceState::Draining, |_| {});
        self.tell(EventKind::Draining, "finishes its requests");
        let surroundings = self.birth.parts.surroundings.clone();
        let mut orders = self.orders.clone();
        loop {
            let drain = retired(&mut orders).await;
            if drain.is_zero() {
                break;
            }
            tokio::select! { biased;
                _ = process.exited() => break,
                // The whole system stops, and waits less long than a roll.
                Ok(()) = orders.changed() => {}
                left = surroundings.drained(&self.birth.id, drain) => {
                    if left > 0 {
                        let message = format!("is stopped with {left} requests left after {drain:?}");
                        self.tell(EventKind::Draining, message);
                    }
                    break;
                }
            }
        }
        self.stop(process).await;
    }

    /// Ends the process, by force if it must.
    pub(super) async fn stop(&mut self, process: &Process) -> Exit {
        self.enter(InstanceState::Stopping, |_| {});
        let bound = self.birth.release.program.stop_timeout;
        let began = Instant::now();
        let exit = process.stop(bound).await;
        if began.elapsed() >= bound {
            let message = format!("did not end within {bound:?} of SIGTERM, was killed");
            self.tell(EventKind::Stopping, message);
        }
        exit
    }

    fn leave_catalog(&self) {
        let service = self.birth.release.service.name.clone();
        let id = self.birth.id.clone();
        self.birth.parts.publish(Change::Remove(service, id));
    }

    fn set_health(&self, health: Health) {
        let service = self.birth.release.service.name.clone();
        let id = self.birth.id.clone();
        let change = Change::SetHealth(service, id, health);
        self.birth.parts.publish(change);
    }
}
