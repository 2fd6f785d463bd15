//! One-shot tasks: run to their end before the services they belong to start or roll.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use polity_core::{InstanceId, ServiceName, TaskName};
use polity_plan::{Plan, Task};
use polity_runtime::task;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use crate::environment::{self, Ingredients};
use crate::event::{EventKind, News};
use crate::process::{Exit, Launch, Process};
use crate::service::failure::Failure;
use crate::service::release::make_database;
use crate::service::tail::Tail;
use crate::supervisor::parts::{BuildOrder, Parts};

/// From SIGTERM to SIGKILL for a task that runs too long or is not wanted any more.
pub(crate) const TASK_STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// All tasks that ran.
pub(crate) struct Tasks {
    parts: Arc<Parts>,
    known: Mutex<BTreeMap<TaskName, Arc<Known>>>,
    unfinished: Arc<watch::Sender<usize>>,
}

/// Whether a task that ran before in this run of Polity must run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// Not if it ran as it stands: several services may wait for the same task.
    FirstStart,
    /// Yes.
    Roll,
}

struct Known {
    /// One permit: the same task never runs twice at once.
    turn: Semaphore,
    last: Mutex<Option<Ran>>,
}

/// How a task ended, and as what.
type Ran = (Arc<Task>, Result<(), Failure>);

/// Sees a task's process to its end, also when nobody waits for it any more.
struct Running {
    process: Process,
    unfinished: Arc<watch::Sender<usize>>,
}

impl Tasks {
    pub(crate) fn new(parts: Arc<Parts>) -> Self {
        Self {
            parts,
            known: Mutex::default(),
            unfinished: Arc::new(watch::Sender::new(0)),
        }
    }

    /// Runs a task for a service that waits for it. Cancelling it stops the task.
    pub(crate) async fn run(
        &self,
        task: &Arc<Task>,
        plan: &Plan,
        service: &ServiceName,
        when: When,
    ) -> Result<(), Failure> {
        let known = lock(&self.known)
            .entry(task.name.clone())
            .or_default()
            .clone();
        let turn = known.turn.acquire().await;
        let _turn = turn.expect("nobody closes it");
        if let (When::FirstStart, Some((ran, outcome))) = (when, &*lock(&known.last))
            && ran == task
        {
            return outcome.clone();
        }
        let tell = |kind, failure: Result<&str, &Failure>| {
            let news = match failure {
                Ok(message) => News::new(kind, format!("task {} {message}", task.name)),
                Err(failure) => {
                    News::new(kind, failure.message.clone()).with_lines(failure.lines.clone())
                }
            };
            self.parts.events.tell(service, news);
        };
        tell(EventKind::TaskStarted, Ok("runs"));
        let outcome = self.execute(task, plan).await;
        match &outcome {
            Ok(()) => tell(EventKind::TaskDone, Ok("is done")),
            Err(failure) => tell(EventKind::TaskFailed, Err(failure)),
        }
        *lock(&known.last) = Some((task.clone(), outcome.clone()));
        outcome
    }

    /// Resolves once no process of a task is left. Cancelling it loses nothing.
    pub(crate) fn ended(&self) -> impl Future<Output = ()> + use<> {
        let mut unfinished = self.unfinished.subscribe();
        async move {
            // The sender is gone only when everything is.
            let _ = unfinished.wait_for(|count| *count == 0).await;
        }
    }

    async fn execute(&self, task: &Task, plan: &Plan) -> Result<(), Failure> {
        let fail = |why: String| Failure::new(format!("task {} {why}", task.name));
        let launch = self.prepare(task, plan).await?;
        let tail = Tail::new(launch.output);
        let launch = Launch {
            output: tail.clone(),
            ..launch
        };
        let launched = self.parts.host.launch(launch).await;
        let process = launched.map_err(|error| fail(format!("could not start: {error}")))?;
        let running = Running::new(process, self.unfinished.clone());
        match timeout(task.timeout, running.process.exited()).await {
            Ok(Exit::Code(0)) => Ok(()),
            Ok(exit) => Err(fail(format!("ended with {exit}")).with_lines(tail.lines())),
            Err(_) => {
                let why = format!("was not done within {:?}, and is stopped", task.timeout);
                Err(fail(why).with_lines(tail.lines()))
            }
        }
    }

    async fn prepare(&self, task: &Task, plan: &Plan) -> Result<Launch, Failure> {
        let fail = |why: String| Failure::new(format!("task {} {why}", task.name));
        let first = task.before.first().and_then(|name| plan.services.get(name));
        let service = first.ok_or_else(|| fail("belongs to no service".to_owned()))?;
        let order = BuildOrder {
            service: name_of_build(task),
            build: task.build.clone(),
            run: task.run.clone(),
            dir: self.parts.dir(&task.dir),
            environment: environment::of_build(&self.parts.inherited, plan, &task.env),
        };
        let built = self.parts.builds.build(&order).await.map_err(|failure| {
            fail(format!("could not be built: {}", failure.reason)).with_lines(failure.lines)
        })?;
        let versions = std::slice::from_ref(&built.version);
        self.parts.builds.keep_only(&order.service, versions);
        make_database(&self.parts, service).map_err(fail)?;
        let given = environment::of_release(Ingredients {
            plan,
            service,
            inherited: &self.parts.inherited,
            parts: self.parts.surroundings.variables(&service.name),
            calls: &|callee| self.parts.surroundings.call_address(&service.name, callee),
            data: &self.parts.data,
            version: &built.version,
        });
        let mut env = given.map_err(|error| fail(error.to_string()))?;
        env.extend(task.env.clone());
        let id = InstanceId::from(task.name.as_str());
        Ok(Launch {
            words: built.run.resolve(None),
            dir: order.dir,
            env,
            output: self.parts.logs.sink(&service.name, &id),
        })
    }
}

impl Default for Known {
    fn default() -> Self {
        Self {
            turn: Semaphore::new(1),
            last: Mutex::default(),
        }
    }
}

impl Running {
    fn new(process: Process, unfinished: Arc<watch::Sender<usize>>) -> Self {
        unfinished.send_modify(|count| *count += 1);
        Self {
            process,
            unfinished,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let (process, unfinished) = (self.process.clone(), self.unfinished.clone());
        task::spawn("end of a task", async move {
            // What has ended by itself is only swept: children it may have left.
            match process.try_exit() {
                Some(_) => process.kill(),
                None => {
                    process.stop(TASK_STOP_TIMEOUT).await;
                }
            }
            unfinished.send_modify(|count| *count -= 1);
        });
    }
}

/// What a task's build is kept under: apart from the service's own, which are deleted once none of
/// its instances runs them. A name too long for that has to share the task's bare name.
fn name_of_build(task: &Task) -> ServiceName {
    let bare = || ServiceName::new(task.name.as_str());
    let name = ServiceName::new(&format!("task-{}", task.name)).or_else(|_| bare());
    name.expect("the names of tasks are shaped as those of services")
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
