//! What is kept of an outcome.

use std::time::Duration;

use polity_balance::simulation::{Failures, Outcome};
use serde_json::{Value, json};

/// The figures of one simulation.
#[derive(Debug, Clone)]
pub(super) struct Figures {
    pub(super) measured: u64,
    pub(super) failures: Failures,
    pub(super) p50: Duration,
    pub(super) p99: Duration,
    pub(super) p999: Duration,
    pub(super) mean: Duration,
    /// The mean load of a server, and the standard deviation among servers.
    pub(super) load: f64,
    pub(super) deviation: f64,
    /// The highest load a server was seen with.
    pub(super) highest: u32,
    /// The share of requests that each class of servers got, over time.
    pub(super) shares: Vec<Vec<f64>>,
    /// The share of requests that failed, over time.
    pub(super) failed_over_time: Vec<f64>,
}

impl Figures {
    pub(super) fn of(outcome: &Outcome) -> Self {
        let windows = &outcome.windows;
        let classes = windows.first().map_or(0, |window| window.sent.len());
        let share = |class: usize| {
            let share = move |sent: &[u64]| {
                let all: u64 = sent.iter().sum();
                sent[class] as f64 / all.max(1) as f64
            };
            windows.iter().map(move |window| share(&window.sent))
        };
        let failed = windows.iter().map(|window| {
            let all = window.succeeded + window.failed;
            window.failed as f64 / all.max(1) as f64
        });
        Self {
            measured: outcome.measured(),
            failures: outcome.failures,
            p50: outcome.latency.quantile(0.5),
            p99: outcome.latency.quantile(0.99),
            p999: outcome.latency.quantile(0.999),
            mean: outcome.latency.mean(),
            load: outcome.spread.mean(),
            deviation: outcome.spread.deviation(),
            highest: outcome.spread.highest,
            shares: (0..classes).map(|class| share(class).collect()).collect(),
            failed_over_time: failed.collect(),
        }
    }

    /// Failed requests out of 10,000.
    pub(super) fn failed(&self) -> f64 {
        10_000.0 * self.failures.total() as f64 / self.measured.max(1) as f64
    }

    pub(super) fn json(&self) -> Value {
        let failures = &self.failures;
        json!({
            "requests": self.measured,
            "failed": failures.total(),
            "overflowed": failures.overflowed,
            "errors": failures.errors,
            "late": failures.late,
            "refused": failures.refused,
            "unrouted": failures.unrouted,
            "mean_ms": milliseconds(self.mean),
            "p50_ms": milliseconds(self.p50),
            "p99_ms": milliseconds(self.p99),
            "p999_ms": milliseconds(self.p999),
            "load": self.load,
            "load_deviation": self.deviation,
            "load_highest": self.highest,
            "shares": self.shares,
            "failed_over_time": self.failed_over_time,
        })
    }
}

pub(super) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
