//! Statistics against what they count.

use proptest::prelude::*;

use super::*;

#[test]
fn rates_and_percentiles_are_of_the_window_and_counts_of_all() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let statistics = Statistics::new(start);
    for _ in 0..1000 {
        statistics.note(Ending::Error, Duration::from_secs(1));
    }
    for seconds in 0..=40 {
        statistics.rotate(at(seconds));
    }
    for number in 0..300 {
        let took = if number < 294 { 1 } else { 80 };
        statistics.note(Ending::Success, Duration::from_millis(took));
    }
    let summary = statistics.summary(at(45), 3);
    assert_eq!((summary.requests, summary.errors), (1300, 1000));
    assert_eq!(summary.in_flight, 3);
    assert_eq!(summary.requests_per_second, 20.0, "300 in 15 s");
    assert_eq!(summary.errors_per_second, 0.0);
    let p99 = summary.p99.expect("there were requests").as_millis();
    assert!((80..=90).contains(&p99), "{p99}");
}

#[test]
fn without_requests_there_is_no_percentile() {
    let start = Instant::now();
    let summary = Statistics::new(start).summary(start, 0);
    assert_eq!(summary.p99, None);
    assert_eq!(summary.requests_per_second, 0.0);
}

#[test]
fn buckets_meet_without_gap_or_overlap() {
    for index in 0..BUCKETS - 1 {
        let bound = upper_bound(index);
        assert_eq!(bucket(Duration::from_micros(bound - 1)), index);
        assert_eq!(bucket(Duration::from_micros(bound)), index + 1);
    }
    assert_eq!(bucket(Duration::MAX), BUCKETS - 1);
}

proptest! {
    #[test]
    fn a_bucket_is_at_most_an_eighth_off(micros in 8u64..100_000_000) {
        let bound = upper_bound(bucket(Duration::from_micros(micros)));
        prop_assert!(bound > micros && bound <= micros + micros / 8 + 1);
    }
}
