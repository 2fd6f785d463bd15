//! All output of all services: takes it in, keeps it, tells the followers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use polity_core::{InstanceId, ServiceName};
use tokio::sync::broadcast;

use super::recent::Recent;
use super::rotation::Limits;
use super::writer::{Writer, service_folder};
use super::{Line, tail};
use crate::process::{OutputSink, Stream};
use crate::supervisor::parts::Logs;

/// How many lines a follower may be behind before it loses the oldest.
const MAX_BEHIND: usize = 1024;

/// Keeps the output of everything that runs. Cheap to clone; what is queued is written when the last
/// clone, and the last sink, is dropped.
#[derive(Clone, Debug)]
pub struct LogStore {
    shared: Arc<Shared>,
}

/// Which services' lines are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Filter {
    /// All of them.
    #[default]
    All,
    /// These.
    Services(BTreeSet<ServiceName>),
}

/// How the keeping goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Lines that are in no file, since the start: the disk was full, failing or too slow.
    pub lost: u64,
    /// Why lines cannot be written now, if so.
    pub error: Option<String>,
}

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    limits: Limits,
    state: Mutex<State>,
    writer: Writer,
    followers: broadcast::Sender<Arc<Line>>,
}

#[derive(Debug)]
struct State {
    /// Microseconds since 1970 at the start, then one more for each line: greater than any of an earlier
    /// run that printed less than a million lines a second.
    next_sequence: u64,
    recent: Recent,
}

struct Sink {
    store: LogStore,
    service: ServiceName,
    instance: InstanceId,
}

impl LogStore {
    /// Opens the store in `folder` (`<data>/logs`), which is made when it is not there.
    ///
    /// # Errors
    /// When the folder cannot be made, or the system has no thread left.
    pub fn open(folder: &Path) -> io::Result<Self> {
        Self::with_limits(folder, Limits::STANDARD)
    }

    pub(super) fn with_limits(folder: &Path, limits: Limits) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let state = State {
            next_sequence: since_1970().as_micros() as u64,
            recent: Recent::default(),
        };
        let shared = Shared {
            folder: folder.to_owned(),
            limits,
            state: Mutex::new(state),
            writer: Writer::start(folder.to_owned(), limits)?,
            followers: broadcast::Sender::new(MAX_BEHIND),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// The last `count` lines, oldest first, those of earlier runs included. Reads files: not to be called on
    /// a thread that must not wait.
    pub fn tail(&self, filter: &Filter, count: usize) -> Vec<Arc<Line>> {
        self.shared.writer.flush();
        let mut lines = BTreeMap::new();
        for service in self.services(filter) {
            // Memory has what a failing disk has not; the files have what memory has let go.
            let recent: Vec<_> = self.state().recent.of_service(&service).cloned().collect();
            if recent.len() < count {
                let folder = service_folder(&self.shared.folder, &service);
                let kept = tail::read(&folder, self.shared.limits, count);
                lines.extend(kept.into_iter().map(|line| (line.sequence, Arc::new(line))));
            }
            lines.extend(recent.into_iter().map(|line| (line.sequence, line)));
            while lines.len() > count {
                lines.pop_first();
            }
        }
        lines.into_values().collect()
    }

    /// The lines to come, of all services. A receiver that is too slow is told how many it has lost.
    pub fn follow(&self) -> broadcast::Receiver<Arc<Line>> {
        self.shared.followers.subscribe()
    }

    /// The last `count` lines of one instance in this run, oldest first, from memory.
    pub fn last_lines(
        &self,
        service: &ServiceName,
        instance: &InstanceId,
        count: usize,
    ) -> Vec<Arc<Line>> {
        self.state().recent.of_instance(service, instance, count)
    }

    /// How the keeping goes.
    pub fn status(&self) -> Status {
        let health = self.shared.writer.health();
        Status {
            lost: health.lost(),
            error: health.error(),
        }
    }

    /// Waits, within bounds, until all that came before is in the files. For the end of the run.
    pub fn flush(&self) {
        self.shared.writer.flush();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn services(&self, filter: &Filter) -> BTreeSet<ServiceName> {
        if let Filter::Services(services) = filter {
            return services.clone();
        }
        let folders = fs::read_dir(&self.shared.folder)
            .into_iter()
            .flatten()
            .flatten();
        let kept = folders.filter_map(|entry| ServiceName::new(entry.file_name().to_str()?).ok());
        let mut services: BTreeSet<_> = kept.collect();
        services.extend(self.state().recent.services().cloned());
        services
    }
}

impl Logs for LogStore {
    fn sink(&self, service: &ServiceName, instance: &InstanceId) -> Arc<dyn OutputSink> {
        Arc::new(Sink {
            store: self.clone(),
            service: service.clone(),
            instance: instance.clone(),
        })
    }
}

impl Filter {
    /// Whether a line is wanted.
    pub fn wants(&self, line: &Line) -> bool {
        match self {
            Filter::All => true,
            Filter::Services(services) => services.contains(&line.service),
        }
    }
}

impl OutputSink for Sink {
    fn line(&self, stream: Stream, text: &str) {
        let shared = &self.store.shared;
        let mut state = self.store.state();
        let line = Arc::new(Line {
            sequence: state.next_sequence,
            time: since_1970().as_millis() as u64,
            service: self.service.clone(),
            instance: self.instance.clone(),
            stream,
            text: text.to_owned(),
        });
        state.next_sequence += 1;
        state.recent.push(line.clone());
        // Within the lock, so that files and followers have the order of the numbers; neither waits.
        shared.writer.write(&line);
        // An error means that nobody follows.
        let _ = shared.followers.send(line);
    }
}

fn since_1970() -> std::time::Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}
