//! One instance: a process kept alive, and the catalog kept true about it.
//!
//! Its whole life is one task. It starts the process, waits until it is ready, puts it into the
//! catalog, checks it, takes it out of the catalog the moment it fails, and starts it again under
//! the same id, on the same port and as the same release, until it is told to retire. Since no
//! one else writes this instance into the catalog, the catalog lists it exactly while it is ready.

mod report;
mod serve;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use polity_core::{InstanceId, SplitMix64};
use polity_plan::Port;
use polity_runtime::task;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::environment;
use crate::event::EventKind;
use crate::health;
use crate::process::{Exit, Launch, Process};
use crate::service::crashes::{CRASH_LOOP, Crashes};
use crate::service::release::Release;
use crate::service::status::{Board, InstanceState, InstanceStatus};
use crate::service::tail::Tail;
use crate::supervisor::parts::Parts;
use report::{describe, fingerprint};
use serve::retired;

/// A program that listens on nothing is ready once it has stayed up for this long.
pub(crate) const STAYED_UP: Duration = Duration::from_millis(500);

/// How long what a process left behind may take to be gone before the next one starts: it may hold
/// the port.
const LEFT_BEHIND: Duration = Duration::from_secs(1);

/// The actor's end of an instance.
pub(crate) struct Instance {
    pub(crate) id: InstanceId,
    pub(crate) release: Arc<Release>,
    orders: watch::Sender<Order>,
    task: JoinHandle<Option<()>>,
}

/// What an instance is made of.
pub(crate) struct Birth {
    pub(crate) parts: Arc<Parts>,
    pub(crate) board: Board,
    pub(crate) id: InstanceId,
    pub(crate) release: Arc<Release>,
    /// What becomes of it if it never becomes ready.
    pub(crate) unless_ready: UnlessReady,
    /// Held by the one instance of the service that is restarted for failing its checks.
    pub(crate) restarts: Arc<Semaphore>,
}

/// What becomes of an instance whose first start fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnlessReady {
    /// It is started again, as after a crash.
    Retry,
    /// It ends: it was to replace another, which stays.
    GiveUp,
}

/// What the actor wants of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Run,
    /// Finish the requests within this time, then end.
    Retire(Duration),
}

struct Runner {
    birth: Birth,
    orders: watch::Receiver<Order>,
    port: Option<u16>,
    crashes: Crashes,
    rng: SplitMix64,
    tail: Arc<Tail>,
    /// Held from a restart for ill health until it is ready again.
    restarting: Option<OwnedSemaphorePermit>,
}

/// How one process came to its end.
enum End {
    Retired,
    /// Ended because it failed its checks for too long; it is started again at once.
    Unhealthy,
    Failed(Failure),
}

struct Failure {
    kind: EventKind,
    message: String,
    exit: Option<Exit>,
}

impl Instance {
    /// Starts the task, which starts the process.
    pub(crate) fn start(birth: Birth) -> Self {
        let (sender, orders) = watch::channel(Order::Run);
        let (id, release) = (birth.id.clone(), birth.release.clone());
        birth.board.update(|status| {
            status.instances.push(InstanceStatus {
                id: id.clone(),
                state: InstanceState::Starting,
                pid: None,
                address: None,
                version: release.version().clone(),
                restarts: 0,
                since_ms: crate::event::unix_ms(birth.parts.clock.wall()),
                last_exit: None,
                message: None,
                lines: Vec::new(),
            });
        });
        let sink = birth.parts.logs.sink(&release.service.name, &id);
        let runner = Runner {
            orders,
            port: None,
            crashes: Crashes::new(),
            rng: SplitMix64::new(birth.parts.seed ^ fingerprint(&id)),
            tail: Tail::new(sink),
            restarting: None,
            birth,
        };
        Self {
            id,
            release,
            orders: sender,
            task: task::spawn("instance", runner.run()),
        }
    }

    /// Tells it to leave the catalog, finish its requests within `drain`, and end.
    pub(crate) fn retire(&self, drain: Duration) {
        self.orders.send_replace(Order::Retire(drain));
    }

    /// Waits until it has ended. Cancelling it loses nothing.
    pub(crate) async fn ended(&mut self) {
        if !self.task.is_finished() {
            // Its task reports a panic itself; ended is ended.
            let _ = (&mut self.task).await;
        }
    }
}

