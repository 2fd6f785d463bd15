//! The running system as the admin API sees it: the supervisor's word on processes, the gateway's on traffic.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::stream::{self, BoxStream, StreamExt};
use polity_catalog::{Catalog, Health};
use polity_console::view::{self, Event, LogLine, LogRecord, OutputStream};
use polity_console::{
    BoxFuture, Done, EventLog, EventQuery, LogQuery, Operation, OperationError, ProgressSender,
    route_text,
};
use polity_core::{InstanceId, ServiceName};
use polity_plan::{Plan, Service};
use polity_runtime::Published;
use polity_supervisor::CommandError;
use polity_supervisor::event::{EventKind, EventStream};
use polity_supervisor::output::{Filter, Line, LogStore};
use polity_supervisor::process::Stream;
use polity_supervisor::service::status::{InstanceState, InstanceStatus, ServiceStatus, Stage};
use tokio::sync::{broadcast, watch};

use super::InForce;
use super::event_log::PlannedLog;
use super::events::Events;

/// The parts that the admin API asks.
pub struct Admin {
    pub in_force: Published<InForce>,
    pub supervisor: polity_supervisor::Handle,
    pub gateway: polity_gateway::Handle,
    pub events: Events,
    pub logs: LogStore,
    pub catalog: Published<Catalog>,
    pub stop: watch::Sender<bool>,
}

impl Admin {
    /// Every service of the plan and what runs of it.
    pub fn snapshot(&self) -> Vec<view::Service> {
        let in_force = self.in_force.load();
        let statuses = self.supervisor.status();
        let status_of = |name: &ServiceName| statuses.iter().find(|s| s.service == *name);
        in_force
            .runnable
            .services
            .values()
            .map(|service| match status_of(&service.name) {
                Some(status) => self.supervised(service, status),
                None => self.external(service, in_force.skipped.get(&service.name)),
            })
            .collect()
    }

    fn supervised(&self, service: &Service, status: &ServiceStatus) -> view::Service {
        let instances = status.instances.iter();
        view::Service {
            name: service.name.to_string(),
            state: state(status),
            external: false,
            replicas: Some(status.replicas),
            scaled: status.planned_replicas.is_some(),
            routes: service.routes.iter().map(route_text).collect(),
            note: status.message.clone(),
            instances: instances
                .map(|instance| self.instance(&service.name, instance))
                .collect(),
        }
    }

    fn instance(&self, service: &ServiceName, status: &InstanceStatus) -> view::Instance {
        let traffic = self.gateway.instance_stats(&status.id);
        let running = status.pid.is_some();
        view::Instance {
            id: status.id.to_string(),
            service: service.to_string(),
            state: instance_state(status.state),
            version: Some(status.version.to_string()),
            pid: status.pid,
            restarts: status.restarts,
            address: status.address.map(|address| address.to_string()),
            uptime_ms: running.then(|| now_ms().saturating_sub(status.since_ms)),
            requests_per_second: traffic.as_ref().map(|t| t.requests_per_second),
            p99_ms: traffic
                .and_then(|t| t.p99)
                .map(|p99| p99.as_secs_f64() * 1e3),
            balance: self.standing(&status.id, None),
            note: status
                .message
                .clone()
                .or_else(|| self.gateway.why_left_out(&status.id)),
        }
    }

    fn standing(&self, id: &InstanceId, zone: Option<&String>) -> Option<view::Standing> {
        let standing = self.gateway.standing(id)?;
        Some(view::Standing {
            weight: standing.weight,
            zone: zone.cloned(),
            ejected: standing.is_ejected,
            failure_rate: standing.failure_rate,
            utilization: standing.utilization,
            share: standing.share,
        })
    }

    fn external(&self, service: &Service, skipped: Option<&String>) -> view::Service {
        let catalog = self.catalog.load();
        let known = catalog.instances(service.name.as_str());
        let instances: Vec<view::Instance> = known
            .into_iter()
            .flat_map(|instances| instances.values())
            .map(|instance| self.place(&service.name, instance))
            .collect();
        let ready = instances
            .iter()
            .any(|i| i.state == view::InstanceState::Ready);
        view::Service {
            name: service.name.to_string(),
            state: match ready {
                true => view::ServiceState::Ready,
                false => view::ServiceState::Down,
            },
            external: skipped.is_none(),
            // What was left out is not missed either.
            replicas: skipped.map(|_| 0),
            scaled: false,
            routes: service.routes.iter().map(route_text).collect(),
            note: skipped.map(|why| format!("left out: {why}")),
            instances,
        }
    }

