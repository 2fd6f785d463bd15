//! What becomes of requests to a service that fail.

use std::time::Duration;

use polity_resilience::circuit_breaker;
use polity_resilience::retry::Rules;

/// Tries of one request.
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    /// In all, the first included; at least 1.
    pub attempts: u32,
    /// Retries per request that may be added to the service's load (0.2 is 20%).
    pub budget: f64,
    /// The endings after which it is tried again.
    pub on: Rules,
    /// The requests that may be carried out twice, whatever their method.
    pub idempotent: Idempotent,
    /// To the first byte of an answer to one try; none for as long as the request may take.
    pub per_try_timeout: Option<Duration>,
    /// Before an instance is tried a second time.
    pub pause: RetryPause,
}

/// Which requests may be carried out twice although their method does not say so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Idempotent {
    /// All.
    All,
    /// Those for one of these paths, or for what is below it by whole segments.
    Paths(Vec<String>),
}

impl Idempotent {
    /// Whether it is so for a request to `path`, as the service is asked for it.
    pub fn covers(&self, path: &str) -> bool {
        let below = |prefix: &String| {
            let rest = path.strip_prefix(prefix.as_str());
            rest.is_some_and(|rest| {
                rest.is_empty() || rest.starts_with('/') || prefix.ends_with('/')
            })
        };
        match self {
            Self::All => true,
            Self::Paths(paths) => paths.iter().any(below),
        }
    }
}

/// How long to wait: a random time below `base`, then below twice that, and so on up to `cap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPause {
    /// Below this the first time.
    pub base: Duration,
    /// Below this at most.
    pub cap: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        let mut on = Rules::default();
        (on.connect_failure, on.reset, on.timeout) = (true, true, true);
        Self {
            attempts: 2,
            budget: 0.2,
            on,
            idempotent: Idempotent::Paths(Vec::new()),
            per_try_timeout: None,
            // Somebody waits; an instance that restarts takes longer than any pause would bridge.
            pause: RetryPause {
                base: Duration::from_millis(20),
                cap: Duration::from_millis(200),
            },
        }
    }
}

/// Circuit breakers of a service: when each trips, and how it recovers. None for none.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CircuitBreakers {
    /// Of the service as a whole.
    pub service: Option<circuit_breaker::Settings>,
    /// Each instance has one of its own.
    pub instance: Option<circuit_breaker::Settings>,
}
