//! Tests of the simulation against theory and against itself, and of what it is there to show.

use std::time::Duration;

use super::*;

fn contender(name: &str) -> &'static Contender {
    Contender::find(name).expect("the contender is listed")
}

/// `count` equal servers with four workers each, and requests for `load` of what they can do.
fn equal_servers(count: usize, load: f64) -> Scenario {
    let server = ServerSpec {
        workers: 4,
        queue: 8,
        ..ServerSpec::default()
    };
    let mut scenario = Scenario {
        servers: vec![server; count],
        classes: vec!["all"],
        balancers: 4,
        arrivals: 0.0,
        work: Distribution::LogNormal {
            mean: Duration::from_millis(20),
            sigma: 0.8,
        },
        network: Duration::from_micros(250),
        deadline: Duration::from_millis(500),
        length: Duration::from_secs(20),
        warm_up: Duration::from_secs(2),
    };
    scenario.arrivals = scenario.capacity() * load;
    scenario
}

/// A scenario with some of every fault.
fn troubled() -> Scenario {
    let mut scenario = equal_servers(10, 0.6);
    let faults = [
        Fault::Slowdown(3.0),
        Fault::Delay(Duration::from_millis(50)),
        Fault::Errors(0.3),
        Fault::ColdStart {
            slowdown: 4.0,
            errors: 0.5,
        },
        Fault::Pauses {
            every: Duration::from_secs(2),
            length: Duration::from_millis(300),
        },
        Fault::FailsFast,
        Fault::Refuses,
        Fault::Hangs,
    ];
    for (server, fault) in scenario.servers.iter_mut().zip(faults) {
        server.episodes.push(Episode {
            from: Duration::from_secs(5),
            until: Duration::from_secs(12),
            fault,
        });
    }
    scenario.servers[3].joins = Duration::from_secs(5);
    scenario
}

/// The mean wait of M/M/c over the mean service time (Erlang C).
fn erlang_c_wait(workers: u32, load: f64) -> f64 {
    let offered = load * f64::from(workers);
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 1..workers {
        term *= offered / f64::from(k);
        sum += term;
    }
    let last = term * offered / f64::from(workers) / (1.0 - load);
    last / (sum + last) / (f64::from(workers) * (1.0 - load))
}

#[test]
fn waits_are_those_of_queueing_theory() {
    // M/M/1 at one half waits one service time: the formula itself.
    assert!((erlang_c_wait(1, 0.5) - 1.0).abs() < 1e-12);
    for (workers, load) in [(1, 0.5), (1, 0.7), (4, 0.7), (10, 0.8)] {
        let mean = Duration::from_millis(10);
        let mut scenario = Scenario {
            servers: vec![ServerSpec {
                workers: workers as usize,
                ..ServerSpec::default()
            }],
            balancers: 3,
            work: Distribution::Exponential { mean },
            network: Duration::ZERO,
            deadline: Duration::from_secs(3_600),
            ..equal_servers(1, 0.0)
        };
        scenario.arrivals = scenario.capacity() * load;
        scenario.length = Duration::from_secs_f64(300_000.0 / scenario.arrivals);
        let outcomes = (1..=4).map(|seed| run(&scenario, contender("random"), seed));
        let total: f64 = outcomes
            .map(|outcome| outcome.latency.mean().div_duration_f64(mean))
            .sum();
        let wait = total / 4.0 - 1.0;
        let ratio = wait / erlang_c_wait(workers, load);
        assert!(
            (0.95..1.05).contains(&ratio),
            "{workers} workers at {load}: {ratio}"
        );
    }
}

/// Work of 20 ms, seldom two at once, at a server that stands still for every second half of a second.
#[test]
fn a_pause_holds_up_what_comes_in_it_and_what_it_interrupts() {
    let pauses = Fault::Pauses {
        every: Duration::from_secs(1),
        length: Duration::from_millis(500),
    };
    let scenario = Scenario {
        servers: vec![ServerSpec {
            workers: 100,
            episodes: vec![Episode::always(pauses)],
            ..ServerSpec::default()
        }],
        work: Distribution::Constant(Duration::from_millis(20)),
        network: Duration::ZERO,
        deadline: Duration::from_secs(10),
        arrivals: 100.0,
        length: Duration::from_secs(400),
        ..equal_servers(1, 0.0)
    };
    let outcome = run(&scenario, contender("random"), 1);
    // One half of all waits for 250 ms on average, and one in 50 is held up by 500 ms.
    let expected = 20.0 + 0.5 * 250.0 + 0.02 * 500.0;
    let ratio = outcome.latency.mean().as_secs_f64() * 1e3 / expected;
    assert!((0.98..1.02).contains(&ratio), "{ratio}");
}

