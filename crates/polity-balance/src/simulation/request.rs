//! A request on its way, and how it is answered.

use std::time::Duration;

use polity_resilience::outlier;

use super::node::{Ending, Peer};
use super::server::Load;
use crate::InFlight;

/// A request, from its arrival until nobody has anything to do with it.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) number: u64,
    pub(super) began: Duration,
    pub(super) node: usize,
    pub(super) server: usize,
    /// What a server of speed 1 takes for it: the same whatever server it comes to, so that all
    /// algorithms have the same work to do.
    pub(super) work: Duration,
    /// In [0, 1): it meets an error wherever more than this share of answers are.
    pub(super) luck: f64,
    /// When it came to its server.
    pub(super) reached: Duration,
    /// How many requests were there.
    pub(super) others: u32,
    /// How long its server had stood still when it was last said when its work ends.
    pub(super) paused: Duration,
    pub(super) answer: Option<Answer>,
    /// Until it has ended for its balancer.
    pub(super) held: Option<InFlight<Peer>>,
}

/// How a server answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Answer {
    Good(Load),
    Error(Load),
    Overflow(Load),
    Refused,
}

impl Answer {
    /// What it tells the balancer.
    pub(super) fn ending(self, latency: Duration) -> Ending {
        let (ending, load) = match self {
            Self::Good(load) => (outlier::Ending::Success, load),
            Self::Error(load) | Self::Overflow(load) => (outlier::Ending::Error, load),
            Self::Refused => return NO_ANSWER,
        };
        Ending {
            ending,
            latency: Some(latency),
            load: Some(load),
        }
    }
}

/// Where none came.
pub(super) const NO_ANSWER: Ending = Ending {
    ending: outlier::Ending::NoAnswer,
    latency: None,
    load: None,
};
