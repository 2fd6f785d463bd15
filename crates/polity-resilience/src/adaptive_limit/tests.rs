//! Counting: exact, whatever becomes of requests and their tasks.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::window::{Sample, Tally};
use super::{AdaptiveLimit, NO_LIMIT, Overloaded, Priority, Waiting};

const TARGET: Duration = Duration::from_millis(500);

fn limit_of(limit: u64, now: Instant) -> Arc<AdaptiveLimit> {
    let shared = AdaptiveLimit::new(TARGET, now);
    shared
        .limit
        .store(limit, std::sync::atomic::Ordering::Relaxed);
    Arc::new(shared)
}

#[derive(Debug, Clone)]
enum Step {
    Begin(Priority),
    Answer(usize),
    Cancel(usize),
    Panic(usize),
    Look,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any::<bool>().prop_map(|high| Step::Begin(match high {
            true => Priority::High,
            false => Priority::Normal,
        })),
        1 => any::<usize>().prop_map(Step::Answer),
        1 => any::<usize>().prop_map(Step::Cancel),
        1 => any::<usize>().prop_map(Step::Panic),
        1 => Just(Step::Look),
    ]
}

proptest! {
    #[test]
    fn what_is_counted_in_is_counted_out_however_it_ends(
        limit in prop_oneof![0u64..20, Just(NO_LIMIT)],
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let now = Instant::now();
        let shared = limit_of(limit, now);
        let mut waiting: Vec<Waiting<Arc<AdaptiveLimit>>> = Vec::new();
        for (step, tick) in steps.into_iter().zip(0u32..) {
            let now = now + Duration::from_millis(7) * tick;
            let one = |waiting: &mut Vec<_>, index: usize| match waiting.len() {
                0 => None,
                count => Some(waiting.swap_remove(index % count)),
            };
            match step {
                Step::Begin(priority) => {
                    let most = match priority {
                        Priority::Normal => limit,
                        Priority::High => limit.saturating_add(limit / 4),
                    };
                    let begun = Waiting::begin(shared.clone(), priority, now);
                    prop_assert_eq!(begun.is_ok(), (waiting.len() as u64) < most);
                    waiting.extend(begun);
                }
                Step::Answer(index) => {
                    if let Some(one) = one(&mut waiting, index) {
                        one.answered(now);
                    }
                }
                Step::Cancel(index) => drop(one(&mut waiting, index)),
                Step::Panic(index) => {
                    let held = one(&mut waiting, index);
                    let task = catch_unwind(AssertUnwindSafe(move || {
                        let _held = held;
                        std::panic::resume_unwind(Box::new("on purpose"));
                    }));
                    prop_assert!(task.is_err());
                }
                Step::Look if limit == NO_LIMIT => shared.advance(now),
                Step::Look => {}
            }
            prop_assert_eq!(shared.waiting(), waiting.len() as u64);
        }
        drop(waiting);
        prop_assert_eq!(shared.waiting(), 0);
    }

    #[test]
    fn a_measurement_survives_its_packing(micros in 0u64..1 << 39, position in 0u64..1 << 24) {
        let sample = Sample { latency: Duration::from_micros(micros), position };
        prop_assert_eq!(Sample::unpack(sample.pack()), Some(sample));
    }
}

#[test]
fn samples_are_ordered_by_latency() {
    let at = |micros, position| {
        Sample {
            latency: Duration::from_micros(micros),
            position,
        }
        .pack()
    };
    assert!(at(5, 9000) < at(6, 1));
    assert!(at(u64::MAX / 2, 1 << 30) < Sample::NONE);
}

#[test]
fn a_tally_counts_and_sums() {
    let packed = Tally::of(Duration::from_millis(3)) + Tally::of(Duration::from_millis(5));
    let tally = Tally::unpack(packed);
    assert_eq!(
        (tally.count, tally.mean()),
        (2, Some(Duration::from_millis(4)))
    );
    assert_eq!(Tally::default().mean(), None);
}

#[test]
fn all_threads_together_never_pass_the_limit() {
    let now = Instant::now();
    let shared = limit_of(3, now);
    let threads = (0..4).map(|_| {
        let shared = shared.clone();
        std::thread::spawn(move || {
            let mut admitted = 0;
            for _ in 0..10_000 {
                let begun = Waiting::begin(shared.clone(), Priority::Normal, now);
                // Those about to be refused are counted for a moment.
                assert!(shared.waiting() <= 3 + 4);
                admitted += u64::from(begun.is_ok());
            }
            admitted
        })
    });
    let threads: Vec<_> = threads.collect();
    let admitted: u64 = threads
        .into_iter()
        .map(|it| it.join().expect("no panic"))
        .sum();
    assert!(admitted > 0);
    assert_eq!(shared.waiting(), 0);
}

#[test]
fn what_a_request_took_to_arrive_is_not_the_services_latency() {
    let start = Instant::now();
    let shared = Arc::new(AdaptiveLimit::new(TARGET, start));
    let held: Vec<_> = (0..8)
        .map(|_| Waiting::begin(shared.clone(), Priority::Normal, start))
        .collect();
    let mut upload = Waiting::begin(shared.clone(), Priority::Normal, start).expect("no limit");
    upload.received(start + Duration::from_secs(20));
    upload.answered(start + Duration::from_secs(20) + Duration::from_millis(3));
    let seen = shared.take_window().total();
    assert_eq!(
        seen.least.map(|it| it.latency),
        Some(Duration::from_millis(3))
    );
    assert_eq!(seen.slow.count, 0);
    drop(held);
}

#[test]
fn a_refusal_leaves_no_trace() {
    let now = Instant::now();
    let shared = limit_of(0, now);
    let refused = Waiting::begin(shared.clone(), Priority::High, now);
    assert_eq!(refused.err(), Some(Overloaded));
    assert_eq!(shared.waiting(), 0);
}
