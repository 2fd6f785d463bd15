//! Load at fixed times, by the instrument `polity-bench open-loop`.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::Value;

use super::process::pinned;
use super::session::Session;

/// What is sent, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    /// Requests a second.
    pub(super) rate: f64,
    pub(super) connections: usize,
    pub(super) warm_up_seconds: f64,
    pub(super) seconds: f64,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Outcome(Value);

pub(super) fn run(
    session: &Session,
    address: SocketAddr,
    schedule: &Schedule,
) -> anyhow::Result<Outcome> {
    session.ground.check_interrupt()?;
    let mut command = pinned(
        &session.ground.cores.load,
        &session.ground.programs.instruments,
    );
    command
        .args(["open-loop", "--path", "/1k"])
        .arg(format!("--address={address}"))
        .arg(format!("--rate={}", schedule.rate))
        .arg(format!("--connections={}", schedule.connections))
        .arg(format!("--warm-up-seconds={}", schedule.warm_up_seconds))
        .arg(format!("--seconds={}", schedule.seconds));
    outcome(&mut command)
}

/// Runs an instrument to its end, and reads its report.
pub(super) fn outcome(instrument: &mut Command) -> anyhow::Result<Outcome> {
    let output = instrument.output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "the load failed: {}",
        complaint.trim()
    );
    let report = serde_json::from_slice(&output.stdout);
    report.context("the load made no sense").map(Outcome)
}

impl Outcome {
    /// A number of its report; NaN if there is none, as of a percentile of nothing.
    pub(super) fn number(&self, name: &str) -> f64 {
        self.0[name].as_f64().unwrap_or(f64::NAN)
    }

    /// Whatever went wrong, among what is named.
    pub(super) fn defect(&self, names: &[&str]) -> Option<String> {
        let faults = names.iter().filter(|name| self.number(name) > 0.0);
        let faults: Vec<String> = faults
            .map(|name| format!("{} {name}", self.number(name)))
            .collect();
        (!faults.is_empty()).then(|| faults.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_named_is_a_defect() {
        let outcome = Outcome(json!({"failed": 2, "refused": 3, "unanswered": 0, "p99_us": null}));
        assert_eq!(
            outcome.defect(&["failed", "unanswered"]).as_deref(),
            Some("2 failed")
        );
        assert_eq!(outcome.defect(&["unanswered"]), None);
        assert!(outcome.number("p99_us").is_nan());
    }
}
