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
    let now = Instant::now();
    let hedge = Hedge::new(P95, now);
    (1..=1_000).for_each(|sample| hedge.note_answer(millis(sample), now));
    assert_eq!(hedge.after(), None, "not looked at yet");
    hedge.advance();
    assert!(is_about(hedge.after(), millis(950)), "{:?}", hedge.after());
}

#[test]
fn nothing_is_sent_twice_while_little_is_known() {
    let now = Instant::now();
    let hedge = Hedge::new(P95, now);
    (0..1_000).for_each(|_| hedge.note_request(now));
    (1..MIN_SAMPLES).for_each(|_| hedge.note_answer(millis(5), now));
    hedge.advance();
    assert_eq!((hedge.after(), hedge.try_send(now)), (None, false));
    (0..MIN_SAMPLES).for_each(|_| hedge.note_answer(millis(5), now));
    hedge.advance();
    assert!(hedge.after().is_some() && hedge.try_send(now));
    // Nor when it was long ago.
    (0..8).for_each(|_| hedge.advance());
    assert_eq!(hedge.after(), None);
}

#[test]
fn it_follows_what_has_become_slower_or_quicker() {
    let now = Instant::now();
    let hedge = Hedge::new(P95, now);
    let serve = |latency| {
        for _ in 0..32 {
            (0..1_000).for_each(|_| hedge.note_answer(latency, now));
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
    let now = Instant::now();
    let hedge = Hedge::new(P95, now);
    (0..1_000).for_each(|_| hedge.note_answer(Duration::from_micros(200), now));
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
        (0..1_000).for_each(|_| hedge.note_answer(millis(50), now));
        hedge.advance();
    }
    assert!(!hedge.try_send(now), "of none, none");
    (0..2).for_each(|_| hedge.note_request(now));
    assert!(hedge.try_send(now) && !hedge.try_send(now));
}

/// A hedge that knows how long these took, and has been asked about many requests.
fn measured(after: After, millis: impl Iterator<Item = u64>) -> (Hedge, Instant) {
    let origin = Instant::now();
    let now = origin + PERIOD;
    let hedge = Hedge::new(Settings { after, budget: 1.0 }, origin);
    (0..1_000).for_each(|_| hedge.note_request(now));
    serve(&hedge, millis, now);
    (hedge, now)
}

/// Of so many that are wanted, how many are sent where this share of them wins.
fn sent(wanted: u32, share: f64) -> u32 {
    let (hedge, now) = measured(After::Quantile(0.95), (0..1_000).map(|_| 10));
    (0..20 * wanted).for_each(|_| hedge.note_request(now));
    let (mut sent, mut won) = (0, 0);
    for _ in 0..wanted {
        if hedge.try_send(now) {
            sent += 1;
            if f64::from(won) < f64::from(sent) * share {
                hedge.note_win();
                won += 1;
            }
        }
    }
    sent
}

#[test]
fn those_that_win_often_enough_pay_for_more() {
    assert_eq!(sent(10_000, 0.5), 10_000);
    assert_eq!(sent(10_000, 0.41), 10_000);
}

#[test]
fn where_few_win_few_are_sent_to_see_whether_that_is_so_still() {
    let (of_none, of_some) = (sent(10_000, 0.0), sent(10_000, 0.2));
    // One in 200 of 201,000 requests, and 20 on credit.
    assert_eq!(of_none, 1_025);
    // They pay for as many again.
    assert!((1_500..2_300).contains(&of_some), "{of_some}");
}

/// One period, over at `now`, with answers that took so long: none of the last moment.
fn serve(hedge: &Hedge, latencies: impl Iterator<Item = u64>, now: Instant) {
    latencies.for_each(|latency| hedge.note_answer(millis(latency), now - PERIOD));
    hedge.advance();
}

#[test]
fn nothing_is_sent_twice_while_the_whole_fleet_is_slow() {
    for after in [After::Quantile(0.95), After::Fixed(millis(1))] {
        let (hedge, now) = measured(after, (0..1_000).map(|_| 10));
        assert!(!hedge.is_crowded(now) && hedge.try_send(now));
        (0..16).for_each(|_| serve(&hedge, (0..1_000).map(|_| 30), now));
        assert!(hedge.is_crowded(now) && !hedge.try_send(now), "{after:?}");
        // And again once it keeps up.
        (0..16).for_each(|_| serve(&hedge, (0..1_000).map(|_| 12), now));
        assert!(!hedge.is_crowded(now) && hedge.try_send(now));
    }
}

/// The page of the benchmark tells what became of requests where that took seconds to be seen: of a fleet
/// that was short for as long as one instance stood still, second ones filled the lines of all others.
#[test]
fn nothing_is_sent_twice_in_a_moment_in_which_the_fleet_is_slow() {
    let (hedge, now) = measured(After::Quantile(0.95), (0..1_000).map(|_| 10));
    (0..20).for_each(|_| hedge.note_answer(millis(30), now));
    assert!(hedge.is_crowded(now) && !hedge.try_send(now));
    // As long as most are.
    (0..20).for_each(|_| hedge.note_answer(millis(10), now));
    assert!(!hedge.is_crowded(now) && hedge.try_send(now));
    (0..20).for_each(|_| hedge.note_answer(millis(30), now));
    assert!(hedge.is_crowded(now) && !hedge.is_crowded(now + millis(100)));
}

#[test]
fn a_few_slow_instances_are_no_crowd() {
    let (hedge, now) = measured(After::Quantile(0.95), (0..1_000).map(|_| 10));
    let some = |number: u64| if number.is_multiple_of(3) { 500 } else { 10 };
    (0..16).for_each(|_| serve(&hedge, (0..999).map(some), now));
    assert!(!hedge.is_crowded(now) && hedge.try_send(now));
}

#[test]
fn what_has_become_slower_for_good_is_calm_after_a_while() {
    let (hedge, now) = measured(After::Quantile(0.95), (0..1_000).map(|_| 10));
    let periods = (0..1_000).position(|_| {
        serve(&hedge, (0..1_000).map(|_| 30), now);
        hedge.is_crowded(now)
    });
    assert!(periods.is_some_and(|it| it < 20), "{periods:?}");
    let over = (0..1_000).position(|_| {
        serve(&hedge, (0..1_000).map(|_| 30), now);
        !hedge.is_crowded(now)
    });
    assert!(over.is_some_and(|it| (60..300).contains(&it)), "{over:?}");
}

#[test]
fn what_a_scheduler_adds_is_no_crowd() {
    let now = Instant::now();
    let hedge = Hedge::new(P95, now);
    for micros in [100, 900] {
        (0..10_000).for_each(|_| hedge.note_answer(Duration::from_micros(micros), now));
        hedge.advance();
        assert!(!hedge.is_crowded(now));
    }
}

proptest! {
    #[test]
    fn second_ones_are_never_more_than_their_share(
        steps in prop::collection::vec((0u64..3_000, 0u32..200, 0u32..50), 1..60),
        budget in 0.0f64..0.5,
    ) {
        let origin = Instant::now();
        let hedge = Hedge::new(Settings { budget, ..P95 }, origin);
        (0..2 * MIN_SAMPLES).for_each(|_| hedge.note_answer(millis(5), origin));
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