impl Runner {
    async fn run(mut self) {
        loop {
            let failure = match self.attempt().await {
                End::Retired => break,
                End::Unhealthy => {
                    self.count_restart();
                    continue;
                }
                End::Failed(failure) => failure,
            };
            if self.birth.unless_ready == UnlessReady::GiveUp {
                self.tell_failure(failure, InstanceState::Failed, "");
                self.release_port();
                return;
            }
            let again = self.crashes.failed(Instant::now(), &mut self.rng);
            let state = match again.streak >= CRASH_LOOP {
                true => InstanceState::CrashLoop,
                false => InstanceState::Backoff,
            };
            let next = format!("; starts again in {} ms", again.delay.as_millis());
            self.tell_failure(failure, state, &next);
            if again.streak == CRASH_LOOP {
                let message =
                    "fails again and again: mend what is named above, or deploy a better version";
                self.tell(EventKind::CrashLoop, message);
            }
            tokio::select! { biased;
                _ = retired(&mut self.orders) => break,
                () = sleep(again.delay) => self.count_restart(),
            }
        }
        self.enter(InstanceState::Stopped, |_| {});
        self.release_port();
        self.tell(EventKind::Stopped, "stopped");
    }

    /// One process, from its start to its end.
    async fn attempt(&mut self) -> End {
        self.enter(InstanceState::Starting, |_| {});
        let (process, address) = match self.launch().await {
            Ok(launched) => launched,
            Err(failure) => return End::Failed(failure),
        };
        self.enter(InstanceState::Starting, |instance| {
            instance.pid = Some(process.pid());
            instance.address = address;
        });
        let end = match self.become_ready(&process, address).await {
            Ok(()) => self.serve(&process, address).await,
            Err(end) => end,
        };
        // The leader may be gone and its children not.
        process.kill();
        let _ = timeout(LEFT_BEHIND, process.gone()).await;
        self.board(|instance| {
            instance.pid = None;
            instance.last_exit = process.try_exit();
        });
        end
    }

    async fn launch(&mut self) -> Result<(Process, Option<SocketAddr>), Failure> {
        let release = self.birth.release.clone();
        let port = self.claim_port()?;
        let launch = Launch {
            words: release.built.run.resolve(port),
            dir: release.dir.clone(),
            env: environment::of_instance(&release.environment, &self.birth.id, port),
            output: self.tail.clone(),
        };
        self.tell(EventKind::Starting, "starts");
        match self.birth.parts.host.launch(launch).await {
            Ok(process) => {
                let address = port.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
                Ok((process, address))
            }
            Err(error) => Err(Failure {
                kind: EventKind::StartFailed,
                message: describe(&error),
                exit: None,
            }),
        }
    }

    /// The instance's port, the same for all its processes.
    fn claim_port(&mut self) -> Result<Option<u16>, Failure> {
        if self.port.is_some() {
            return Ok(self.port);
        }
        let ports = &self.birth.parts.ports;
        let claimed = match self.birth.release.program.port {
            Port::None => return Ok(None),
            Port::Auto => ports.claim().map_err(|error| format!("no port: {error}")),
            Port::Fixed(port) => ports.claim_fixed(port).map(|()| port).map_err(|error| {
                format!("port {port} cannot be used: {error}; free it or change `port`")
            }),
        };
        self.port = Some(claimed.map_err(|message| Failure {
            kind: EventKind::StartFailed,
            message,
            exit: None,
        })?);
        Ok(self.port)
    }

    async fn become_ready(
        &mut self,
        process: &Process,
        address: Option<SocketAddr>,
    ) -> Result<(), End> {
        let program = self.birth.release.program.clone();
        let failed = |exit: Option<Exit>, message: String| {
            Err(End::Failed(Failure {
                kind: EventKind::StartFailed,
                message,
                exit,
            }))
        };
        let mut last_error = None;
        let prober = self.birth.parts.prober.clone();
        let until_ready = async {
            let Some(address) = address else {
                return sleep(STAYED_UP).await;
            };
            let probe = serve::probe(&program, address);
            let began = Instant::now();
            while let Err(error) = prober.probe(&probe).await {
                last_error = Some(error);
                sleep(health::pace(began.elapsed())).await;
            }
        };
        let mut orders = self.orders.clone();
        tokio::select! { biased;
            _ = retired(&mut orders) => {
                self.stop(process).await;
                Err(End::Retired)
            }
            exit = process.exited() => {
                failed(Some(exit), format!("ended with {exit} before it was ready"))
            }
            outcome = timeout(program.start_timeout, until_ready) => match outcome {
                Ok(()) => Ok(()),
                Err(_) => {
                    let exit = self.stop(process).await;
                    let why = last_error.map(|error| format!(": {error}")).unwrap_or_default();
                    let bound = program.start_timeout;
                    failed(Some(exit), format!("not ready within {bound:?}{why}"))
                }
            }
        }
    }
}
