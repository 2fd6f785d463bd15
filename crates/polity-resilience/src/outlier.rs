//! Which endpoints do worse than their fleet, to be left out for a while.
//!
//! The rules and their defaults are Envoy's outlier detection: so many errors in a row, so many
//! failed connections in a row, or a success rate well below the fleet's. A health check does not see
//! these: it asks one thing every few seconds, and an instance that answers it may fail all else.
//!
//! Three things differ, all so that nothing is ejected that is no outlier. Errors in a row eject only
//! while most of the others do without: requests that fail wherever they go, such as those of one
//! broken client, would else take a small fleet's endpoints out one by one. And a success rate must be
//! below the mean by [`MIN_GAP`], however little the others scatter: among four perfect ones, 99.9% is
//! far outside of any deviation. And errors are in a row only if they came one after the other, not all
//! of one [occasion](OCCASION): an instance that stood still for a moment finds a line of requests before it, and
//! refuses at once what is more than it holds.
//!
//! Requests only count, on one cache line of their endpoint's; [`Detector::sweep`] draws conclusions.
//! The one that makes too many in a row has its endpoint ejected at once.

mod record;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

pub use record::Record;

/// A success rate this little below the mean ejects nobody: one failure more in a hundred.
pub const MIN_GAP: f64 = 0.01;

/// Within so long after an error, another counts as the same one if its request was under way already when
/// that came.
pub const OCCASION: Duration = Duration::from_millis(100);

/// What makes an outlier, and for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// So many errors in a row; none for any number. Not 0.
    pub consecutive_errors: Option<u32>,
    /// So many failed connections in a row; none for any number. Not 0.
    pub connection_failures: Option<u32>,
    /// A success rate below the fleet's; none for any.
    pub success_rate: Option<SuccessRate>,
    /// From one look at success rates to the next.
    pub interval: Duration,
    /// How long an endpoint is left out the first time; the second time twice as long, the third
    /// time three times. A time is forgotten for each interval that it is not ejected.
    pub base: Duration,
    /// How long, at most.
    pub cap: Duration,
    /// The share of a fleet that may be out at once. One of two or more always may, the last never.
    pub share: f64,
}

/// What a success rate is held against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SuccessRate {
    /// How many standard deviations below the mean an outlier is. One of n alone can be sqrt(n-1)
    /// below: Envoy's 1.9 is what one of five can just exceed.
    pub deviations: f64,
    /// With fewer endpoints that have enough requests, nothing is said of any.
    pub endpoints: usize,
    /// So many requests in the interval are enough.
    pub requests: u32,
}

/// How a request at an endpoint ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With an answer that is no error of the service's.
    Success,
    /// With an error of the service's, in HTTP a 5xx.
    Error,
    /// Without an answer: no connection, one that broke, or not in time.
    NoAnswer,
}

/// A request that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// How.
    pub ending: Ending,
    /// When it was sent.
    pub began: Instant,
    /// When it ended.
    pub at: Instant,
}

/// Why an endpoint is ejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Too many errors in a row.
    ConsecutiveErrors,
    /// Too many requests in a row were not answered.
    ConnectionFailures,
    /// Fewer of its requests succeed than of the others'.
    SuccessRate,
}

/// An endpoint is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ejection {
    /// Why.
    pub reason: Reason,
    /// For how long.
    pub period: Duration,
}

/// What a sweep has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is an outlier.
    Ejected(Ejection),
    /// Its time is over.
    Returned,
}

/// Judges a service's endpoints. One for each service, shared by all threads.
#[derive(Debug)]
pub struct Detector {
    settings: Settings,
    /// When success rates are next looked at. Whoever ejects holds it, so that two never take the
    /// last place; a request does not wait for it.
    turn: Mutex<Instant>,
}

impl Default for Settings {
    /// Envoy's.
    fn default() -> Self {
        Self {
            consecutive_errors: Some(5),
            connection_failures: Some(5),
            success_rate: Some(SuccessRate {
                deviations: 1.9,
                endpoints: 5,
                requests: 100,
            }),
            interval: Duration::from_secs(10),
            base: Duration::from_secs(30),
            cap: Duration::from_secs(300),
            share: 0.1,
        }
    }
}

impl Reason {
    pub(crate) const ALL: [Self; 3] = [
        Self::ConsecutiveErrors,
        Self::ConnectionFailures,
        Self::SuccessRate,
    ];
}

impl Settings {
    /// How many of a fleet of `size` may be out at once.
    pub fn most_of(&self, size: usize) -> usize {
        let share = (size as f64 * self.share) as usize;
        share.max(1).min(size.saturating_sub(1))
    }
}

impl Detector {
    /// One that has seen nothing.
    pub fn new(settings: Settings, now: Instant) -> Self {
        Self {
            settings,
            turn: Mutex::new(now + settings.interval),
        }
    }

