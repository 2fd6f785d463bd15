//! Builds services, one at a time, and keeps what they make apart from where they make it.
//!
//! Two builds at once would fight over the same compiler caches and the same cores, and two services
//! that name the same command would build it twice. So builds queue for one task: it takes the
//! oldest order and with it all that ask for the same (command, folder, environment), and what was made
//! is copied away before the next build may overwrite it.
//!
//! The id of a version is the hash of the artefact where there is one: the same program is the same
//! version, whenever it was built. A program that is interpreted, or that Polity does not build, is many
//! files of which only it knows; hashing some would call different programs the same. There each
//! build is a version of its own.

mod artefact;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use polity_core::{InstanceId, ServiceName, VersionId};
use polity_plan::Command;
use polity_runtime::task;
use tokio::sync::{mpsc, oneshot};

use self::artefact::Store;
use crate::process::{BoxFuture, Exit, Host, Launch, LaunchError, Process};
use crate::service::tail::Tail;
use crate::supervisor::parts::{BuildFailure, BuildOrder, Builds, Built, Logs};

/// How many orders may wait; the next to come waits to be one of them.
const MAX_WAITING: usize = 1024;

/// How long the first order waits for others that want the same: services that start together order
/// within moments of each other, and one build is to do for all.
const GATHER: Duration = Duration::from_millis(20);

/// A build that takes longer has hung, and would hold up all others.
const MAX_BUILD_TIME: Duration = Duration::from_secs(3600);

/// The name under which a build's output is kept, in the place of an instance's.
const BUILD_INSTANCE: &str = "build";

/// Builds services through a host. Cheap to clone; waiting builds end when the last clone is dropped.
#[derive(Clone)]
pub struct Builder {
    orders: mpsc::Sender<Waiting>,
    store: Store,
}

/// Does the builds, in a task of its own.
struct Worker {
    host: Arc<dyn Host>,
    logs: Arc<dyn Logs>,
    store: Store,
    incoming: mpsc::Receiver<Waiting>,
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    order: BuildOrder,
    reply: oneshot::Sender<Result<Built, BuildFailure>>,
}

/// Ends the process when nobody waits for it any more.
struct EndOnDrop(Process);

impl Builder {
    /// A builder that keeps artefacts under `folder` (`<data>/versions`). Must be called within a tokio
    /// runtime.
    pub fn start(host: Arc<dyn Host>, logs: Arc<dyn Logs>, folder: &Path) -> Self {
        let (orders, incoming) = mpsc::channel(MAX_WAITING);
        let store = Store::new(folder.to_owned());
        let worker = Worker {
            host,
            logs,
            store: store.clone(),
            incoming,
            waiting: VecDeque::new(),
        };
        task::spawn("builds", worker.run());
        Self { orders, store }
    }

    async fn order(&self, order: &BuildOrder) -> Result<Built, BuildFailure> {
        if order.build.is_none() {
            return Ok(Built {
                version: new_version(order),
                run: order.run.clone(),
            });
        }
        let (reply, answer) = oneshot::channel();
        let order = order.clone();
        // An error means that the runtime is going down.
        let _ = self.orders.send(Waiting { order, reply }).await;
        answer
            .await
            .unwrap_or_else(|_| Err(failure("the builds have ended")))
    }
}

impl Builds for Builder {
    fn build<'a>(&'a self, order: &'a BuildOrder) -> BoxFuture<'a, Result<Built, BuildFailure>> {
        Box::pin(self.order(order))
    }

    fn keep_only(&self, service: &ServiceName, versions: &[VersionId]) {
        let (store, service, versions) = (self.store.clone(), service.clone(), versions.to_vec());
        // Deleting files takes what time it takes; nobody waits for it.
        tokio::task::spawn_blocking(move || {
            if let Err(error) = store.keep_only(&service, &versions) {
                tracing::warn!(%service, %error, "could not delete old versions");
            }
        });
    }
}

impl Worker {
    async fn run(mut self) {
        while let Some(first) = self.next().await {
            let same;
            (same, self.waiting) = std::mem::take(&mut self.waiting)
                .into_iter()
                .partition::<VecDeque<_>, _>(|other| is_same(&other.order, &first.order));
            let mut round = vec![first];
            round.extend(same);
            self.serve(round).await;
        }
    }

