//! What comes out of an open-loop run.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Outcome, Status};

/// Counts and latencies of the requests that were due after the warm-up.
pub(super) struct Report {
    warm_up: Duration,
    patience: Duration,
    /// When the last was due.
    whole: Duration,
    /// Of good answers.
    latencies: Vec<Duration>,
    refused: usize,
    failed: usize,
    /// Good answers that came while those were due that count.
    completed: usize,
}

impl Report {
    pub(super) fn new(warm_up: Duration, whole: Duration, patience: Duration) -> Self {
        Self {
            warm_up,
            whole,
            patience,
            latencies: Vec::new(),
            refused: 0,
            failed: 0,
            completed: 0,
        }
    }

    pub(super) fn add(&mut self, outcome: &Outcome) {
        let came = outcome.due + outcome.latency;
        if outcome.status == Status::Ok && (self.warm_up..self.whole).contains(&came) {
            self.completed += 1;
        }
        if outcome.due < self.warm_up {
            return;
        }
        match outcome.status {
            Status::Ok => self.latencies.push(outcome.latency),
            Status::Refused => self.refused += 1,
            Status::Failed => self.failed += 1,
        }
    }

    /// `due` is when each request was due, and `seconds` how long those were that count.
    pub(super) fn finish(mut self, due: Vec<Duration>, seconds: f64) -> Value {
        self.latencies.sort_unstable();
        let due = due.into_iter().filter(|due| *due >= self.warm_up).count();
        let good = self.latencies.len();
        let in_time = self.latencies.partition_point(|it| *it <= self.patience);
        json!({
            "due": due,
            "good": good,
            "good_in_time": in_time,
            "refused": self.refused,
            "failed": self.failed,
            "unanswered": due.saturating_sub(good + self.refused + self.failed),
            "completed_per_second": self.completed as f64 / seconds,
            "refused_per_second": self.refused as f64 / seconds,
            "good_in_time_per_second": in_time as f64 / seconds,
            "p50_us": self.percentile(0.5),
            "p99_us": self.percentile(0.99),
            "p999_us": self.percentile(0.999),
            "max_us": self.percentile(1.0),
        })
    }

    /// The smallest latency that `share` of all do not exceed, in microseconds; none if there are none.
    fn percentile(&self, share: f64) -> Option<f64> {
        let rank = (share * self.latencies.len() as f64).ceil() as usize;
        let latency = self.latencies.get(rank.saturating_sub(1))?;
        Some(latency.as_nanos() as f64 / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(due_ms: u64, latency_us: u64, status: Status) -> Outcome {
        Outcome {
            due: Duration::from_millis(due_ms),
            latency: Duration::from_micros(latency_us),
            status,
        }
    }

    fn report(warm_up_ms: u64, whole_ms: u64, patience_ms: u64) -> Report {
        let [warm_up, whole, patience] =
            [warm_up_ms, whole_ms, patience_ms].map(Duration::from_millis);
        Report::new(warm_up, whole, patience)
    }

    #[test]
    fn only_what_was_due_after_the_warm_up_counts_and_what_never_came_is_missed() {
        let mut report = report(10, 12, 1);
        report.add(&outcome(9, 7, Status::Ok));
        for latency in 1..=100 {
            report.add(&outcome(10, latency * 20, Status::Ok));
        }
        report.add(&outcome(11, 5, Status::Refused));
        report.add(&outcome(11, 5, Status::Failed));
        let due = [vec![Duration::ZERO], vec![Duration::from_millis(12); 105]].concat();
        let result = report.finish(due, 2.0);
        let number = |name: &str| result[name].as_f64().expect("a number");
        assert_eq!(number("due"), 105.0);
        assert_eq!(number("good"), 100.0);
        // The last of the hundred came at 12 ms, when it was over.
        assert_eq!(number("completed_per_second"), 49.5);
        assert_eq!(number("good_in_time"), 50.0);
        assert_eq!(number("refused"), 1.0);
        assert_eq!(number("failed"), 1.0);
        assert_eq!(number("unanswered"), 3.0);
        assert_eq!(number("p50_us"), 1000.0);
        assert_eq!(number("p99_us"), 1980.0);
        assert_eq!(number("p999_us"), 2000.0);
    }

    #[test]
    fn there_is_no_percentile_of_nothing() {
        let report = report(0, 0, 0);
        assert!(report.finish(Vec::new(), 1.0)["p99_us"].is_null());
    }
}
