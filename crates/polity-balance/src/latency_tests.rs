//! Tests of the averages.

use super::*;

fn milliseconds(latency: &Latency, kind: Kind, at: u64) -> f32 {
    latency.read(kind, Moment(at))
}

#[test]
fn the_peak_jumps_up_at_once_and_comes_down_by_and_by() {
    let latency = Latency::default();
    let note = |took, at| latency.note(Kind::Peak, Duration::from_millis(took), Moment(at));
    note(10, 0);
    note(500, 1);
    assert_eq!(milliseconds(&latency, Kind::Peak, 1), 500.0);
    // One decay time later, e^-1 of the peak is left above the fast answer.
    note(10, 10_001);
    let fallen = milliseconds(&latency, Kind::Peak, 10_001);
    assert!((fallen - 190.3).abs() < 0.5, "{fallen}");
}

#[test]
fn the_mean_takes_as_long_for_either_way() {
    let latency = Latency::default();
    let note = |took, at| latency.note(Kind::Mean, Duration::from_millis(took), Moment(at));
    note(10, 0);
    note(500, 10_000);
    let risen = milliseconds(&latency, Kind::Mean, 10_000);
    assert!((risen - 319.7).abs() < 0.5, "{risen}");
}

#[test]
fn a_burst_counts_as_the_moment_it_is() {
    let latency = Latency::default();
    latency.note(Kind::Mean, Duration::from_millis(100), Moment(0));
    for _ in 0..100 {
        latency.note(Kind::Mean, Duration::from_millis(1), Moment(10));
    }
    // 10 ms for the first and a millisecond for each other: about a hundredth of the decay time.
    let after = milliseconds(&latency, Kind::Mean, 10);
    assert!((98.0..99.5).contains(&after), "{after}");
}

#[test]
fn what_is_old_is_forgotten() {
    let latency = Latency::default();
    latency.note(Kind::Mean, Duration::from_millis(100), Moment(0));
    assert!(latency.mean(Moment(29_000)).is_some());
    assert_eq!(latency.mean(Moment(30_000)), None);
}
