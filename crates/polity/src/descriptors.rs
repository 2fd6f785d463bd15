//! The limit of open files, which is low by default and not for servers.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that may be open at once, if the system allows it. Services inherit it.
const ENOUGH_DESCRIPTORS: u64 = 64 * 1024;

/// Raises the soft limit of open files to the hard one, or to what is plenty. The usual 1024 is there
/// for programs that `select`, and would mean a few hundred clients.
pub fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let most = limit
        .maximum
        .map_or(ENOUGH_DESCRIPTORS, |most| most.min(ENOUGH_DESCRIPTORS));
    if limit.current.is_some_and(|current| current < most) {
        let raised = Rlimit {
            current: Some(most),
            ..limit
        };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, "could not raise the limit of open files; fewer clients are served at once");
        }
    }
}
