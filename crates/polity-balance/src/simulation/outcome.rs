//! What came of a simulation.

use std::time::Duration;

use super::histogram::Histogram;
use super::scenario::Scenario;

/// Parts that a simulation is cut into, to show what changes.
pub const WINDOWS: usize = 60;

/// What is measured. Requests that come before the warm-up is over are counted in
/// [`begun`](Self::begun) and in the windows only.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// Requests that came, warm-up and all.
    pub begun: u64,
    /// Requests that ended, warm-up and all: as many, or the simulation is wrong.
    pub ended: u64,
    /// Requests counted in that were never counted out: 0, or the simulation is wrong.
    pub left_in_flight: u64,
    /// From arrival to a good answer.
    pub latency: Histogram,
    /// Requests that failed.
    pub failures: Failures,
    /// The same over time, warm-up and all.
    pub windows: Vec<Window>,
    /// How even the servers' loads were.
    pub spread: Spread,
    length: Duration,
    warm_up: Duration,
}

/// Requests that failed, by how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Failures {
    /// Answered 503, because workers and queue were full.
    pub overflowed: u64,
    /// Answered with another error.
    pub errors: u64,
    /// Not answered before the deadline.
    pub late: u64,
    /// The connection was refused.
    pub refused: u64,
    /// No endpoint was left to choose.
    pub unrouted: u64,
}

impl Failures {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.overflowed + self.errors + self.late + self.refused + self.unrouted
    }
}

/// A [`WINDOWS`]th of the time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Window {
    /// Requests sent to servers of each class.
    pub sent: Vec<u64>,
    /// Requests that began in it and were answered well.
    pub succeeded: u64,
    /// Requests that began in it and failed.
    pub failed: u64,
}

/// How servers' loads (requests working or waiting) were distributed, sampled in equal steps.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Spread {
    samples: u64,
    means: f64,
    deviations: f64,
    /// The highest load any server was seen with.
    pub highest: u32,
}

impl Spread {
    pub(super) fn sample(&mut self, loads: impl Iterator<Item = u32> + Clone) {
        let (count, sum) = loads.clone().fold((0.0, 0.0), |(count, sum), load| {
            (count + 1.0, sum + f64::from(load))
        });
        if count == 0.0 {
            return;
        }
        let mean: f64 = sum / count;
        let squares: f64 = loads.clone().map(|it| (f64::from(it) - mean).powi(2)).sum();
        self.samples += 1;
        self.means += mean;
        self.deviations += (squares / count).sqrt();
        self.highest = self.highest.max(loads.max().unwrap_or(0));
    }

    /// The mean load of a server.
    pub fn mean(&self) -> f64 {
        self.means / self.samples.max(1) as f64
    }

    /// The standard deviation among servers at one moment, on average over moments.
    pub fn deviation(&self) -> f64 {
        self.deviations / self.samples.max(1) as f64
    }
}

impl Outcome {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let window = Window {
            sent: vec![0; scenario.classes.len()],
            ..Window::default()
        };
        Self {
            windows: vec![window; WINDOWS],
            length: scenario.length,
            warm_up: scenario.warm_up,
            ..Self::default()
        }
    }

    /// Counts a request that is sent to a server of that class.
    pub(super) fn send(&mut self, began: Duration, class: usize) {
        if let Some(window) = self.window(began) {
            window.sent[class] += 1;
        }
    }

    /// Counts a request that has ended well.
    pub(super) fn succeed(&mut self, began: Duration, latency: Duration) {
        self.ended += 1;
        if let Some(window) = self.window(began) {
            window.succeeded += 1;
        }
        if began >= self.warm_up {
            self.latency.record(latency);
        }
    }

    /// Counts a request that has failed.
    pub(super) fn fail(&mut self, began: Duration, kind: fn(&mut Failures) -> &mut u64) {
        self.ended += 1;
        if let Some(window) = self.window(began) {
            window.failed += 1;
        }
        if began >= self.warm_up {
            *kind(&mut self.failures) += 1;
        }
    }

    /// The window that `moment` falls into.
    fn window(&mut self, moment: Duration) -> Option<&mut Window> {
        let place = moment.div_duration_f64(self.length) * WINDOWS as f64;
        self.windows.get_mut(place as usize)
    }

    /// Requests that were measured.
    pub fn measured(&self) -> u64 {
        self.latency.count() + self.failures.total()
    }

    /// The share of measured requests that failed.
    pub fn failed_share(&self) -> f64 {
        self.failures.total() as f64 / self.measured().max(1) as f64
    }
}
