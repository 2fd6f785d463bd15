//! The algorithms, one in each file.

pub(crate) mod consistent_hash;
pub(crate) mod hash;
pub(crate) mod join_shortest_queue;
pub(crate) mod latency;
pub(crate) mod least_connections;
pub(crate) mod maglev;
pub(crate) mod power_of_two;
pub(crate) mod prequal;
pub(crate) mod ring;
pub(crate) mod round_robin;
pub(crate) mod weighted_round_robin;

use crate::latency::Kind;
pub use maglev::Maglev;
pub use power_of_two::Factors;
pub use ring::Ring;

/// How an endpoint is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Policy {
    /// The better of two drawn at random (Mitzenmacher 2001): nearly as even as the best of all, at
    /// the cost of two looks, and no thread sends everything to the same one; of a few, the best.
    /// What is better is said by requests in flight, by how long answers took, failures, and what
    /// endpoints say of themselves.
    PowerOfTwoChoices(Factors),
    /// One after the other, whatever their weights.
    RoundRobin,
    /// One after the other, each as often as its weight says, and its turns spread over the round.
    WeightedRoundRobin,
    /// At random, by weight.
    Random,
    /// The one with the fewest requests in flight; at random among equals.
    LeastConnections,
    /// The one with the fewest requests in flight for its weight.
    WeightedLeastConnections,
    /// The one expected to answer first, by the average of its answers and the requests in flight.
    LeastResponseTime,
    /// The one of two drawn at random that is expected to answer first, by an average that one slow
    /// answer lifts at once.
    PeakEwma,
    /// The one with the shortest line of requests, by what they say of themselves.
    JoinShortestQueue,
    /// By answers of endpoints that are [asked](crate::Balancer::to_probe) how busy they are: the fastest
    /// that is not among the busiest (Prequal, NSDI 2024).
    Prequal,
    /// The same for the same key, by weight, while the endpoints stay the same.
    Hash,
    /// The same for the same key, by weight; when endpoints come and go, as good as only the keys move
    /// that must.
    Ring(Ring),
    /// The same for the same key, by weight, and very evenly; when endpoints come and go, a few more keys
    /// move than must.
    Maglev(Maglev),
}

impl Default for Policy {
    fn default() -> Self {
        Self::PowerOfTwoChoices(Factors::default())
    }
}

impl Policy {
    /// Whether endpoints of the own zone come first. Not where a key has its endpoint.
    pub(crate) fn heeds_zones(&self) -> bool {
        !matches!(self, Self::Hash | Self::Ring(_) | Self::Maglev(_))
    }

    /// Whether new endpoints get their share by and by: where chance or turns give it out.
    pub(crate) fn ramps(&self) -> bool {
        match self {
            Self::PowerOfTwoChoices(_)
            | Self::RoundRobin
            | Self::WeightedRoundRobin
            | Self::PeakEwma
            | Self::Random => true,
            Self::LeastConnections
            | Self::WeightedLeastConnections
            | Self::LeastResponseTime
            | Self::JoinShortestQueue
            | Self::Prequal
            | Self::Hash
            | Self::Ring(_)
            | Self::Maglev(_) => false,
        }
    }

    /// What it has to know of latencies.
    pub(crate) fn latency(&self) -> Option<Kind> {
        match self {
            Self::PowerOfTwoChoices(_) | Self::LeastResponseTime | Self::Prequal => {
                Some(Kind::Mean)
            }
            Self::PeakEwma => Some(Kind::Peak),
            _ => None,
        }
    }
}
