//! A thread as a queue: time goes by as it works, and nothing else moves it.

use polity_core::{Rng, SplitMix64};

use super::*;

const TARGET: Duration = Duration::from_millis(100);
const FORWARD: f64 = 20e-6;
const REFUSE: f64 = 8e-6;

/// What a thread did.
struct Report {
    forwarded_per_second: f64,
    refused: u64,
    slowest: f64,
}

/// A thread that is offered `load(now)` requests a second, for `seconds`, looked at from `from` on.
fn run(load: impl Fn(f64) -> f64, from: f64, seconds: f64) -> Report {
    let start = Instant::now();
    let mut rng = SplitMix64::new(1);
    let mut shedder = Shedder::default();
    // When the thread is done with all that has come, when the next request comes, and the next look.
    let (mut busy_until, mut arrival, mut look) = (0.0f64, 0.0f64, 0.0f64);
    let (mut forwarded, mut refused, mut slowest) = (0u64, 0u64, 0.0f64);
    while arrival < seconds {
        while look <= arrival {
            let delay = Duration::from_secs_f64((busy_until - look).max(0.0));
            shedder.measured(delay, TARGET, start + Duration::from_secs_f64(look));
            look += 0.025;
        }
        let begun = busy_until.max(arrival);
        let refuses = rng.unit() < shedder.share();
        busy_until = begun + if refuses { REFUSE } else { FORWARD };
        if arrival >= from {
            forwarded += u64::from(!refuses);
            refused += u64::from(refuses);
            slowest = slowest.max(busy_until - arrival);
        }
        arrival += -(1.0 - rng.unit()).ln() / load(arrival);
    }
    Report {
        forwarded_per_second: forwarded as f64 / (seconds - from),
        refused,
        slowest,
    }
}

#[test]
fn twice_what_a_thread_can_do_waits_no_longer_for_it() {
    let report = run(|_| 100_000.0, 10.0, 30.0);
    assert!(report.slowest < 0.3, "{}", report.slowest);
    // What is left of the thread's time once the others are refused: the best there is.
    let best = (1.0 - 100_000.0 * REFUSE) / (FORWARD - REFUSE);
    assert!(
        report.forwarded_per_second > 0.9 * best,
        "{} of {best}",
        report.forwarded_per_second
    );
}

#[test]
fn a_little_too_much_costs_little() {
    let report = run(|_| 55_000.0, 10.0, 30.0);
    assert!(report.slowest < 0.3, "{}", report.slowest);
    let best = (1.0 - 55_000.0 * REFUSE) / (FORWARD - REFUSE);
    assert!(report.forwarded_per_second > 0.9 * best);
}

#[test]
fn nothing_is_refused_below_capacity_nor_in_bursts() {
    assert_eq!(run(|_| 45_000.0, 0.0, 20.0).refused, 0);
    let bursts = |now: f64| if now % 2.0 < 0.2 { 130_000.0 } else { 20_000.0 };
    assert_eq!(run(bursts, 0.0, 20.0).refused, 0);
}

#[test]
fn all_is_as_before_once_it_is_over() {
    let load = |now: f64| if now < 10.0 { 100_000.0 } else { 30_000.0 };
    assert!(run(load, 0.0, 10.0).refused > 0);
    assert_eq!(run(load, 13.0, 20.0).refused, 0);
}

#[test]
fn a_thread_that_stood_still_once_refuses_nobody() {
    let mut shedder = Shedder::default();
    let now = Instant::now();
    shedder.measured(Duration::ZERO, TARGET, now);
    shedder.measured(Duration::from_secs(9), TARGET, now + Duration::from_secs(9));
    assert_eq!(shedder.share(), 0.0);
    shedder.measured(Duration::ZERO, TARGET, now + Duration::from_secs(10));
    assert_eq!(shedder.share(), 0.0);
}