    /// The oldest order that somebody still waits for, once all that have come are in the queue.
    async fn next(&mut self) -> Option<Waiting> {
        loop {
            while let Ok(waiting) = self.incoming.try_recv() {
                self.waiting.push_back(waiting);
            }
            self.waiting.retain(|waiting| !waiting.reply.is_closed());
            match self.waiting.pop_front() {
                Some(first) => return Some(first),
                None => {
                    let waiting = self.incoming.recv().await?;
                    self.waiting.push_back(waiting);
                    tokio::time::sleep(GATHER).await;
                }
            }
        }
    }

    async fn serve(&self, mut round: Vec<Waiting>) {
        let order = round[0].order.clone();
        let result = tokio::select! {
            result = self.make(&order) => result,
            // Cancelling the build ends it, since all who ordered it have gone.
            () = all_gone(&mut round) => return,
        };
        for Waiting { order, reply } in round {
            let built = match &result {
                Ok(()) => self.take(order).await,
                Err(failure) => Err(failure.clone()),
            };
            // An error means that it is not waited for any more.
            let _ = reply.send(built);
        }
    }

    async fn make(&self, order: &BuildOrder) -> Result<(), BuildFailure> {
        let Some(build) = &order.build else {
            return Ok(());
        };
        let words = build.resolve(None);
        let command = words.join(" ");
        let sink = self
            .logs
            .sink(&order.service, &InstanceId::from(BUILD_INSTANCE));
        let tail = Tail::new(sink);
        let launch = Launch {
            words,
            dir: order.dir.clone(),
            env: order.environment.clone(),
            output: tail.clone(),
        };
        let launched = self.host.launch(launch).await;
        let process = launched.map_err(|error| failure(in_full(&error)))?;
        let running = EndOnDrop(process);
        let ended = tokio::time::timeout(MAX_BUILD_TIME, running.0.exited()).await;
        let reason = match ended {
            Ok(Exit::Code(0)) => return Ok(()),
            Ok(exit) => format!("`{command}` ended with {exit}"),
            Err(_) => format!("`{command}` took more than {MAX_BUILD_TIME:?}"),
        };
        Err(BuildFailure {
            reason,
            lines: tail.lines(),
        })
    }

    /// Puts the artefact of a build away and has it run from there.
    async fn take(&self, order: BuildOrder) -> Result<Built, BuildFailure> {
        let store = self.store.clone();
        let taken = tokio::task::spawn_blocking(move || take(&store, &order)).await;
        taken.unwrap_or_else(|_| Err(failure("the runtime is going down")))
    }
}

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        if self.0.try_exit().is_none() {
            self.0.kill();
        }
    }
}

fn take(store: &Store, order: &BuildOrder) -> Result<Built, BuildFailure> {
    let mut run = order.run.clone();
    let program = run.words.first_mut();
    let Some(program) = program.filter(|word| word.contains('/') && !word.starts_with('/')) else {
        // Found in PATH or elsewhere on the system: no work of this build.
        return Ok(Built {
            version: new_version(order),
            run,
        });
    };
    let path = order.dir.join(&program);
    if !path.exists() {
        return Err(failure(format!(
            "the build ended well and made no `{program}`"
        )));
    }
    if !artefact::stands_alone(&path) {
        return Ok(Built {
            version: new_version(order),
            run,
        });
    }
    let (version, kept) = store
        .take(&order.service, &path)
        .map_err(|error| failure(format!("could not keep a copy of `{program}`: {error}")))?;
    *program = escape(kept).ok_or_else(|| failure("the data folder's path is not UTF-8"))?;
    Ok(Built { version, run })
}

/// A path as a word of a plan, in which `{port}` would be replaced.
fn escape(path: PathBuf) -> Option<String> {
    let path = path.into_os_string().into_string().ok()?;
    Some(path.replace("{port}", "{{port}}"))
}

/// A version that is like no other.
fn new_version(order: &BuildOrder) -> VersionId {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let Command { words } = &order.run;
    artefact::version_of(format!("{}{words:?}{}", order.service, now.as_nanos()).as_bytes())
}

fn is_same(one: &BuildOrder, other: &BuildOrder) -> bool {
    one.build == other.build && one.dir == other.dir && one.environment == other.environment
}

async fn all_gone(round: &mut [Waiting]) {
    for waiting in round {
        waiting.reply.closed().await;
    }
}

fn failure(reason: impl Into<String>) -> BuildFailure {
    BuildFailure {
        reason: reason.into(),
        lines: Vec::new(),
    }
}

fn in_full(error: &LaunchError) -> String {
    match error {
        LaunchError::System { source, .. } => format!("{error}: {source}"),
        other => other.to_string(),
    }
}
