//! Control groups (version 2) where we may make them: the one way to kill that nothing below can dodge.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// How our own folders are called, the guardian's pid behind.
const PREFIX: &str = "polity-";

/// A control group of our own. Dropping it removes it, when nothing is left in it.
#[derive(Debug)]
pub(super) struct ControlGroup {
    path: PathBuf,
}

impl ControlGroup {
    /// Makes one for guardian `pid` under the group this process is in. None where the system has no version
    /// 2, did not delegate, or cannot kill by group (before Linux 5.14): all of it works without.
    pub(super) fn for_guardian(pid: i32) -> Option<Self> {
        let own = own_group()?;
        remove_left_behind(&own);
        Self::create(own.join(format!("{PREFIX}{pid}"))).ok()
    }

    /// Takes over the group of a guardian that is gone.
    pub(super) fn of_lost_guardian(pid: i32) -> Option<Self> {
        let path = own_group()?.join(format!("{PREFIX}{pid}"));
        path.is_dir().then_some(Self { path })
    }

    /// Makes one within this.
    pub(super) fn child(&self, name: &str) -> Option<Self> {
        Self::create(self.path.join(name)).ok()
    }

    /// The file a process writes itself into to enter.
    pub(super) fn procs(&self) -> PathBuf {
        self.path.join("cgroup.procs")
    }

    /// SIGKILL to all in it and in the groups below it, those being forked right now included.
    pub(super) fn kill(&self) {
        let _ = fs::write(self.path.join("cgroup.kill"), "1");
    }

    /// Whether a process is in it or below it.
    pub(super) fn is_populated(&self) -> bool {
        let events = fs::read_to_string(self.path.join("cgroup.events")).unwrap_or_default();
        events.lines().any(|line| line == "populated 1")
    }

    fn create(path: PathBuf) -> io::Result<Self> {
        fs::create_dir(&path)?;
        let group = Self { path };
        if !group.path.join("cgroup.kill").exists() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        // Entering means writing here; a folder alone may be made where that may not be done.
        fs::OpenOptions::new().write(true).open(group.procs())?;
        Ok(group)
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// A folder of the control group file system is removed with its files, once no group is below it
/// and no process in it; what is in use stays.
fn remove(path: &Path) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let _ = fs::remove_dir(entry.path());
        }
    }
    let _ = fs::remove_dir(path);
}

/// Removes the empty groups of guardians that were killed before they could.
fn remove_left_behind(own: &Path) {
    for entry in fs::read_dir(own).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            remove(&entry.path());
        }
    }
}

/// The folder of the group this process is in.
fn own_group() -> Option<PathBuf> {
    let membership = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = membership
        .lines()
        .find_map(|line| line.strip_prefix("0::/"))?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    Some(mount_point(&mounts)?.join(path))
}

/// proc_pid_mountinfo(5): `id parent device root MOUNT-POINT options [tags] - TYPE source options`.
fn mount_point(mounts: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let is_version_2 = kind.split(' ').next() == Some("cgroup2");
        let path = place.split(' ').nth(4)?;
        is_version_2.then(|| PathBuf::from(path))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_point_is_that_of_version_2() {
        let mounts = "30 24 0:26 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n\
                      42 24 0:38 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw\n";
        assert_eq!(
            mount_point(mounts),
            Some(PathBuf::from("/sys/fs/cgroup/unified"))
        );
        assert_eq!(mount_point(""), None);
    }
}
