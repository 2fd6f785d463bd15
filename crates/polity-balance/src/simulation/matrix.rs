//! The evaluation matrix: what befalls a cluster, by its size, its load and how many balance it.

use std::time::Duration;

use super::distribution::Distribution;
use super::scenario::{Episode, Fault, Scenario, ServerSpec};

/// What befalls a cluster.
#[derive(Debug, Clone, Copy)]
pub struct Condition {
    /// A short name.
    pub name: &'static str,
    /// In words.
    pub about: &'static str,
    befalls: fn(&mut Scenario),
}

/// How big a cluster is, how loaded, and by how many balancers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    /// Servers at the end: some may join later.
    pub servers: usize,
    /// Balancers that share nothing.
    pub balancers: usize,
    /// Requests, as a share of what the servers of the beginning can do when all is well.
    pub load: f64,
}

/// Few requests: almost none waits.
pub const LOW: f64 = 0.3;
/// Where waits begin to grow.
pub const KNEE: f64 = 0.7;
/// Just below what can be done.
pub const SATURATING: f64 = 0.95;

/// The middle of the matrix, from which the others differ in one thing each.
pub const MIDDLE: Shape = Shape {
    servers: 64,
    balancers: 8,
    load: KNEE,
};

/// Every shape that is looked at: not the whole product, but from the middle along each axis.
pub const SHAPES: &[Shape] = &[
    MIDDLE,
    Shape {
        load: LOW,
        ..MIDDLE
    },
    Shape {
        load: SATURATING,
        ..MIDDLE
    },
    Shape {
        servers: 4,
        ..MIDDLE
    },
    Shape {
        servers: 16,
        ..MIDDLE
    },
    Shape {
        servers: 256,
        ..MIDDLE
    },
    Shape {
        balancers: 1,
        ..MIDDLE
    },
    Shape {
        balancers: 64,
        ..MIDDLE
    },
];

/// Every condition that is looked at.
pub const CONDITIONS: &[Condition] = &[
    Condition {
        name: "equal",
        about: "all servers are equal, and nothing happens",
        befalls: |_| {},
    },
    Condition {
        name: "unequal",
        about: "a quarter of the servers is half as fast, a quarter one and a half times, and no balancer is told",
        befalls: |scenario| unequal(scenario, false),
    },
    Condition {
        name: "weighted",
        about: "the same servers, with weights that say so",
        befalls: |scenario| unequal(scenario, true),
    },
    Condition {
        name: "one_slow",
        about: "one server holds each request 50 ms longer",
        befalls: |scenario| {
            let delay = Fault::Delay(Duration::from_millis(50));
            afflict(scenario, 1, "slow", Episode::always(delay));
        },
    },
    Condition {
        name: "tenth_slow",
        about: "a tenth of the servers hold each request 20 ms longer",
        befalls: |scenario| {
            let delay = Fault::Delay(Duration::from_millis(20));
            afflict(scenario, tenth(scenario), "slow", Episode::always(delay));
        },
    },
    Condition {
        name: "spike",
        about: "a tenth of the servers take ten times as long, from the 15th second to the 21st",
        befalls: |scenario| {
            let spike = Episode {
                from: Duration::from_secs(15),
                until: Duration::from_secs(21),
                fault: Fault::Slowdown(10.0),
            };
            afflict(scenario, tenth(scenario), "slow", spike);
        },
    },
    Condition {
        name: "cold_start",
        about: "a quarter of the servers join in the 10th second, five times as slow and with 20 % errors at first, well after 20 s",
        befalls: |scenario| {
            let joins = Duration::from_secs(10);
            let cold = Episode {
                from: joins,
                until: joins + Duration::from_secs(20),
                fault: Fault::ColdStart {
                    slowdown: 5.0,
                    errors: 0.2,
                },
            };
            let count = scenario.servers.len() / 4;
            afflict(scenario, count, "cold", cold);
            let joining = scenario.servers.iter_mut().take(count);
            joining.for_each(|server| server.joins = joins);
        },
    },
    Condition {
        name: "fails_fast",
        about: "one server answers every request with an error, in a millisecond, from the 10th second to the 25th",
        befalls: |scenario| afflict(scenario, 1, "failing", in_the_middle(Fault::FailsFast)),
    },
    Condition {
        name: "hangs",
        about: "one server takes requests and never answers, from the 10th second to the 25th",
        befalls: |scenario| afflict(scenario, 1, "hanging", in_the_middle(Fault::Hangs)),
    },
    Condition {
        name: "pauses",
        about: "every server stands still for 300 ms every 10 s, each at moments of its own",
        befalls: |scenario| {
            let pauses = Fault::Pauses {
                every: Duration::from_secs(10),
                length: Duration::from_millis(300),
            };
            let servers = scenario.servers.iter_mut();
            servers.for_each(|server| server.episodes.push(Episode::always(pauses)));
        },
    },
];

/// How long each simulation is, and how much of its beginning is not measured.
const LENGTH: Duration = Duration::from_secs(30);
const WARM_UP: Duration = Duration::from_secs(5);

impl Condition {
    /// The scenario of this condition in that shape.
    pub fn in_shape(&self, shape: &Shape) -> Scenario {
        let server = ServerSpec {
            workers: 4,
            queue: 8,
            ..ServerSpec::default()
        };
        let mut scenario = Scenario {
            servers: vec![server; shape.servers],
            classes: vec!["well"],
            balancers: shape.balancers,
            arrivals: 0.0,
            work: Distribution::LogNormal {
                mean: Duration::from_millis(50),
                sigma: 0.5,
            },
            network: Duration::from_micros(250),
            deadline: Duration::from_secs(2),
            length: LENGTH,
            warm_up: WARM_UP,
        };
        (self.befalls)(&mut scenario);
        scenario.arrivals = scenario.capacity() * shape.load;
        scenario
    }
}

/// Puts the first `count` servers into a class of their own, to which `episode` happens.
fn afflict(scenario: &mut Scenario, count: usize, class: &'static str, episode: Episode) {
    let number = scenario.classes.len();
    scenario.classes.push(class);
    for server in scenario.servers.iter_mut().take(count) {
        server.class = number;
        server.episodes.push(episode);
    }
}

fn tenth(scenario: &Scenario) -> usize {
    scenario.servers.len().div_ceil(10)
}

fn in_the_middle(fault: Fault) -> Episode {
    Episode {
        from: Duration::from_secs(10),
        until: Duration::from_secs(25),
        fault,
    }
}

fn unequal(scenario: &mut Scenario, told: bool) {
    scenario.classes = vec!["slow", "well", "fast"];
    for (place, server) in scenario.servers.iter_mut().enumerate() {
        let (class, speed, weight) = match place % 4 {
            0 => (0, 0.5, 2),
            3 => (2, 1.5, 6),
            _ => (1, 1.0, 4),
        };
        server.class = class;
        server.speed = speed;
        server.weight = if told { weight } else { 1 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_is_a_share_of_what_the_first_servers_can_do() {
        for condition in CONDITIONS {
            let scenario = condition.in_shape(&MIDDLE);
            // 64 servers with 4 workers and 50 ms for each request do 5120 a second, or those that are
            // there from the beginning.
            let first = if condition.name == "cold_start" {
                0.75
            } else {
                1.0
            };
            let expected = 5_120.0 * first * KNEE;
            assert!(
                (scenario.arrivals - expected).abs() < 1e-6,
                "{}",
                condition.name
            );
        }
    }
}