    /// Notes a request's end at `endpoint`, which is one of `fleet`, and whether that was one failure
    /// too many: the endpoint is ejected then.
    pub fn note<R: AsRef<Record>>(
        &self,
        endpoint: &Record,
        ended: &Ended,
        fleet: &[R],
    ) -> Option<Ejection> {
        let failures = endpoint.note(ended)?;
        let (limit, reason) = match ended.ending {
            Ending::Success => return None,
            Ending::Error => (self.settings.consecutive_errors, Reason::ConsecutiveErrors),
            Ending::NoAnswer => (
                self.settings.connection_failures,
                Reason::ConnectionFailures,
            ),
        };
        // Again after as many, where it could not be ejected.
        if !limit.is_some_and(|limit| failures.is_multiple_of(limit)) {
            return None;
        }
        let _turn = self.turn.try_lock().ok()?;
        let differs = most_others_do_without(endpoint, fleet);
        (differs && self.may_eject(endpoint, fleet))
            .then(|| endpoint.eject(reason, &self.settings, ended.at))
    }

    /// Looks at the whole fleet, and says what changes: to be called every second or so.
    pub fn sweep<R: AsRef<Record>>(
        &self,
        fleet: &[R],
        now: Instant,
        mut changed: impl FnMut(&R, Change),
    ) {
        let mut due = self.turn();
        for endpoint in fleet {
            if endpoint.as_ref().readmit(now) {
                changed(endpoint, Change::Returned);
            }
        }
        if now < *due {
            return;
        }
        *due = now + self.settings.interval;
        for endpoint in self.outliers(fleet) {
            let record = endpoint.as_ref();
            if self.may_eject(record, fleet) {
                let ejection = record.eject(Reason::SuccessRate, &self.settings, now);
                changed(endpoint, Change::Ejected(ejection));
            }
        }
        for endpoint in fleet {
            endpoint.as_ref().forget(self.settings.interval, now);
        }
    }

    /// Those whose success rate is too far below the fleet's, the worst first. Begins a new interval.
    fn outliers<'a, R: AsRef<Record>>(&self, fleet: &'a [R]) -> Vec<&'a R> {
        let Some(rule) = self.settings.success_rate else {
            return Vec::new();
        };
        let rate = |endpoint: &'a R| {
            let record = endpoint.as_ref();
            let (requests, failures) = record.take_counts();
            // What an ejected one still answers is of before.
            let enough = requests >= rule.requests.max(1) && !record.is_ejected();
            let rate = 1.0 - f64::from(failures) / f64::from(requests.max(1));
            enough.then_some((rate, endpoint))
        };
        let mut rates: Vec<_> = fleet.iter().filter_map(rate).collect();
        if rates.len() < rule.endpoints {
            return Vec::new();
        }
        let count = rates.len() as f64;
        let mean = rates.iter().map(|(rate, _)| rate).sum::<f64>() / count;
        let squares = rates.iter().map(|(rate, _)| (rate - mean).powi(2));
        let deviation = (squares.sum::<f64>() / count).sqrt();
        let gap = (rule.deviations * deviation).max(MIN_GAP);
        rates.retain(|(rate, _)| *rate < mean - gap);
        rates.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        rates.into_iter().map(|(_, endpoint)| endpoint).collect()
    }

    /// Whether there is a place for one more. The caller has the turn.
    fn may_eject<R: AsRef<Record>>(&self, endpoint: &Record, fleet: &[R]) -> bool {
        let out = fleet.iter().filter(|other| other.as_ref().is_ejected());
        let belongs = fleet
            .iter()
            .any(|other| std::ptr::eq(other.as_ref(), endpoint));
        belongs && !endpoint.is_ejected() && out.count() < self.settings.most_of(fleet.len())
    }

    fn turn(&self) -> MutexGuard<'_, Instant> {
        // A panic in between leaves nothing half done that matters.
        self.turn
            .lock()
            .unwrap_or_else(|broken| broken.into_inner())
    }
}

/// Whether at least half of those that get requests besides `endpoint` have not failed the last time.
fn most_others_do_without<R: AsRef<Record>>(endpoint: &Record, fleet: &[R]) -> bool {
    let others = fleet.iter().map(AsRef::as_ref);
    let others = others.filter(|other| !std::ptr::eq(*other, endpoint) && !other.is_ejected());
    let (failing, well) = others.fold((0, 0), |(failing, well), other| match other.fails() {
        true => (failing + 1, well),
        false => (failing, well + 1),
    });
    well >= failing
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ConsecutiveErrors => "too many requests in a row ended with an error",
            Self::ConnectionFailures => "too many requests in a row were not answered",
            Self::SuccessRate => "fewer of its requests succeed than of the others'",
        })
    }
}
