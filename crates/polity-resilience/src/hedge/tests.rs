//! Tests of hedging: after what, and never more than the budget has.

use proptest::prelude::*;

use super::*;

const P95: Settings = Settings {
    after: After::Quantile(0.95),
    budget: 0.05,
};

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Whether `after` is this long, as far as its measure goes.
fn is_about(after: Option<Duration>, expected: Duration) -> bool {
    after.is_some_and(|after| after > expected && after <= expected.mul_f64(1.0 + 1.0 / 8.0))
}

#[test]
fn a_second_one_is_sent_after_the_quantile_of_what_was_measured() {
    let hedge = Hedge::new(P95, Instant::now());
    (1..=1_000).for_each(|sample| hedge.note_answer(millis(sample)));
    assert_eq!(hedge.after(), None, "not looked at yet");
    hedge.advance();
    assert!(is_about(hedge.after(), millis(950)), "{:?}", hedge.after());
}

#[test]
fn nothing_is_sent_twice_while_little_is_known() {
    let now = Instant::now();
    let hedge = Hedge::new(P95, now);
    (0..1_000).for_each(|_| hedge.note_request(now));
    (1..MIN_SAMPLES).for_each(|_| hedge.note_answer(millis(5)));
    hedge.advance();
    assert_eq!((hedge.after(), hedge.try_send(now)), (None, false));
    (0..MIN_SAMPLES).for_each(|_| hedge.note_answer(millis(5)));
    hedge.advance();
    assert!(hedge.after().is_some() && hedge.try_send(now));
    // Nor when it was long ago.
    (0..8).for_each(|_| hedge.advance());
    assert_eq!(hedge.after(), None);
}

#[test]
fn it_follows_what_has_become_slower_or_quicker() {
    let hedge = Hedge::new(P95, Instant::now());
    let serve = |latency| {
        for _ in 0..32 {
            (0..1_000).for_each(|_| hedge.note_answer(latency));
            hedge.advance();
        }
        hedge.after()
    };
    for latency in [6, 500, 7].map(millis) {
        let after = serve(latency);
        assert!(is_about(after, latency), "{latency:?} {after:?}");
    }
}

#[test]
fn what_is_answered_at_once_is_given_a_moment_nevertheless() {
    let hedge = Hedge::new(P95, Instant::now());
    (0..1_000).for_each(|_| hedge.note_answer(Duration::from_micros(200)));
    hedge.advance();
    assert_eq!(hedge.after(), Some(FLOOR));
}

#[test]
fn a_fixed_time_holds_from_the_first_request_on_and_whatever_is_measured() {
    let now = Instant::now();
    let after = After::Fixed(millis(1));
    let hedge = Hedge::new(Settings { after, budget: 0.5 }, now);
    for _ in 0..3 {
        assert_eq!(hedge.after(), Some(millis(1)));
        (0..1_000).for_each(|_| hedge.note_answer(millis(50)));
        hedge.advance();
    }
    assert!(!hedge.try_send(now), "of none, none");
    (0..2).for_each(|_| hedge.note_request(now));
    assert!(hedge.try_send(now) && !hedge.try_send(now));
}

proptest! {
    #[test]
    fn second_ones_are_never_more_than_their_share(
        steps in prop::collection::vec((0u64..3_000, 0u32..200, 0u32..50), 1..60),
        budget in 0.0f64..0.5,
    ) {
        let origin = Instant::now();
        let hedge = Hedge::new(Settings { budget, ..P95 }, origin);
        (0..2 * MIN_SAMPLES).for_each(|_| hedge.note_answer(millis(5)));
        hedge.advance();
        let (mut now, mut requests, mut sent) = (origin, 0u32, 0u32);
        for (pause, came, wanted) in steps {
            now += millis(pause);
            (0..came).for_each(|_| hedge.note_request(now));
            requests += came;
            sent += (0..wanted).filter(|_| hedge.try_send(now)).count() as u32;
            prop_assert!(f64::from(sent) <= f64::from(requests) * budget);
        }
    }
}
