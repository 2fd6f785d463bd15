//! Where no queue forms, however slow, mixed or bursty things are: nobody is refused.

use polity_core::Rng;

use super::scene::{MS, Micros, SECOND, Scene, always, exponential, steady};

const SEEDS: u64 = 10;

/// Runs it with several seeds; at most a share of `most` may be refused with any.
#[track_caller]
fn check(name: &str, most: f64, scene: impl Fn() -> Scene) {
    let mut worst: f64 = 0.0;
    for seed in 0..SEEDS {
        worst = worst.max(scene().run(300, seed).refused(0, 300));
    }
    assert!(worst <= most, "{name}: {worst} refused");
}

#[test]
fn slow_but_not_overloaded() {
    check("2 s each, 100 a second", 0.0, || Scene {
        work: always(2 * SECOND),
        load: steady(100.0),
        ..Scene::default()
    });
    check("around 3 s, 50 a second", 0.0, || Scene {
        work: exponential(3 * SECOND),
        load: steady(50.0),
        ..Scene::default()
    });
}

#[test]
fn a_busy_service_below_its_capacity() {
    for share in [0.5, 0.8, 0.95] {
        check("4 workers of 10 ms, busy", 0.0, || Scene {
            workers: Some(4),
            work: exponential(10 * MS),
            load: steady(400.0 * share),
            ..Scene::default()
        });
    }
}

#[test]
fn quick_and_slow_requests_mixed() {
    for slow in [0.01, 0.5, 0.95] {
        check("1 ms and 2 s", 0.0, || Scene {
            work: Box::new(move |_, rng| match rng.unit() < slow {
                true => 2 * SECOND,
                false => MS,
            }),
            load: steady(200.0),
            ..Scene::default()
        });
    }
}

#[test]
fn slow_requests_that_take_over_from_quick_ones() {
    for (quick, slow) in [(MS, 2 * SECOND), (10 * MS, SECOND), (100 * MS, 5 * SECOND)] {
        check("in turns of 20 s", 0.0, || Scene {
            work: Box::new(move |now, _| match now / (20 * SECOND) % 2 {
                0 => quick,
                _ => slow,
            }),
            load: steady(200.0),
            ..Scene::default()
        });
    }
}

#[test]
fn long_polls() {
    check("answered within 30 s", 0.0, || Scene {
        work: Box::new(|_, rng| (rng.unit() * 30e6) as Micros),
        load: steady(20.0),
        ..Scene::default()
    });
    // All of them are answered together, whenever there is news.
    check("answered together", 0.0, || Scene {
        work: Box::new(|now, _| 7 * SECOND - now % (7 * SECOND)),
        clients: 300,
        ..Scene::default()
    });
    check("answered together, by more and more", 0.0, || Scene {
        work: Box::new(|now, _| {
            let gap = (1 + now / (60 * SECOND)) * SECOND;
            gap - now % gap
        }),
        load: Box::new(|now| now as f64 / SECOND as f64),
        ..Scene::default()
    });
}

#[test]
fn bursts_and_pauses() {
    check("bursts of 0.2 s at five times the capacity", 0.0, || {
        Scene {
            workers: Some(4),
            work: exponential(10 * MS),
            load: Box::new(|now| match now % (5 * SECOND) < 200 * MS {
                true => 2000.0,
                false => 100.0,
            }),
            ..Scene::default()
        }
    });
    check("a pause of 3 s now and then", 0.0, || Scene {
        work: Box::new(|now, rng| {
            let into = now % (20 * SECOND);
            let pause = (3 * SECOND).saturating_sub(into);
            pause + (rng.unit() * 20e3) as Micros
        }),
        load: steady(300.0),
        ..Scene::default()
    });
}

#[test]
fn clients_that_wait_for_each_answer() {
    check("100 clients of 4 workers of 10 ms", 0.0, || Scene {
        workers: Some(4),
        work: exponential(10 * MS),
        clients: 100,
        ..Scene::default()
    });
}

#[test]
fn a_service_that_warms_up() {
    check("from 200 ms to 2 ms in 20 s", 0.0, || Scene {
        workers: Some(8),
        work: Box::new(|now, rng| {
            let mean = 2 * MS + (200 * MS).saturating_sub(now / 100);
            (-(1.0 - rng.unit()).ln() * mean as f64) as Micros + 1
        }),
        load: steady(25.0),
        ..Scene::default()
    });
}

#[test]
fn few_requests() {
    check("one at a time, slowly", 0.0, || Scene {
        workers: Some(1),
        work: always(900 * MS),
        load: steady(0.8),
        ..Scene::default()
    });
}

/// What it depends on slows down, and everybody waits longer the more wait. No look at latency and
/// load can tell that from a queue; only that limiting does not help can, so little may be refused.
#[test]
fn a_dependency_that_slows_down_is_mistaken_for_a_queue_only_briefly() {
    check("from 10 ms to 4 s in a minute", 0.12, || Scene {
        work: Box::new(|now, _| 10 * MS + (now / 15).min(4 * SECOND)),
        load: steady(200.0),
        ..Scene::default()
    });
}
