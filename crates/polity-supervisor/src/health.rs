//! Whether an instance answers: the question, and how often it is asked while it starts.

mod http;
mod http2;
mod network;

use std::net::SocketAddr;
use std::time::Duration;

pub use network::NetworkProber;

use polity_plan::HealthAsks;

use crate::process::BoxFuture;

/// The first pause between two checks of a starting instance.
pub const PACE_MIN: Duration = Duration::from_millis(5);

/// The longest such pause.
pub const PACE_MAX: Duration = Duration::from_millis(100);

/// Checks instances; a trait so that tests need no network.
pub trait Prober: Send + Sync {
    /// Checks once. Cancelling it abandons the check.
    fn probe<'a>(&'a self, probe: &'a Probe) -> BoxFuture<'a, Result<(), ProbeError>>;
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Where.
    pub address: SocketAddr,
    /// What.
    pub asks: HealthAsks,
    /// All of it, at most.
    pub timeout: Duration,
}

/// Why a check failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// It was not even asked: the system has no file descriptor, port or memory left for us. That
    /// says nothing of the instance.
    #[error("could not check {address}: {reason}")]
    NotAsked {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        reason: String,
    },
    /// Nothing listens there, or the system refused.
    #[error("could not connect to {address}: {reason}")]
    Connect {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        reason: String,
    },
    /// No answer in time.
    #[error("no answer from {address} within {timeout:?}")]
    Timeout {
        /// Where.
        address: SocketAddr,
        /// The bound.
        timeout: Duration,
    },
    /// It answers, and not with 2xx.
    #[error("GET {path} answered {status}, expected 2xx")]
    Status {
        /// What was asked for.
        path: String,
        /// The answer.
        status: u16,
    },
    /// gRPC's health check was answered, and not with SERVING.
    #[error("gRPC's health check answered {answer}, expected SERVING")]
    NotServing {
        /// The answer.
        answer: String,
    },
    /// What came is not an answer of gRPC's.
    #[error("gRPC's health check was not answered: {reason}")]
    Grpc {
        /// What is wrong.
        reason: String,
    },
    /// What came is not HTTP, or not a whole head.
    #[error("GET {path} was not answered in HTTP: {reason}")]
    Protocol {
        /// What was asked for.
        path: String,
        /// What is wrong.
        reason: String,
    },
}

/// The pause before the next check of an instance that has been starting for `elapsed`: a
/// twentieth of it, so that checking never makes a start noticeably longer, nor costs much.
pub(crate) fn pace(elapsed: Duration) -> Duration {
    (elapsed / 20).clamp(PACE_MIN, PACE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_of_a_starting_instance_are_quick_and_grow_rare() {
        assert_eq!(pace(Duration::ZERO), PACE_MIN);
        assert_eq!(pace(Duration::from_millis(400)), Duration::from_millis(20));
        assert_eq!(pace(Duration::from_secs(60)), PACE_MAX);
    }
}
