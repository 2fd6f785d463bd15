//! The time and memory that processes use, all of their threads and children counted.

use std::collections::BTreeMap;
use std::fs;

use super::machine::field;

/// Nanoseconds of what `/proc/stat` counts in: always a hundredth of a second (proc(5), `USER_HZ`).
const TICK: u64 = 10_000_000;

/// Time on a core of each thread of a family of processes, in nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Usage(BTreeMap<u32, u64>);

/// How busy one core was until now with whatever, in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Core {
    pub(super) busy: u64,
    pub(super) idle: u64,
}

/// What was used between two readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Used {
    pub(super) nanoseconds: u64,
    /// Threads that were there before and not after: their time is lost, so there should be none.
    pub(super) ended_threads: usize,
}

impl Usage {
    /// Of process `pid` and all that descend from it, until now.
    pub(super) fn of(pid: u32) -> Self {
        let threads = family(pid).into_iter().flat_map(threads);
        let time = |(process, thread): (u32, u32)| {
            let path = format!("/proc/{process}/task/{thread}/schedstat");
            let nanoseconds = time_on_core(&fs::read_to_string(path).ok()?)?;
            Some((thread, nanoseconds))
        };
        Self(threads.filter_map(time).collect())
    }

    pub(super) fn since(&self, before: &Self) -> Used {
        let used = self.0.iter().map(|(thread, now)| {
            let before = before.0.get(thread).copied().unwrap_or(0);
            now.saturating_sub(before)
        });
        Used {
            nanoseconds: used.sum(),
            ended_threads: before
                .0
                .keys()
                .filter(|it| !self.0.contains_key(it))
                .count(),
        }
    }
}

impl Core {
    pub(super) fn read(number: &str) -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/stat").ok()?, number)
    }

    /// The numbers behind `cpuN`: user, nice, system, idle, iowait, irq, softirq, steal, and those that
    /// are in the first two already.
    fn parse(stat: &str, number: &str) -> Option<Self> {
        let name = format!("cpu{number} ");
        let line = stat.lines().find_map(|line| line.strip_prefix(&name))?;
        let ticks: Vec<u64> = line
            .split_whitespace()
            .take(8)
            .map(str::parse)
            .collect::<Result<_, _>>()
            .ok()?;
        let idle = ticks.get(3)? + ticks.get(4)?;
        let all: u64 = ticks.iter().sum();
        Some(Self {
            busy: (all - idle) * TICK,
            idle: idle * TICK,
        })
    }

    /// The share of the time since `before` in which it did neither nothing nor what used `known`
    /// nanoseconds.
    pub(super) fn taken_by_others(&self, before: &Self, known: u64) -> f64 {
        let busy = self.busy.saturating_sub(before.busy);
        let all = busy + self.idle.saturating_sub(before.idle);
        busy.saturating_sub(known) as f64 / all.max(1) as f64
    }
}

/// Time on a core of `pid` and all that descend from it, in nanoseconds: by the hundredth of a second, and
/// with that of threads that have ended.
pub(super) fn coarse(pid: u32) -> u64 {
    let of_one = |pid: u32| ticks(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?);
    family(pid).into_iter().filter_map(of_one).sum::<u64>() * TICK
}

/// The most that process `pid` has ever had resident, in bytes.
pub(super) fn peak_resident(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    kilobytes(field(&status, "VmHWM")?)
}

/// Resident memory of process `pid` and all that descend from it, in bytes. What they share counts for
/// each, and cancels out in a difference.
pub(super) fn resident(pid: u32) -> u64 {
    let of_one = |pid: u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        kilobytes(field(&status, "VmRSS")?)
    };
    family(pid).into_iter().filter_map(of_one).sum()
}

/// `pid` and all that descend from it.
pub(super) fn family(pid: u32) -> Vec<u32> {
    let parent_of = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some((pid, parent(&stat)?))
    };
    let parents: Vec<(u32, u32)> = numbers_in("/proc").filter_map(parent_of).collect();
    let mut family = vec![pid];
    let mut next = 0;
    while let Some(&elder) = family.get(next) {
        let children = parents.iter().filter(|(_, parent)| *parent == elder);
        family.extend(children.map(|(child, _)| *child));
        next += 1;
    }
    family
}

fn threads(pid: u32) -> impl Iterator<Item = (u32, u32)> {
    numbers_in(&format!("/proc/{pid}/task")).map(move |thread| (pid, thread))
}

/// The files in `folder` whose names are numbers.
fn numbers_in(folder: &str) -> impl Iterator<Item = u32> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The first number of `/proc/*/schedstat`: nanoseconds on a core.
fn time_on_core(schedstat: &str) -> Option<u64> {
    schedstat.split(' ').next()?.parse().ok()
}

/// The fourth field of `/proc/*/stat`. The second is the program's name in brackets, and may itself
/// have blanks and brackets.
fn parent(stat: &str) -> Option<u32> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    behind_name.split_whitespace().nth(1)?.parse().ok()
}

/// The fields 14 and 15 of `/proc/*/stat`: in the user's code and in the kernel.
fn ticks(stat: &str) -> Option<u64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_whitespace().skip(11);
    let mut field = || fields.next()?.parse::<u64>().ok();
    Some(field()? + field()?)
}

/// `12 kB` in bytes.
fn kilobytes(text: &str) -> Option<u64> {
    let kilobytes: u64 = text.strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_the_first_number() {
        assert_eq!(time_on_core("28821115 2416267 72\n"), Some(28_821_115));
        assert_eq!(time_on_core(""), None);
    }

    #[test]
    fn a_parent_is_found_behind_any_name() {
        assert_eq!(parent("12 (a) b (c) S 7 12 12 0"), Some(7));
        assert_eq!(parent("12"), None);
    }

    #[test]
    fn ticks_are_those_of_user_and_kernel() {
        let stat = "12 (a) b) S 7 12 12 0 -1 4194560 1 2 3 4 50 8 9 9";
        assert_eq!(ticks(stat), Some(58));
        assert_eq!(ticks("12 (a)"), None);
    }

    #[test]
    fn memory_is_in_bytes() {
        assert_eq!(kilobytes("  20 kB"), Some(20480));
        assert_eq!(kilobytes("20"), None);
    }

    #[test]
    fn new_threads_count_whole_and_ended_ones_are_told() {
        let before = Usage(BTreeMap::from([(1, 100), (2, 50)]));
        let after = Usage(BTreeMap::from([(1, 130), (3, 7)]));
        let expected = Used {
            nanoseconds: 37,
            ended_threads: 1,
        };
        assert_eq!(after.since(&before), expected);
    }

    #[test]
    fn what_others_take_of_a_core_is_what_is_left() {
        let stat = "cpu  9 9 9 9\ncpu0 10 0 10 70 10 0 0 0 7 7\ncpu1 1 1 1 1 1 1 1 1\n";
        let before = Core::parse(stat, "0").expect("eight numbers");
        assert_eq!((before.busy, before.idle), (20 * TICK, 80 * TICK));
        let stat = "cpu0 40 0 30 110 20 0 0 0 7 7\n";
        let after = Core::parse(stat, "0").expect("eight numbers");
        assert_eq!(after.taken_by_others(&before, 40 * TICK), 0.1);
        assert!(Core::parse(stat, "1").is_none());
    }

    #[test]
    fn this_process_has_time_memory_and_itself() {
        let pid = std::process::id();
        assert!(Usage::of(pid).0.values().sum::<u64>() > 0);
        assert!(resident(pid) > 0);
        assert_eq!(family(pid)[0], pid);
    }
}
