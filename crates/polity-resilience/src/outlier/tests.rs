//! Tests of outlier detection: fleets whose requests end as told, in time that is told.

mod success_rates;

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use proptest::prelude::*;

use super::*;

/// A fleet, and the time as it is told.
struct Scene {
    detector: Detector,
    fleet: Vec<Record>,
    now: Instant,
}

impl Scene {
    fn new(settings: Settings, size: usize) -> Self {
        let now = Instant::now();
        Self {
            detector: Detector::new(settings, now),
            fleet: (0..size).map(|_| Record::new(now)).collect(),
            now,
        }
    }

    /// A request that is sent when those before have ended.
    fn note(&self, endpoint: usize, ending: Ending) -> Option<Ejection> {
        self.note_begun(endpoint, ending, Duration::ZERO)
    }

    /// One that was sent so long ago.
    fn note_begun(&self, endpoint: usize, ending: Ending, ago: Duration) -> Option<Ejection> {
        let record = &self.fleet[endpoint];
        self.detector
            .note(record, &self.ended(ending, ago), &self.fleet)
    }

    fn ended(&self, ending: Ending, ago: Duration) -> Ended {
        Ended {
            ending,
            began: self.now.checked_sub(ago).expect("there was such a time"),
            at: self.now,
        }
    }

    /// `times` such endings in a row, and what came of the last of them.
    fn repeat(&self, endpoint: usize, ending: Ending, times: usize) -> Option<Ejection> {
        let outcomes = (0..times).map(|_| self.note(endpoint, ending));
        let outcomes: Vec<_> = outcomes.collect();
        let (last, before) = outcomes.split_last().expect("at least one");
        assert!(before.iter().all(Option::is_none), "{before:?}");
        *last
    }

    /// Requests of which so many fail, none after another.
    fn serve(&self, endpoint: usize, requests: usize, failures: usize) {
        for request in 0..requests {
            let ending = match request < 2 * failures && request % 2 == 0 {
                true => Ending::Error,
                false => Ending::Success,
            };
            assert_eq!(self.note(endpoint, ending), None);
        }
    }

    fn sweep_after(&mut self, time: Duration) -> Vec<(usize, Change)> {
        self.now += time;
        let mut changes = Vec::new();
        let place = |record: &Record| self.fleet.iter().position(|it| std::ptr::eq(it, record));
        self.detector
            .sweep(&self.fleet, self.now, |record, change| {
                changes.push((place(record).expect("one of the fleet"), change));
            });
        changes
    }

    fn ejected(&self) -> Vec<usize> {
        let fleet = self.fleet.iter().enumerate();
        fleet
            .filter(|(_, record)| record.is_ejected())
            .map(|(place, _)| place)
            .collect()
    }
}

const SECOND: Duration = Duration::from_secs(1);

fn ejection(reason: Reason, seconds: u64) -> Option<Ejection> {
    let period = Duration::from_secs(seconds);
    Some(Ejection { reason, period })
}

#[test]
fn five_errors_in_a_row_eject_at_once_and_a_success_between_them_prevents_it() {
    let scene = Scene::new(Settings::default(), 3);
    for _ in 0..10 {
        assert_eq!(scene.repeat(0, Ending::Error, 4), None);
        assert_eq!(scene.note(0, Ending::Success), None);
    }
    let expected = ejection(Reason::ConsecutiveErrors, 30);
    assert_eq!(scene.repeat(0, Ending::Error, 5), expected);
    assert_eq!(scene.ejected(), [0]);
    let reasons = scene.fleet.iter().map(Record::ejection);
    let reasons: Vec<_> = reasons.collect();
    assert_eq!(reasons, [Some(Reason::ConsecutiveErrors), None, None]);
}

#[test]
fn requests_without_an_answer_are_counted_for_themselves() {
    let scene = Scene::new(Settings::default(), 3);
    assert_eq!(scene.repeat(0, Ending::NoAnswer, 4), None);
    assert_eq!(scene.repeat(0, Ending::Error, 4), None);
    // The errors were answers.
    let expected = ejection(Reason::ConnectionFailures, 30);
    assert_eq!(scene.repeat(0, Ending::NoAnswer, 5), expected);
    assert_eq!(scene.fleet[0].ejection(), Some(Reason::ConnectionFailures));
}

