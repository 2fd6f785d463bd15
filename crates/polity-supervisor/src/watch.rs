//! Watched files: a change rebuilds and rolls their service, once the saving has settled.

mod files;
mod settle;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use polity_runtime::task;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Watches a service's files for as long as it lives.
pub(crate) struct Watcher {
    task: JoinHandle<Option<()>>,
}

impl Watcher {
    /// Watches `paths`, absolute, but for what is `made` and what is never source; `changed` is told
    /// after each burst of changes.
    pub(crate) fn start(
        paths: Vec<PathBuf>,
        made: Vec<PathBuf>,
        changed: Arc<Notify>,
    ) -> io::Result<Self> {
        let changes = files::Files::open(paths, made)?;
        let task = task::spawn("watch", settle::tell(changes, changed));
        Ok(Self { task })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}
