//! Ends what a lost guardian leaves behind: its descendants came to Polity, the next subreaper up.

use std::collections::BTreeSet;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitOptions, getpid, waitpid};

use super::cgroup::ControlGroup;
use super::process_tree::{ProcessTree, kill_all};

/// How long a killed process may take to be gone before it is left to the kernel.
const MAX_SWEEP: Duration = Duration::from_secs(10);

const SWEEP_INTERVAL: Duration = Duration::from_millis(5);

/// Kills all that belonged to guardian `guardian`, whose launches led the groups `groups`. Blocks until
/// none is left.
///
/// # Errors
/// When `/proc` cannot be read, or something is still there after [`MAX_SWEEP`].
pub(super) fn end(guardian: u32, groups: &BTreeSet<i32>) -> io::Result<()> {
    let control_group = ControlGroup::of_lost_guardian(guardian.cast_signed());
    let prefix = format!("{guardian}.");
    let deadline = Instant::now() + MAX_SWEEP;
    let mut killed = BTreeSet::new();
    loop {
        if let Some(group) = &control_group {
            group.kill();
        }
        // Whether adopted ones are ours is known by their marks only while they live, and Polity's other
        // children are waited for elsewhere: so exactly those killed here are waited for.
        killed.retain(|pid| {
            !matches!(
                waitpid(Pid::from_raw(*pid), WaitOptions::NOHANG),
                Ok(Some(_)) | Err(_)
            )
        });
        let tree = ProcessTree::below(getpid())?;
        let members = tree.members(
            |group| groups.contains(&group),
            |mark| mark.starts_with(&prefix),
        );
        if members.is_empty() && killed.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("processes {members:?} do not end"),
            ));
        }
        kill_all(&members);
        killed.extend(members.iter().map(|pid| pid.as_raw_nonzero().get()));
        thread::sleep(SWEEP_INTERVAL);
    }
}
