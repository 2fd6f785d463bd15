//! Tests of success rates: who does far worse than the others, and when nothing can be said of that.

use super::*;

#[test]
fn a_success_rate_far_below_the_others_ejects_at_the_next_look() {
    let mut scene = Scene::new(Settings::default(), 6);
    (0..5).for_each(|endpoint| scene.serve(endpoint, 100, 1));
    scene.serve(5, 100, 20);
    assert_eq!(scene.sweep_after(9 * SECOND), []);
    let expected = ejection(Reason::SuccessRate, 30).map(Change::Ejected);
    assert_eq!(scene.sweep_after(SECOND), [(5, expected.expect("some"))]);
    assert_eq!(scene.sweep_after(10 * SECOND), []);
    assert_eq!(scene.ejected(), [5]);
    assert_eq!(scene.fleet[5].ejection(), Some(Reason::SuccessRate));
}

#[test]
fn the_worst_go_first() {
    let mut scene = Scene::new(Settings::default(), 19);
    (0..17).for_each(|endpoint| scene.serve(endpoint, 100, 0));
    scene.serve(17, 100, 30);
    scene.serve(18, 100, 40);
    scene.sweep_after(10 * SECOND);
    assert_eq!(scene.ejected(), [18]);
}

#[test]
fn too_few_requests_or_endpoints_or_too_small_a_gap_say_nothing() {
    let check = |size: usize, requests: usize, failures: usize, expected: &[usize]| {
        let mut scene = Scene::new(Settings::default(), size);
        (1..size).for_each(|endpoint| scene.serve(endpoint, 1_000, 0));
        scene.serve(0, requests, failures);
        scene.sweep_after(10 * SECOND);
        assert_eq!(scene.ejected(), expected, "{size} {requests} {failures}");
    };
    check(10, 100, 20, &[0]);
    check(10, 99, 20, &[]);
    check(5, 100, 20, &[0]);
    check(4, 100, 50, &[]);
    check(10, 1_000, 11, &[]);
    check(10, 1_000, 12, &[0]);
}

#[test]
fn each_interval_is_looked_at_for_itself() {
    let mut scene = Scene::new(Settings::default(), 10);
    for _ in 0..10 {
        (1..10).for_each(|endpoint| scene.serve(endpoint, 100, 0));
        // Would be enough in two intervals.
        scene.serve(0, 60, 20);
        assert_eq!(scene.sweep_after(10 * SECOND), []);
    }
}

#[test]
fn with_few_endpoints_nothing_is_said_of_success_rates() {
    let rule = SuccessRate {
        deviations: 1.0,
        endpoints: 5,
        requests: 100,
    };
    for size in [4, 5] {
        let mut scene = Scene::new(
            Settings {
                success_rate: Some(rule),
                ..Settings::default()
            },
            size,
        );
        (1..size).for_each(|endpoint| scene.serve(endpoint, 100, 0));
        scene.serve(0, 100, 20);
        scene.sweep_after(10 * SECOND);
        assert_eq!(scene.ejected().len(), size - 4);
    }
}

#[test]
fn those_that_are_out_stand_for_nothing() {
    let mut scene = Scene::new(
        Settings {
            share: 0.5,
            base: 25 * SECOND,
            ..Settings::default()
        },
        6,
    );
    // Of the three others that get requests, two do without errors.
    assert!(scene.repeat(0, Ending::Error, 5).is_some());
    assert!(scene.repeat(1, Ending::Error, 5).is_some());
    scene.note(2, Ending::Error);
    assert!(scene.repeat(4, Ending::Error, 5).is_some());
    // Nor does what they still answer move the mean, or count for them when they are back.
    scene.sweep_after(24 * SECOND);
    scene.repeat(0, Ending::Error, 300);
    scene.sweep_after(SECOND);
    (1..6).for_each(|endpoint| scene.serve(endpoint, 300, 0));
    assert_eq!(scene.sweep_after(9 * SECOND), []);

    let mut scene = Scene::new(Settings::default(), 20);
    assert!(scene.repeat(0, Ending::Error, 5).is_some());
    scene.repeat(0, Ending::Error, 300);
    (1..19).for_each(|endpoint| scene.serve(endpoint, 100, 0));
    scene.serve(19, 100, 5);
    scene.sweep_after(10 * SECOND);
    assert_eq!(scene.ejected(), [0, 19]);
}
