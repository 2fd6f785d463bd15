//! What becomes of the shortest line when everybody joins it.

use std::time::Duration;

use super::distribution::Distribution;
use super::scenario::{Scenario, ServerSpec};

/// How many balancers there are, in turn: the more, the older is what each has heard of a server.
pub const BALANCERS: [usize; 3] = [1, 8, 64];

/// Equal servers, each with many workers, so that their lines change while a request is under way, and
/// nothing the matter with any.
pub fn scenario(servers: usize, balancers: usize) -> Scenario {
    let server = ServerSpec {
        workers: 32,
        queue: 32,
        ..ServerSpec::default()
    };
    let mut scenario = Scenario {
        servers: vec![server; servers],
        classes: vec!["all"],
        balancers,
        arrivals: 0.0,
        work: Distribution::LogNormal {
            mean: Duration::from_millis(50),
            sigma: 0.5,
        },
        network: Duration::from_micros(250),
        deadline: Duration::from_secs(2),
        length: Duration::from_secs(15),
        warm_up: Duration::from_secs(3),
    };
    scenario.arrivals = scenario.capacity() * 0.85;
    scenario
}
