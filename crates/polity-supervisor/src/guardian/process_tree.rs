//! Who descends from a process, as `/proc` shows it at one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::{fs, io};

use rustix::process::{Pid, Signal, kill_process};

use super::protocol::LAUNCH_VARIABLE;

/// The living descendants of one process; zombies are not among them.
#[derive(Debug)]
pub(super) struct ProcessTree {
    processes: BTreeMap<i32, Member>,
}

#[derive(Debug, Clone, Copy)]
struct Member {
    parent: i32,
    group: i32,
}

impl ProcessTree {
    /// What descends from `root` now, without `root`.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub(super) fn below(root: Pid) -> io::Result<Self> {
        let mut all = BTreeMap::new();
        for entry in fs::read_dir("/proc")?.flatten() {
            let name = entry.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else {
                continue;
            };
            // A process that is gone by now is no member.
            if let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat"))
                && let Some((state, member)) = parse_stat(&stat)
            {
                all.insert(pid, (state, member));
            }
        }
        let mut parents = BTreeMap::new();
        for (pid, (_, member)) in &all {
            parents
                .entry(member.parent)
                .or_insert_with(Vec::new)
                .push(*pid);
        }
        let below = closure([root.as_raw_nonzero().get()].into(), &parents);
        let processes = all
            .into_iter()
            .filter(|(pid, (state, _))| below.contains(pid) && !matches!(state, 'Z' | 'X'))
            .filter(|(pid, _)| *pid != root.as_raw_nonzero().get())
            .map(|(pid, (_, member))| (pid, member))
            .collect();
        Ok(Self { processes })
    }

    /// Whether nothing lives.
    pub(super) fn is_empty(&self) -> bool {
        self.processes.is_empty()
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<Pid> {
        self.processes
            .keys()
            .filter_map(|pid| Pid::from_raw(*pid))
            .collect()
    }

    /// What belongs to a launch by its mark or by descent, and is not in its group.
    pub(super) fn outside(&self, group: i32, own: &str) -> Vec<Pid> {
        let mut members = self.members(|other| other == group, |mark| mark == own);
        let left = |pid: i32| {
            self.processes
                .get(&pid)
                .is_some_and(|member| member.group != group)
        };
        members.retain(|pid| left(pid.as_raw_nonzero().get()));
        members
    }

    /// Those whose group `is_group` knows, or whose launch mark `is_mark` does, and all that descends
    /// from them.
    pub(super) fn members(
        &self,
        is_group: impl Fn(i32) -> bool,
        is_mark: impl Fn(&str) -> bool,
    ) -> Vec<Pid> {
        let mut parents = BTreeMap::new();
        let mut seeds = BTreeSet::new();
        for (pid, member) in &self.processes {
            parents
                .entry(member.parent)
                .or_insert_with(Vec::new)
                .push(*pid);
            if is_group(member.group) || launch_mark(*pid).is_some_and(|mark| is_mark(&mark)) {
                seeds.insert(*pid);
            }
        }
        let members = closure(seeds, &parents);
        members.into_iter().filter_map(Pid::from_raw).collect()
    }
}

/// Sends SIGKILL to each. One that is gone already is what was wanted.
pub(super) fn kill_all(processes: &[Pid]) {
    for pid in processes {
        let _ = kill_process(*pid, Signal::KILL);
    }
}

fn closure(seeds: BTreeSet<i32>, children: &BTreeMap<i32, Vec<i32>>) -> BTreeSet<i32> {
    let mut open: Vec<i32> = seeds.iter().copied().collect();
    let mut found = seeds;
    while let Some(pid) = open.pop() {
        for child in children.get(&pid).into_iter().flatten() {
            if found.insert(*child) {
                open.push(*child);
            }
        }
    }
    found
}

/// proc_pid_stat(5): `pid (name) state parent group ...`, where the name may hold anything, spaces and
/// brackets included.
fn parse_stat(stat: &str) -> Option<(char, Member)> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    Some((state, Member { parent, group }))
}

/// The value of [`LAUNCH_VARIABLE`] that a process was started with; none for another user's.
fn launch_mark(pid: i32) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    environment.split(|byte| *byte == 0).find_map(|variable| {
        let value = variable.strip_prefix(LAUNCH_VARIABLE.as_bytes())?;
        let value = value.strip_prefix(b"=")?;
        String::from_utf8(value.to_vec()).ok()
    })
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_does_not_confuse() {
        let (state, member) = parse_stat("12 (a) b (c) S 7 12 12 0 -1").expect("well formed");
        assert_eq!((state, member.parent, member.group), ('S', 7, 12));
        assert!(parse_stat("12 (a").is_none());
    }

    #[test]
    fn a_child_is_below_its_parent_and_found_by_its_mark() {
        let mut child = Command::new("sleep")
            .arg("1000")
            .env(LAUNCH_VARIABLE, "7.42")
            .stdin(Stdio::null())
            .spawn()
            .expect("sleep");
        let pid = Pid::from_child(&child);
        // Until its exec is through, the child still shows this process's environment.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        loop {
            let tree = ProcessTree::below(rustix::process::getpid()).expect("/proc");
            if tree.members(|_| false, |mark| mark == "7.42") == [pid] {
                assert!(tree.all().contains(&pid));
                break;
            }
            assert!(
                std::time::Instant::now() < deadline,
                "the child never showed"
            );
            std::thread::yield_now();
        }
        child.kill().expect("killed");
        child.wait().expect("reaped");
        let tree = ProcessTree::below(rustix::process::getpid()).expect("/proc");
        assert!(!tree.all().contains(&pid));
    }
}
