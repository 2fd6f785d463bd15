//! The clock that does not wait for answers: a thread of its own, since timers of a runtime are a
//! millisecond apart.

use std::io::Write;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::Idle;

/// How exactly this process is woken. The kernel's default is 50 us, as long as a whole answer.
const TIMER_SLACK_NS: &str = "1000";

/// When requests are due, from `began` on.
pub(super) struct Schedule {
    pub(super) began: Instant,
    pub(super) due: Vec<Duration>,
    /// When those that could not be sent are given up, from `began` on.
    pub(super) give_up: Duration,
}

/// Arrivals evenly `rate` a second.
pub(super) fn arrivals(whole: Duration, rate: f64) -> Vec<Duration> {
    let all = (whole.as_secs_f64() * rate) as u32;
    (0..all)
        .map(|it| Duration::from_secs_f64(f64::from(it) / rate))
        .collect()
}

/// Holds for this thread and those it starts from then on.
pub(crate) fn be_woken_exactly() -> anyhow::Result<()> {
    std::fs::write("/proc/self/timerslack_ns", TIMER_SLACK_NS)
        .context("could not set the timer slack")
}

/// Sends `request` whenever one is due and a connection is free, the earliest first. Gives how many
/// could be sent.
pub(super) fn run(
    schedule: &Schedule,
    request: &[u8],
    free: &Receiver<Idle>,
) -> anyhow::Result<usize> {
    for (sent, due) in schedule.due.iter().enumerate() {
        if let Some(early) = due.checked_sub(schedule.began.elapsed()) {
            std::thread::sleep(early);
        }
        let patience = schedule.give_up.saturating_sub(schedule.began.elapsed());
        let Ok(idle) = free.recv_timeout(patience) else {
            return Ok(sent);
        };
        let nanoseconds = u64::try_from(due.as_nanos())?;
        idle.due.store(nanoseconds, Ordering::Release);
        // What went wrong is seen by who reads the answer: it does not come.
        _ = (&*idle.writer).write_all(request);
    }
    Ok(schedule.due.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_are_evenly_apart() {
        let due = arrivals(Duration::from_secs(1), 4.0);
        assert_eq!(due, [0, 250, 500, 750].map(Duration::from_millis));
    }
}
