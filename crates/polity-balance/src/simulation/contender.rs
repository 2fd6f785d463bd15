//! The algorithms that are compared.

use std::time::Duration;

use crate::{Factors, Maglev, Policy, Ring, Settings};

/// A way to balance.
#[derive(Debug, Clone, Copy)]
pub struct Contender {
    /// As in a plan, and what is special about it.
    pub name: &'static str,
    /// How each balancer chooses.
    pub settings: fn() -> Settings,
    /// Whether each ejects outliers.
    pub ejects: bool,
}

impl Contender {
    const fn plain(name: &'static str, settings: fn() -> Settings) -> Self {
        Self {
            name,
            settings,
            ejects: false,
        }
    }

    /// The contender called `name`.
    pub fn find(name: &str) -> Option<&'static Self> {
        CONTENDERS.iter().find(|contender| contender.name == name)
    }
}

/// Every algorithm, with its defaults, and round robin with what is usually put beside it.
pub const CONTENDERS: &[Contender] = &[
    Contender::plain("round_robin", || Settings::new(Policy::RoundRobin)),
    Contender {
        ejects: true,
        ..Contender::plain("round_robin, ejecting", || {
            Settings::new(Policy::RoundRobin)
        })
    },
    Contender::plain("weighted_round_robin", || {
        Settings::new(Policy::WeightedRoundRobin)
    }),
    Contender::plain("random", || Settings::new(Policy::Random)),
    Contender::plain("hash", || Settings::new(Policy::Hash)),
    Contender::plain("ring", || Settings::new(Policy::Ring(Ring::default()))),
    Contender::plain("ring, bounded", || {
        Settings::new(Policy::Ring(Ring {
            bound: Some(BOUND),
            ..Ring::default()
        }))
    }),
    Contender::plain("maglev", || {
        Settings::new(Policy::Maglev(Maglev::default()))
    }),
    Contender::plain("maglev, bounded", || {
        Settings::new(Policy::Maglev(Maglev {
            bound: Some(BOUND),
            ..Maglev::default()
        }))
    }),
    Contender::plain("least_connections", || {
        Settings::new(Policy::LeastConnections)
    }),
    Contender::plain("weighted_least_connections", || {
        Settings::new(Policy::WeightedLeastConnections)
    }),
    Contender::plain("least_response_time", || {
        Settings::new(Policy::LeastResponseTime)
    }),
    Contender::plain("peak_ewma", || Settings::new(Policy::PeakEwma)),
    Contender::plain("join_shortest_queue", || {
        Settings::new(Policy::JoinShortestQueue)
    }),
    Contender::plain("prequal", || Settings::new(Policy::Prequal)),
    P2C,
];

/// The usual bound of consistent hashing with bounded loads.
const BOUND: f32 = 1.25;

/// What balancers do where nobody has thought of more: in turn, without those that fail in a row, and
/// with a full share from the first moment.
pub const USUAL: Contender = Contender {
    ejects: true,
    ..Contender::plain("round_robin, ejecting, no ramp", || Settings {
        ramp: Duration::ZERO,
        ..Settings::new(Policy::RoundRobin)
    })
};

/// Power of two choices, all on.
pub const P2C: Contender = Contender::plain("p2c", || Settings::new(Policy::default()));

/// Power of two choices that does not listen to what servers say of themselves.
pub const P2C_WITHOUT_UTILIZATION: Contender = Contender::plain("p2c, no utilization", || {
    Settings::new(Policy::PowerOfTwoChoices(Factors {
        utilization_limit: f32::INFINITY,
        utilization_cost: 0.0,
        ..Factors::default()
    }))
});
