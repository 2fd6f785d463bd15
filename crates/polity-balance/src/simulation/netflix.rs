//! The comparison that Netflix published of its edge balancer, in kind.

use std::time::Duration;

use super::distribution::Distribution;
use super::scenario::{Episode, Fault, Scenario, ServerSpec};

/// A cluster like theirs: a tenth of it is degraded from the 20th second on, and twice, in the 40th and
/// the 70th, as many servers join cold and are warm after 40 s.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Netflix {
    /// Servers of the beginning.
    pub servers: usize,
    /// Balancers that share nothing.
    pub balancers: usize,
    /// Requests, as a share of what the servers of the beginning can do when all is well.
    pub load: f64,
    /// How many times as long a tenth of the servers takes.
    pub degraded: f64,
    /// How many times as long servers take that have just joined.
    pub cold: f64,
    /// The share of their answers that are errors.
    pub cold_errors: f64,
}

impl Default for Netflix {
    fn default() -> Self {
        Self {
            servers: 64,
            balancers: 16,
            load: 0.6,
            degraded: 4.0,
            cold: 6.0,
            cold_errors: 0.0,
        }
    }
}

/// Requests a server works on at once, and requests that wait: the thread pools of services that would
/// rather refuse than be late.
const WORKERS: usize = 32;
const QUEUE: usize = 8;

impl Netflix {
    /// The scenario.
    pub fn scenario(&self) -> Scenario {
        let seconds = Duration::from_secs;
        let server = |class, joins, episodes| ServerSpec {
            class,
            workers: WORKERS,
            queue: QUEUE,
            joins,
            episodes,
            ..ServerSpec::default()
        };
        let degraded = Episode {
            from: seconds(20),
            until: Duration::MAX,
            fault: Fault::Slowdown(self.degraded),
        };
        let tenth = self.servers / 10;
        let mut servers = vec![server(0, Duration::ZERO, Vec::new()); self.servers - tenth];
        servers.extend(vec![server(1, Duration::ZERO, vec![degraded]); tenth]);
        for wave in [seconds(40), seconds(70)] {
            let cold = Episode {
                from: wave,
                until: wave + seconds(40),
                fault: Fault::ColdStart {
                    slowdown: self.cold,
                    errors: self.cold_errors,
                },
            };
            servers.extend(vec![server(2, wave, vec![cold]); tenth]);
        }
        let mut scenario = Scenario {
            servers,
            classes: vec!["well", "degraded", "cold"],
            balancers: self.balancers,
            arrivals: 0.0,
            work: Distribution::LogNormal {
                mean: Duration::from_millis(100),
                sigma: 0.6,
            },
            network: Duration::from_micros(500),
            deadline: Duration::from_secs(5),
            length: seconds(120),
            warm_up: seconds(10),
        };
        scenario.arrivals = scenario.capacity() * self.load;
        scenario
    }
}
