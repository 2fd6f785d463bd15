//! Tests of the retry budget: its promises, a naive model, and threads that race for the last retry.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn granted(budget: &RetryBudget, now: Instant, wanted: usize) -> usize {
    (0..wanted).filter(|_| budget.try_retry(now)).count()
}

#[test]
fn retries_are_a_share_of_requests() {
    let now = Instant::now();
    let budget = RetryBudget::new(0.2, 0, now);
    assert_eq!(granted(&budget, now, 10), 0);
    (0..100).for_each(|_| budget.note_request(now));
    assert_eq!(granted(&budget, now, 100), 20);
}

#[test]
fn the_floor_serves_those_with_few_requests() {
    let now = Instant::now();
    let budget = RetryBudget::new(0.2, 1, now);
    assert_eq!(granted(&budget, now, 100), 10);
    assert_eq!(granted(&budget, now + Duration::from_secs(9), 100), 0);
    assert_eq!(granted(&budget, now + Duration::from_secs(10), 100), 10);
}

#[test]
fn requests_of_a_quiet_while_ago_pay_for_nothing() {
    let now = Instant::now();
    let budget = RetryBudget::new(0.5, 0, now);
    (0..100).for_each(|_| budget.note_request(now));
    assert_eq!(granted(&budget, now + Duration::from_secs(10), 1), 0);
    assert_eq!(granted(&budget, now + Duration::from_secs(9), 100), 50);
}

#[test]
fn a_ratio_that_is_no_share_counts_as_nothing() {
    let now = Instant::now();
    for ratio in [0.0, -1.0, f64::NAN] {
        for floor in [0, 1] {
            let budget = RetryBudget::new(ratio, floor, now);
            (0..100).for_each(|_| budget.note_request(now));
            assert_eq!(granted(&budget, now, 100), floor as usize * 10, "{ratio}");
        }
    }
}

#[test]
fn a_thread_held_up_for_a_window_spoils_no_newer_count() {
    let now = Instant::now();
    let budget = RetryBudget::new(1.0, 0, now);
    let later = now + Duration::from_secs(10);
    budget.note_request(later);
    budget.note_request(now);
    assert_eq!(granted(&budget, later, 5), 1);
}

#[test]
fn threads_never_get_more_than_there_is() {
    const ALLOWED: u32 = 1_000;
    let now = Instant::now();
    let budget = RetryBudget::new(1.0, 0, now);
    (0..ALLOWED).for_each(|_| budget.note_request(now));
    let total = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..ALLOWED {
                    if budget.try_retry(now) {
                        total.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let left = granted(&budget, now, ALLOWED as usize) as u32;
    assert_eq!(total.into_inner() + left, ALLOWED);
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Wait(u64),
    Request,
    Retry,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => (1u64..4_000).prop_map(Step::Wait),
        4 => Just(Step::Request),
        4 => Just(Step::Retry),
    ]
}

proptest! {
    #[test]
    fn it_grants_what_a_list_of_times_would(
        steps in prop::collection::vec(any_step(), 0..200),
        ratio in prop::sample::select(vec![0.0, 0.25, 0.5, 1.0, 2.0]),
        floor in 0u32..2,
    ) {
        let origin = Instant::now();
        let budget = RetryBudget::new(ratio, floor, origin);
        let (mut elapsed, mut requests, mut retries) = (Duration::ZERO, Vec::new(), Vec::new());
        for step in steps {
            let second = elapsed.as_secs();
            let recent = |times: &[u64]| times.iter().filter(|&&time| time + WINDOW as u64 > second).count() as f64;
            match step {
                Step::Wait(milliseconds) => elapsed += Duration::from_millis(milliseconds),
                Step::Request => {
                    budget.note_request(origin + elapsed);
                    requests.push(second);
                }
                Step::Retry => {
                    let allowed = recent(&requests) * ratio + f64::from(floor) * WINDOW as f64;
                    let expected = recent(&retries) + 1.0 <= allowed;
                    prop_assert_eq!(budget.try_retry(origin + elapsed), expected);
                    if expected {
                        retries.push(second);
                    }
                }
            }
        }
    }
}