    fn place(&self, service: &ServiceName, place: &polity_catalog::Instance) -> view::Instance {
        let traffic = self.gateway.instance_stats(&place.id);
        view::Instance {
            id: place.id.to_string(),
            service: service.to_string(),
            state: match place.health {
                Health::Ready => view::InstanceState::Ready,
                Health::Unready => view::InstanceState::Unready,
            },
            version: None,
            pid: None,
            restarts: 0,
            address: Some(format!("{}:{}", place.host, place.port)),
            uptime_ms: None,
            requests_per_second: traffic.as_ref().map(|t| t.requests_per_second),
            p99_ms: traffic
                .and_then(|t| t.p99)
                .map(|p99| p99.as_secs_f64() * 1e3),
            balance: self.standing(&place.id, place.zone.as_ref()),
            note: self.gateway.why_left_out(&place.id),
        }
    }

    fn refuse_what_does_not_run_here(&self, service: &ServiceName) -> Result<(), OperationError> {
        let in_force = self.in_force.load();
        if let Some(why) = in_force.skipped.get(service) {
            return Err(OperationError::Refused(format!(
                "`{service}` is left out: it {why}"
            )));
        }
        let planned = in_force.runnable.services.get(service);
        if planned.is_some_and(|planned| planned.program().is_none()) {
            return Err(OperationError::Refused(format!(
                "`{service}` runs elsewhere, so Polity can neither build nor start it"
            )));
        }
        Ok(())
    }

    async fn carry_out(
        &self,
        service: ServiceName,
        operation: Operation,
        progress: ProgressSender,
    ) -> Result<Done, OperationError> {
        self.refuse_what_does_not_run_here(&service)?;
        let supervisor = &self.supervisor;
        let name = service.as_str();
        let work = async {
            match operation {
                Operation::Deploy => supervisor.deploy(name).await,
                Operation::Restart => supervisor.restart(name).await,
                Operation::Scale(replicas) => supervisor.scale(name, replicas).await,
            }
        };
        let told = tell(supervisor.events(), &self.logs, &service, &progress);
        // The telling never ends by itself; dropping it loses lines that only repeat the outcome.
        let result = tokio::select! {
            result = work => result,
            never = told => match never {},
        };
        result.map_err(|error| refusal(service.clone(), error))?;
        let status = self.supervisor.status();
        let status = status.iter().find(|status| status.service == service);
        Ok(Done {
            message: done(&service, operation, status),
            version: status.and_then(|status| status.version.clone()),
        })
    }
}

impl polity_console::System for Admin {
    fn plan(&self) -> Arc<Plan> {
        self.in_force.load().plan.clone()
    }

    fn services(&self) -> BoxFuture<'_, Vec<view::Service>> {
        Box::pin(async { self.snapshot() })
    }

    fn operate(
        &self,
        service: ServiceName,
        operation: Operation,
        progress: ProgressSender,
    ) -> BoxFuture<'_, Result<Done, OperationError>> {
        Box::pin(self.carry_out(service, operation, progress))
    }

    fn logs(&self, query: LogQuery) -> BoxStream<'static, LogRecord> {
        let filter = match query.services.is_empty() {
            true => Filter::All,
            false => Filter::Services(query.services.into_iter().collect()),
        };
        // Subscribed before the past is read, so that no line falls between; the lines that are in
        // both are told apart by their numbers.
        let live = self.logs.follow();
        let store = self.logs.clone();
        let past = async move {
            let asked = filter.clone();
            let read = move || store.tail(&asked, query.lines);
            let past = tokio::task::spawn_blocking(read).await.unwrap_or_default();
            let last = past.last().map_or(0, |line| line.sequence);
            let past = stream::iter(past).map(|line| LogRecord::Line(log_line(&line)));
            match query.follow {
                true => past.chain(follow(live, filter, last)).boxed(),
                false => past.boxed(),
            }
        };
        stream::once(past).flatten().boxed()
    }

    fn events(&self, query: EventQuery) -> BoxStream<'static, Event> {
        let mut events = self.supervisor.events();
        let mut past: Vec<_> = std::iter::from_fn(|| events.try_next()).collect();
        past.drain(..past.len().saturating_sub(query.lines));
        let past = stream::iter(past).map(|event| seen(&event));
        if !query.follow {
            return past.boxed();
        }
        let live = stream::unfold(events, async |mut events| {
            let event = events.next().await?;
            Some((seen(&event), events))
        });
        past.chain(live).boxed()
    }

    fn event_log(&self) -> Option<Arc<dyn EventLog>> {
        Some(Arc::new(PlannedLog {
            kafka: self.events.kafka()?,
            plan: self.in_force.load().plan.clone(),
        }))
    }

    fn shutdown(&self) {
        self.stop.send_replace(true);
    }
}