#[test]
fn errors_of_one_occasion_are_no_row() {
    let mut scene = Scene::new(Settings::default(), 3);
    scene.now += SECOND;
    // It stood still, and refuses what has come meanwhile beyond what it holds.
    let waited = Duration::from_millis(400);
    for _ in 0..60 {
        assert_eq!(scene.note_begun(0, Ending::Error, waited), None);
    }
    // It refuses what comes then, too: four more.
    assert_eq!(scene.repeat(0, Ending::Error, 3), None);
    assert_eq!(
        scene.note(0, Ending::Error),
        ejection(Reason::ConsecutiveErrors, 30)
    );
}

#[test]
fn errors_that_take_long_are_in_a_row_however_many_are_under_way() {
    let mut scene = Scene::new(Settings::default(), 3);
    scene.now += 60 * SECOND;
    for _ in 0..4 {
        assert_eq!(scene.note_begun(0, Ending::Error, 30 * SECOND), None);
        scene.now += OCCASION;
    }
    assert_eq!(
        scene.note_begun(0, Ending::Error, 30 * SECOND),
        ejection(Reason::ConsecutiveErrors, 30)
    );
}

#[test]
fn what_no_rule_is_for_ejects_nobody() {
    let settings = Settings {
        consecutive_errors: None,
        connection_failures: None,
        success_rate: None,
        ..Settings::default()
    };
    let mut scene = Scene::new(settings, 10);
    for ending in [Ending::Error, Ending::NoAnswer] {
        assert_eq!(scene.repeat(0, ending, 1_000), None);
    }
    (1..10).for_each(|endpoint| scene.serve(endpoint, 200, 0));
    assert_eq!(scene.sweep_after(10 * SECOND), []);
}

#[test]
fn an_ejected_endpoint_returns_after_its_time_with_a_clean_record() {
    let mut scene = Scene::new(Settings::default(), 2);
    assert!(scene.repeat(0, Ending::Error, 5).is_some());
    assert_eq!(
        scene.repeat(0, Ending::Error, 4),
        None,
        "requests that were there already"
    );
    assert_eq!(
        scene.sweep_after(30 * SECOND - Duration::from_millis(1)),
        []
    );
    assert_eq!(
        scene.sweep_after(Duration::from_millis(1)),
        [(0, Change::Returned)]
    );
    assert_eq!(scene.sweep_after(SECOND), []);
    assert_eq!(scene.repeat(0, Ending::Error, 4), None);
    let expected = ejection(Reason::ConsecutiveErrors, 60);
    assert_eq!(
        scene.note(0, Ending::Error),
        expected,
        "twice as long the second time"
    );
}

#[test]
fn an_endpoint_that_is_forgiven_is_as_new() {
    let mut scene = Scene::new(Settings::default(), 2);
    for _ in 0..3 {
        assert_eq!(
            scene.repeat(0, Ending::Error, 5),
            ejection(Reason::ConsecutiveErrors, 30)
        );
        scene.fleet[0].forgive();
        assert_eq!(scene.ejected(), [0; 0]);
        assert_eq!(scene.repeat(0, Ending::Error, 4), None);
        scene.fleet[0].forgive();
    }
    assert_eq!(scene.sweep_after(30 * SECOND), []);
}

#[test]
fn the_time_is_base_times_count_up_to_the_cap_and_the_count_falls_again() {
    let mut scene = Scene::new(Settings::default(), 2);
    let eject = |scene: &mut Scene| {
        let ejection = scene.repeat(0, Ending::Error, 5).expect("ejected");
        scene.sweep_after(ejection.period);
        assert_eq!(scene.ejected(), [0; 0]);
        ejection.period.as_secs()
    };
    let periods: Vec<_> = (0..12).map(|_| eject(&mut scene)).collect();
    assert_eq!(
        periods,
        [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300]
    );
    // Ten of twelve are forgotten in as many intervals.
    for _ in 0..10 {
        scene.sweep_after(10 * SECOND);
    }
    assert_eq!(eject(&mut scene), 90);
}

#[test]
fn one_of_two_may_be_out_and_of_many_a_tenth_and_the_last_never() {
    let settings = Settings::default();
    let most = |size| settings.most_of(size);
    assert_eq!(
        [0, 1, 2, 5, 10, 19, 20, 100].map(most),
        [0, 0, 1, 1, 1, 1, 2, 10]
    );
    let whole = Settings {
        share: 1.0,
        ..settings
    };
    assert_eq!(whole.most_of(4), 3);
    let alone = Scene::new(whole, 1);
    assert_eq!(alone.repeat(0, Ending::Error, 100), None);
}