#[test]
fn every_request_ends_once_and_is_counted_out() {
    for contender in CONTENDERS {
        let outcome = run(&troubled(), contender, 7);
        assert!(outcome.begun > 10_000, "{}", contender.name);
        assert_eq!(outcome.ended, outcome.begun, "{}", contender.name);
        assert_eq!(outcome.left_in_flight, 0, "{}", contender.name);
        let windows = outcome.windows.iter();
        let in_windows: u64 = windows.map(|it| it.succeeded + it.failed).sum();
        assert_eq!(in_windows, outcome.begun, "{}", contender.name);
    }
}

#[test]
fn the_seed_decides_everything_and_the_contender_nothing_of_what_comes() {
    let scenario = troubled();
    let mut begun = Vec::new();
    for contender in CONTENDERS {
        let outcome = run(&scenario, contender, 3);
        assert_eq!(outcome, run(&scenario, contender, 3), "{}", contender.name);
        assert_ne!(outcome, run(&scenario, contender, 4), "{}", contender.name);
        begun.push(outcome.begun);
    }
    begun.dedup();
    assert_eq!(begun.len(), 1);
}

/// What each of many balancers hears is old, and the shortest line is where all others go too: joining
/// it is less even than chance.
#[test]
fn a_herd_joins_the_shortest_queue_and_two_choices_avoid_it() {
    let unevenness = |name, balancers| {
        let outcome = run(&herd::scenario(64, balancers), contender(name), 1);
        outcome.spread.deviation()
    };
    let alone = unevenness("join_shortest_queue", 1);
    let herd = unevenness("join_shortest_queue", 64);
    let chance = unevenness("random", 64);
    let two_choices = unevenness("p2c", 64);
    assert!(herd > 5.0 * alone, "{alone} {herd}");
    assert!(herd > 1.1 * chance, "{chance} {herd}");
    assert!(two_choices < 0.9 * chance, "{chance} {two_choices}");
}

/// Netflix's comparison at a smaller scale.
#[test]
fn two_choices_fail_far_less_than_turns_and_less_where_servers_say_how_busy_they_are() {
    let failed = |balancers, contender| {
        let cluster = netflix::Netflix {
            servers: 30,
            balancers,
            ..netflix::Netflix::default()
        };
        let outcome = run(&cluster.scenario(), &contender, 1);
        outcome.failures.total()
    };
    let few = [USUAL, P2C_WITHOUT_UTILIZATION, P2C].map(|contender| failed(16, contender));
    assert!(few[0] > 1_000 * few[1].max(1), "{few:?}");
    assert!(few[2] <= few[1], "{few:?}");
    // Where each balancer sees a hundredth of the requests, it helps to be told of the others.
    let many = [P2C_WITHOUT_UTILIZATION, P2C].map(|contender| failed(100, contender));
    assert!(3 * many[1] < 2 * many[0], "{many:?}");
}

/// The servers of `cargo xtask bench balance`.
fn eight_servers() -> Scenario {
    let mut scenario = equal_servers(8, 0.0);
    scenario.servers.iter_mut().for_each(|it| it.queue = 32);
    let episode = |from, until, fault| Episode {
        from: Duration::from_secs(from),
        until: Duration::from_secs(until),
        fault,
    };
    let pauses = Fault::Pauses {
        every: Duration::from_millis(2_400),
        length: Duration::from_millis(400),
    };
    let ill = [
        Episode::always(Fault::Slowdown(4.0)),
        Episode::always(pauses),
        episode(2, 6, Fault::FailsFast),
        episode(0, 4, Fault::Slowdown(8.0)),
    ];
    for (server, episode) in scenario.servers[4..].iter_mut().zip(ill) {
        server.episodes.push(episode);
    }
    Scenario {
        balancers: 1,
        arrivals: 1_600.0,
        work: Distribution::Exponential {
            mean: Duration::from_millis(10),
        },
        deadline: Duration::from_secs(1),
        length: Duration::from_secs(10),
        warm_up: Duration::ZERO,
        ..scenario
    }
}

/// A balancer that knew all of this would have a 99th percentile of 48 ms.
#[test]
fn the_default_keeps_away_from_ill_servers_of_a_few() {
    for balancers in [1, 8] {
        let scenario = Scenario {
            balancers,
            ..eight_servers()
        };
        let p99 = |name| {
            let outcomes = (1..=5).map(|seed| run(&scenario, contender(name), seed));
            let mut all: Vec<_> = outcomes.map(|it| it.latency.quantile(0.99)).collect();
            all.sort();
            all[2]
        };
        let (ours, usual) = (p99("p2c"), p99("least_connections"));
        assert!(ours < Duration::from_millis(70), "{ours:?}");
        assert!(3 * ours < 2 * usual, "{ours:?} {usual:?}");
    }
}
