//! Where a queue does form: it is kept short, and the service as busy as it can be.

use polity_core::Rng;

use super::scene::{MS, Micros, Report, SECOND, Scene, always, exponential, steady};
use crate::adaptive_limit::Priority;

/// What a client waits for at most.
const PATIENCE: Micros = 3 * SECOND;

/// From the moment the line was found and worked off.
const SETTLED: u64 = 30;

#[track_caller]
#[expect(
    clippy::print_stdout,
    reason = "the figures of the module's documentation"
)]
fn holds(report: &Report, capacity: f64, name: &str) {
    let goodput = report.goodput(SETTLED, 120, PATIENCE) / capacity;
    let p99 = report.p99(SETTLED, 120) / MS;
    let (at_first, p99_at_first) = (report.goodput(0, SETTLED, PATIENCE), report.p99(0, SETTLED));
    println!(
        "{name}: goodput {goodput:.2} of the peak, p99 {p99} ms; in the first {SETTLED} s {:.2}, {} ms",
        at_first / capacity,
        p99_at_first / MS
    );
    assert!(goodput >= 0.9, "{name}: goodput {goodput}");
    assert!(p99 <= 5000, "{name}: p99 {p99} ms");
}

#[test]
fn twice_the_load_leaves_the_goodput_of_the_peak() {
    for seed in 0..5 {
        let scene = Scene {
            workers: Some(4),
            work: always(10 * MS),
            load: steady(800.0),
            ..Scene::default()
        };
        holds(
            &scene.run(120, seed),
            400.0,
            "4 workers of 10 ms, twice the load",
        );
    }
}

#[test]
fn without_a_limit_it_would_not() {
    let scene = Scene {
        workers: Some(4),
        work: always(10 * MS),
        load: steady(800.0),
        limited: false,
        ..Scene::default()
    };
    let report = scene.run(60, 0);
    assert_eq!(report.goodput(10, 60, PATIENCE), 0.0);
}

#[test]
fn any_service_and_any_overload() {
    for (workers, work) in [(1, 100), (1, 20), (4, 50), (16, 250), (64, 50), (200, 500)] {
        let capacity = workers as f64 * 1000.0 / work as f64;
        for overload in [1.2, 2.0, 5.0] {
            for seed in 0..3 {
                let scene = Scene {
                    workers: Some(workers),
                    work: exponential(work * MS),
                    load: steady(capacity * overload),
                    ..Scene::default()
                };
                let name = format!("{workers} workers of {work} ms, {overload} times the load");
                holds(&scene.run(120, seed), capacity, &name);
            }
        }
    }
}

#[test]
fn nobody_is_refused_once_it_is_over() {
    for seed in 0..5 {
        let scene = Scene {
            workers: Some(4),
            work: exponential(10 * MS),
            load: Box::new(|now| match now < 20 * SECOND {
                true => 800.0,
                false => 200.0,
            }),
            ..Scene::default()
        };
        let report = scene.run(40, seed);
        assert!(report.refused(5, 20) > 0.3);
        assert_eq!(report.refused(21, 40), 0.0);
        assert_eq!(report.limit.limit(), None);
    }
}

#[test]
fn a_service_that_slows_down_under_the_limit_is_still_used_to_its_full() {
    for (seed, factor) in [(1, 3), (2, 10), (3, 40)] {
        let scene = Scene {
            workers: Some(16),
            work: Box::new(move |now, _| match now < 20 * SECOND {
                true => 20 * MS,
                false => 20 * MS * factor,
            }),
            load: steady(1600.0),
            ..Scene::default()
        };
        let report = scene.run(120, seed);
        let after = report.goodput(60, 120, 5 * SECOND) / (800.0 / factor as f64);
        assert!(after >= 0.9, "{factor}: {after}");
    }
}

#[test]
fn quick_requests_that_queue_behind_slow_ones_are_an_overload_too() {
    for seed in 0..3 {
        let scene = Scene {
            workers: Some(64),
            work: Box::new(|_, rng| match rng.unit() < 0.9 {
                true => MS,
                false => 2 * SECOND,
            }),
            load: steady(640.0),
            ..Scene::default()
        };
        let report = scene.run(120, seed);
        let goodput = report.goodput(30, 120, 5 * SECOND) / (64.0 / 0.2009);
        assert!(goodput >= 0.85);
    }
}

#[test]
fn requests_with_priority_are_not_starved_by_the_rest() {
    let scene = Scene {
        workers: Some(4),
        work: exponential(10 * MS),
        load: steady(1600.0),
        high: 0.1,
        ..Scene::default()
    };
    let report = scene.run(60, 0);
    assert!(report.refused_of(Priority::Normal, 10, 60) > 0.6);
    let refused = report.refused_of(Priority::High, 10, 60);
    assert!(refused < 0.02, "{refused}");
}