/// What of a line's stream is still to come, from `last` on.
fn follow(
    live: broadcast::Receiver<Arc<Line>>,
    filter: Filter,
    last: u64,
) -> impl futures_util::Stream<Item = LogRecord> + Send + 'static {
    stream::unfold((live, filter), move |(mut live, filter)| async move {
        loop {
            match live.recv().await {
                Ok(line) if line.sequence > last && filter.wants(&line) => {
                    return Some((LogRecord::Line(log_line(&line)), (live, filter)));
                }
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    return Some((LogRecord::Missed { missed }, (live, filter)));
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    })
}

/// Tells an operation's client what happens to the service meanwhile.
async fn tell(
    mut events: EventStream,
    logs: &LogStore,
    service: &ServiceName,
    progress: &ProgressSender,
) -> std::convert::Infallible {
    while events.try_next().is_some() {}
    let mut lines = logs.follow();
    loop {
        // Cancelling either loses nothing.
        tokio::select! {
            Some(event) = events.next() => if event.service == *service {
                progress.step(step(&event));
            },
            line = lines.recv() => match line {
                Ok(line) if line.service == *service => progress.output(line.text.clone()),
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            },
        }
    }
}

/// Several instances take the same steps at once, so each is named.
fn step(event: &polity_supervisor::event::Event) -> String {
    match &event.instance {
        Some(instance) => format!("{instance}: {}", event.message),
        None => event.message.clone(),
    }
}

fn refusal(service: ServiceName, error: CommandError) -> OperationError {
    match error {
        CommandError::Unknown { .. } => OperationError::Unknown(service),
        CommandError::Busy { .. } => OperationError::Busy(service),
        CommandError::Failed { failure, .. } => OperationError::Failed {
            reason: failure.message,
            output: failure.lines,
        },
        CommandError::Stopping => OperationError::Stopping,
    }
}

fn done(service: &ServiceName, operation: Operation, status: Option<&ServiceStatus>) -> String {
    let ready = status.map_or(0, ServiceStatus::ready);
    let version = status.and_then(|status| status.version.as_ref());
    let version = version.map_or_else(String::new, |version| format!(", version {version}"));
    match operation {
        Operation::Deploy => format!("{service} deployed: {ready} ready{version}"),
        Operation::Restart => format!("{service} restarted: {ready} ready{version}"),
        Operation::Scale(_) => format!("{service} scaled: {ready} ready"),
    }
}

fn state(status: &ServiceStatus) -> view::ServiceState {
    let ready = status.ready();
    match status.stage {
        Stage::Stopping | Stage::Stopped => view::ServiceState::Stopping,
        Stage::Failed => view::ServiceState::Down,
        // All of none are ready, and nobody answers.
        Stage::Running if ready == 0 => view::ServiceState::Down,
        Stage::Running if ready >= status.replicas as usize => view::ServiceState::Ready,
        Stage::Running => view::ServiceState::Degraded,
        Stage::Building | Stage::Waiting | Stage::Tasks | Stage::Starting => {
            view::ServiceState::Starting
        }
    }
}

fn instance_state(state: InstanceState) -> view::InstanceState {
    match state {
        InstanceState::Starting => view::InstanceState::Starting,
        InstanceState::Ready => view::InstanceState::Ready,
        InstanceState::Unready => view::InstanceState::Unready,
        InstanceState::Backoff | InstanceState::CrashLoop | InstanceState::Failed => {
            view::InstanceState::Waiting
        }
        InstanceState::Draining | InstanceState::Stopping | InstanceState::Stopped => {
            view::InstanceState::Stopping
        }
    }
}

/// An event as the API shows it.
pub fn seen(event: &polity_supervisor::event::Event) -> Event {
    Event {
        at_ms: event.time_ms,
        kind: kind(event.kind),
        service: Some(event.service.to_string()),
        instance: event.instance.as_ref().map(InstanceId::to_string),
        message: event.message.clone(),
        output: event.lines.clone(),
    }
}

/// The name that an event's kind is serialised under.
fn kind(kind: EventKind) -> String {
    let name = serde_json::to_value(kind).ok();
    name.and_then(|name| name.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// A line as the API shows it.
pub fn log_line(line: &Line) -> LogLine {
    LogLine {
        at_ms: line.time,
        service: line.service.to_string(),
        instance: line.instance.to_string(),
        stream: match line.stream {
            Stream::Stdout => OutputStream::Stdout,
            Stream::Stderr => OutputStream::Stderr,
        },
        line: line.text.clone(),
    }
}

fn now_ms() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "admin_tests.rs"]
mod tests;
