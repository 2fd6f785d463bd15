//! Tests of the pool.

use super::*;

const NOW: Moment = Moment(60_000);

fn keep(probes: &Probes, place: usize, in_flight: u32, latency: u64) {
    let latency = Duration::from_millis(latency);
    probes.keep(place, &ProbeAnswer { in_flight, latency }, NOW);
}

fn take(probes: &Probes) -> Option<usize> {
    probes.take(NOW, |_| true)
}

#[test]
fn the_fastest_is_taken_as_long_as_it_is_not_hot() {
    let probes = Probes::default();
    for place in 0..14 {
        keep(&probes, place, 5, 20 + place as u64);
    }
    keep(&probes, 14, 40, 1);
    keep(&probes, 15, 50, 2);
    assert_eq!(take(&probes), Some(0));
    assert_eq!(take(&probes), Some(1));
}

#[test]
fn where_all_are_hot_the_least_busy_is_taken() {
    let probes = Probes::default();
    for place in 0..13 {
        keep(&probes, place, 5, 10);
    }
    keep(&probes, 13, 9, 1);
    keep(&probes, 14, 8, 2);
    assert_eq!(probes.take(NOW, |place| place >= 13), Some(14));
}

#[test]
fn an_answer_is_used_once_and_the_last_one_not_at_all() {
    let probes = Probes::default();
    keep(&probes, 3, 0, 10);
    keep(&probes, 4, 0, 20);
    assert_eq!(take(&probes), Some(3));
    assert_eq!(take(&probes), None);
}

#[test]
fn a_new_answer_takes_the_place_of_the_endpoints_old_one_or_of_the_oldest() {
    let probes = Probes::default();
    for place in 0..KEPT {
        let now = Moment(NOW.0 - KEPT as u64 + place as u64);
        let latency = Duration::from_millis(1);
        let in_flight = 0;
        probes.keep(place, &ProbeAnswer { in_flight, latency }, now);
    }
    keep(&probes, 4, 0, 1);
    keep(&probes, 100, 0, 1);
    let mut known: Vec<_> = std::iter::from_fn(|| take(&probes)).collect();
    known.sort_unstable();
    // All but the last, which is not taken.
    assert_eq!(known.len(), KEPT - 1);
    assert!(!known.contains(&0) && known.contains(&100) && known.is_sorted_by(|a, b| a < b));
}

#[test]
fn an_old_answer_says_nothing() {
    let probes = Probes::default();
    keep(&probes, 3, 0, 10);
    keep(&probes, 4, 0, 20);
    let at = |milliseconds| Moment(NOW.0 + milliseconds);
    assert_eq!(probes.take(at(1_001), |_| true), None);
    assert_eq!(probes.take(at(1_000), |_| true), Some(3));
}
