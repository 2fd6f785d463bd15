//! How a service is balanced: its policy, and what holds for every policy.

use std::time::Duration;

use crate::Policy;

/// From the moment an endpoint comes until it gets its full share. Netflix's.
const RAMP: Duration = Duration::from_secs(90);
/// Envoy's.
const PANIC_THRESHOLD: f32 = 0.5;

/// A policy, and what holds for every policy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// How an endpoint is chosen.
    pub policy: Policy,
    /// How long an endpoint that is newer than others gets less than its share: a tenth of it at
    /// first, and then more evenly with time. Zero for never. Policies that hash, and those that look
    /// at every endpoint, do not wait.
    pub ramp: Duration,
    /// Below this share of healthy capacity all endpoints are used, the ejected ones too; 0 for only
    /// where nothing else is left.
    pub panic_threshold: f32,
}

impl Settings {
    /// With the defaults for all but the policy.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            ramp: RAMP,
            panic_threshold: PANIC_THRESHOLD,
        }
    }
}
