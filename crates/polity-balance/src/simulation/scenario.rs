//! What is simulated: servers, what befalls them, and the requests that come.

use std::time::Duration;

use super::distribution::Distribution;

/// A cluster and its load.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// Where requests go.
    pub servers: Vec<ServerSpec>,
    /// What the servers' classes are called, by number: traffic is told apart by them.
    pub classes: Vec<&'static str>,
    /// How many balancers there are. They share nothing, and each gets an equal part of the requests.
    pub balancers: usize,
    /// Requests a second, at times without memory and whatever becomes of earlier ones (open loop).
    pub arrivals: f64,
    /// What a server of speed 1 takes for a request.
    pub work: Distribution,
    /// From a balancer to a server, and from there back.
    pub network: Duration,
    /// When a client gives up. The server goes on all the same, as one with a thread for each request
    /// does.
    pub deadline: Duration,
    /// How long requests come.
    pub length: Duration,
    /// Of these, how long they are not measured.
    pub warm_up: Duration,
}

impl Scenario {
    /// What the servers that are there from the beginning can do when nothing befalls them, in
    /// requests a second.
    pub fn capacity(&self) -> f64 {
        let first = self.servers.iter().filter(|it| it.joins.is_zero());
        let workers: f64 = first.map(|it| it.workers as f64 * it.speed).sum();
        workers / self.work.mean().as_secs_f64()
    }
}

/// One server.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerSpec {
    /// Its place in [`Scenario::classes`].
    pub class: usize,
    /// Requests it works on at once.
    pub workers: usize,
    /// Requests that wait for a worker. One more is answered 503 at once.
    pub queue: usize,
    /// How much faster it is than one of speed 1.
    pub speed: f64,
    /// What balancers are told of its capacity.
    pub weight: u32,
    /// When balancers are told of it; at zero, it has been there for long.
    pub joins: Duration,
    /// What befalls it.
    pub episodes: Vec<Episode>,
}

impl Default for ServerSpec {
    /// One worker, no end of room, speed 1.
    fn default() -> Self {
        Self {
            class: 0,
            workers: 1,
            queue: usize::MAX,
            speed: 1.0,
            weight: 1,
            joins: Duration::ZERO,
            episodes: Vec::new(),
        }
    }
}

/// Something is wrong with a server for some time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Episode {
    /// From here.
    pub from: Duration,
    /// To here.
    pub until: Duration,
    /// What is wrong.
    pub fault: Fault,
}

impl Episode {
    /// `fault` from the beginning to the end.
    pub fn always(fault: Fault) -> Self {
        Self {
            from: Duration::ZERO,
            until: Duration::MAX,
            fault,
        }
    }
}

/// What can be wrong with a server.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// Its work takes so many times as long.
    Slowdown(f64),
    /// Each request holds its worker so much longer (as by a slow dependency).
    Delay(Duration),
    /// This share of its answers are errors.
    Errors(f64),
    /// The slowdown and the share of errors at the beginning, both falling evenly to nothing at the
    /// end.
    ColdStart {
        /// As in [`Fault::Slowdown`].
        slowdown: f64,
        /// As in [`Fault::Errors`].
        errors: f64,
    },
    /// All its work stands still for `length`, every `every`, as for garbage collection.
    Pauses {
        /// From one beginning to the next.
        every: Duration,
        /// How long each lasts.
        length: Duration,
    },
    /// It answers each request with an error, in a millisecond and without a worker.
    FailsFast,
    /// It refuses connections.
    Refuses,
    /// It takes requests and never answers.
    Hangs,
}
