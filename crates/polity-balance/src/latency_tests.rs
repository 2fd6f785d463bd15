//! Tests of the averages.

use super::*;

fn milliseconds(latency: &Latency, at: u64) -> f32 {
    latency.read(Moment(at))
}

#[test]
fn the_peak_jumps_up_at_once_and_comes_down_by_and_by() {
    let latency = Latency::default();
    let note = |took, at| latency.note(Kind::Peak, Duration::from_millis(took), Moment(at));
    note(10, 0);
    note(500, 1);
    assert_eq!(milliseconds(&latency, 1), 500.0);
    // One decay time later, e^-1 of the peak is left above the fast answer.
    note(10, 10_001);
    let fallen = milliseconds(&latency, 10_001);
    assert!((fallen - 190.3).abs() < 0.5, "{fallen}");
}

#[test]
fn the_mean_takes_as_long_for_either_way() {
    let latency = Latency::default();
    let note = |took, at| latency.note(Kind::Mean, Duration::from_millis(took), Moment(at));
    note(10, 0);
    note(10, 100);
    note(500, 10_100);
    let risen = milliseconds(&latency, 10_100);
    assert!((risen - 319.7).abs() < 0.5, "{risen}");
}

#[test]
fn a_burst_counts_as_the_moment_it_is() {
    let latency = Latency::default();
    let note = |took, at| latency.note(Kind::Mean, Duration::from_millis(took), Moment(at));
    for at in (0..=20_000).step_by(10) {
        note(100, at);
    }
    for _ in 0..100 {
        note(1, 20_010);
    }
    // 10 ms for the first and a millisecond for each other: about a hundredth of the decay time.
    let after = milliseconds(&latency, 20_010);
    assert!((98.0..99.5).contains(&after), "{after}");
}

#[test]
fn the_first_sample_counts_for_no_more_than_others() {
    let latency = Latency::default();
    let note = |took, at| latency.note(Kind::Mean, Duration::from_millis(took), Moment(at));
    let begin = |start: u64| {
        note(100, start);
        for at in (start + 10..start + 1_000).step_by(10) {
            note(10, at);
        }
        milliseconds(&latency, start + 1_000)
    };
    // Ten times as long as the mean of the hundred, and counted as one or a few of them.
    for start in [0, 100_000, 1 << 33] {
        let average = begin(start);
        assert!((10.0..13.0).contains(&average), "{average}");
    }
}

#[test]
fn what_was_learnt_on_one_occasion_gives_way_to_what_comes_later() {
    let note = |latency: &Latency, took, at| {
        latency.note(Kind::Mean, Duration::from_millis(took), Moment(at));
    };
    // Past where the moment's lower half begins anew, too.
    for start in [0, (1 << 32) - 600] {
        let latency = Latency::default();
        note(&latency, 40, start);
        note(&latency, 40, start + 50);
        assert!(!latency.is_impression(Moment(start + 550)));
        assert!(latency.is_impression(Moment(start + 900)));
        note(&latency, 1, start + 900);
        assert_eq!(milliseconds(&latency, start + 900), 1.0);
        assert!(!latency.is_impression(Moment(start + 9_000)));
    }
}

#[test]
fn what_was_given_up_says_only_that_it_would_have_taken_longer() {
    let latency = Latency::default();
    latency.note(Kind::Peak, Duration::from_millis(100), Moment(0));
    let given_up =
        |waited| latency.note_longer(Kind::Peak, Duration::from_millis(waited), Moment(1));
    given_up(50);
    let kept = milliseconds(&latency, 1);
    assert!((99.9..=100.0).contains(&kept), "{kept}");
    given_up(200);
    assert_eq!(milliseconds(&latency, 1), 200.0);
}

#[test]
fn what_is_old_is_forgotten() {
    let latency = Latency::default();
    latency.note(Kind::Mean, Duration::from_millis(100), Moment(0));
    assert!(latency.average(Moment(29_000)).is_some());
    assert_eq!(latency.average(Moment(30_000)), None);
}
