//! How an instance of a service is chosen.

use std::time::Duration;

/// `balance` of a service.
#[derive(Debug, Clone, PartialEq)]
pub struct Balance {
    /// By what an instance is chosen.
    pub policy: BalancePolicy,
    /// How long a new instance gets less than its share; zero for never.
    pub ramp: Duration,
    /// Below this share of healthy capacity, 0 to 1, all instances are used, whatever is thought of
    /// them.
    pub panic_threshold: f64,
    /// The cookie by which a client's requests stay with one instance, if they do.
    pub sticky: Option<Sticky>,
}

/// A sticky session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sticky {
    /// The cookie's name.
    pub cookie: String,
    /// How long a browser keeps it; none until it is closed.
    pub max_age: Option<Duration>,
}

/// What `policy` of `balance` says, with the keys that go with it.
#[derive(Debug, Clone, PartialEq)]
pub enum BalancePolicy {
    /// The better of two at random.
    P2c(P2c),
    /// In turn.
    RoundRobin,
    /// In turn, as often as its weight says.
    WeightedRoundRobin,
    /// At random, by weight.
    Random,
    /// The one with the fewest requests in flight.
    LeastConnections,
    /// The same for each unit of weight.
    WeightedLeastConnections,
    /// The one expected to answer first, of all.
    LeastResponseTime,
    /// The one expected to answer first, of two at random.
    PeakEwma,
    /// The one that says it has the shortest line.
    JoinShortestQueue,
    /// By what instances answer when they are asked how busy they are.
    Prequal(Prequal),
    /// The same for requests that are alike.
    Hash(HashBy),
    /// Likewise, and few move when instances come and go.
    ConsistentHash(ConsistentHash),
}

/// What makes one of two better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct P2c {
    /// Beyond this share of failures, 0 to 1, an instance is passed over while others are found.
    pub failure_limit: f64,
    /// Beyond this utilisation as it reports it, likewise; none where reports do not count.
    pub utilization_limit: Option<f64>,
}

/// How instances are asked how busy they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prequal {
    /// The path they are asked for.
    pub probe: String,
}

/// How requests that are alike find their instance.
#[derive(Debug, Clone, PartialEq)]
pub struct ConsistentHash {
    /// By what they are alike.
    pub by: HashBy,
    /// What it is looked up in.
    pub algorithm: HashAlgorithm,
    /// The most that an instance has in flight, beside the mean for its weight; at least 1. None for no
    /// bound.
    pub load: Option<f64>,
}

/// What instances are looked up in by a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashAlgorithm {
    /// A table: very even shares.
    Maglev,
    /// A ring: the fewest requests move.
    Ring,
}

/// By what requests are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HashBy {
    /// The client's address.
    Ip,
    /// Path and query, as the service is asked for them.
    Url,
    /// The value of this header; the name is in lower case.
    Header(String),
    /// The value of this cookie.
    Cookie(String),
}

impl BalancePolicy {
    /// By what it tells requests apart, if it does.
    pub fn hash_by(&self) -> Option<&HashBy> {
        match self {
            Self::Hash(by) | Self::ConsistentHash(ConsistentHash { by, .. }) => Some(by),
            _ => None,
        }
    }

    /// Its word in a plan.
    pub fn word(&self) -> &'static str {
        match self {
            Self::P2c(_) => "p2c",
            Self::RoundRobin => "round_robin",
            Self::WeightedRoundRobin => "weighted_round_robin",
            Self::Random => "random",
            Self::LeastConnections => "least_connections",
            Self::WeightedLeastConnections => "weighted_least_connections",
            Self::LeastResponseTime => "least_response_time",
            Self::PeakEwma => "peak_ewma",
            Self::JoinShortestQueue => "join_shortest_queue",
            Self::Prequal(_) => "prequal",
            Self::Hash(HashBy::Ip) => "ip_hash",
            Self::Hash(HashBy::Url) => "url_hash",
            Self::Hash(HashBy::Header(_) | HashBy::Cookie(_)) => "hash",
            Self::ConsistentHash(_) => "consistent_hash",
        }
    }
}

impl Default for Balance {
    fn default() -> Self {
        Self {
            policy: BalancePolicy::P2c(P2c::default()),
            ramp: Duration::from_secs(90),
            panic_threshold: 0.5,
            sticky: None,
        }
    }
}

impl Default for P2c {
    fn default() -> Self {
        Self {
            failure_limit: 0.2,
            utilization_limit: Some(1.5),
        }
    }
}