#[test]
fn an_endpoint_for_which_there_was_no_place_is_looked_at_again() {
    let mut scene = Scene::new(Settings::default(), 4);
    assert!(scene.repeat(0, Ending::Error, 5).is_some());
    assert_eq!(scene.repeat(1, Ending::Error, 7), None);
    scene.sweep_after(30 * SECOND);
    assert_eq!(
        scene.repeat(1, Ending::Error, 3),
        ejection(Reason::ConsecutiveErrors, 30)
    );
}

#[test]
fn what_fails_everywhere_makes_no_outlier() {
    let scene = Scene::new(Settings::default(), 4);
    for _ in 0..100 {
        for endpoint in 0..4 {
            assert_eq!(scene.note(endpoint, Ending::Error), None);
        }
    }
    // Two of the three others work again.
    scene.note(2, Ending::Success);
    scene.note(3, Ending::Success);
    assert!(scene.repeat(0, Ending::Error, 5).is_some());
}

#[test]
fn an_endpoint_that_is_not_of_the_fleet_takes_no_place_in_it() {
    let scene = Scene::new(Settings::default(), 3);
    let gone = Record::new(scene.now);
    for _ in 0..10 {
        let error = scene.ended(Ending::Error, Duration::ZERO);
        let noted = scene.detector.note(&gone, &error, &scene.fleet);
        assert_eq!(noted, None);
    }
}

#[test]
fn of_threads_at_the_last_place_one_gets_it() {
    // Large, so that it takes long to see how many are out.
    let settings = Settings {
        share: 0.0,
        ..Settings::default()
    };
    let mut scene = Scene::new(settings, 2_000);
    for _ in 0..200 {
        (0..2).for_each(|endpoint| assert_eq!(scene.repeat(endpoint, Ending::Error, 4), None));
        let waiting = AtomicU32::new(2);
        thread::scope(|scope| {
            for endpoint in 0..2 {
                let (scene, waiting) = (&scene, &waiting);
                scope.spawn(move || {
                    waiting.fetch_sub(1, Ordering::SeqCst);
                    while waiting.load(Ordering::SeqCst) > 0 {
                        thread::yield_now();
                    }
                    scene.note(endpoint, Ending::Error)
                });
            }
        });
        assert_eq!(scene.ejected().len(), 1);
        scene.sweep_after(settings.cap);
        (0..2).for_each(|endpoint| assert_eq!(scene.note(endpoint, Ending::Success), None));
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    End(usize, Ending, usize),
    Wait(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    let ending = prop::sample::select(vec![Ending::Success, Ending::Error, Ending::NoAnswer]);
    prop_oneof![
        5 => (any::<usize>(), ending, 1usize..150).prop_map(|(e, ending, n)| Step::End(e, ending, n)),
        1 => (1u64..40_000).prop_map(Step::Wait),
    ]
}

proptest! {
    #[test]
    fn never_more_than_the_share_is_out_and_none_for_longer_than_the_cap(
        size in 0usize..24, share in 0.0f64..=1.0, steps in prop::collection::vec(any_step(), 0..150),
    ) {
        let settings = Settings { share, cap: 70 * SECOND, ..Settings::default() };
        let mut scene = Scene::new(settings, size);
        let mut out_since = vec![None; size];
        for step in steps {
            match step {
                Step::End(_, _, _) if size == 0 => {}
                Step::End(endpoint, ending, times) => for _ in 0..times {
                    let endpoint = endpoint % size;
                    if let Some(ejection) = scene.note(endpoint, ending) {
                        prop_assert!(ejection.period <= settings.cap);
                        prop_assert_eq!(out_since[endpoint].replace(scene.now), None);
                    }
                },
                Step::Wait(millis) => for (endpoint, change) in scene.sweep_after(Duration::from_millis(millis)) {
                    match change {
                        Change::Ejected(_) => prop_assert_eq!(out_since[endpoint].replace(scene.now), None),
                        Change::Returned => prop_assert!(out_since[endpoint].take().is_some()),
                    }
                },
            }
            let out = scene.ejected();
            prop_assert!(out.len() <= ((size as f64 * share) as usize).max(1));
            prop_assert!(out.len() < size.max(1));
            prop_assert!(out_since.iter().enumerate().all(|(endpoint, since)| since.is_some() == out.contains(&endpoint)));
        }
        // The first may leave others out that have failed since.
        let out = scene.ejected();
        let changes = scene.sweep_after(settings.cap);
        prop_assert!(out.iter().all(|endpoint| changes.contains(&(*endpoint, Change::Returned))));
        scene.sweep_after(settings.cap);
        prop_assert_eq!(scene.ejected(), vec![0usize; 0]);
    }
}
