//! One place requests go to: how many are there, whether more may go, and how it has been doing.

use std::ops::Deref;
use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::Moment;
use crate::latency::Latency;
use crate::signal::{MEMORY, Signal};
use crate::weights::MAX_WEIGHT;

#[cfg(test)]
#[path = "endpoint_tests.rs"]
mod tests;

/// More than this is not believed: a report in per cent, or a wrong one, would keep an endpoint out of
/// choices for nearly as long as it is remembered.
const MAX_UTILIZATION: f32 = 2.0;

/// The share of one request in the failure rate: about the last 16 requests count.
const FAILURE_GAIN: f32 = 1.0 / 16.0;

/// What is known of an endpoint before it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndpointSpec {
    /// What hashing knows it by. An endpoint that takes another's place under the same identity takes
    /// over its keys.
    pub identity: u64,
    /// Its capacity, beside the others': 1 to [`MAX_WEIGHT`], or what is nearest.
    pub weight: u32,
    /// Where it is.
    pub zone: Zone,
    /// Since when it can be given requests.
    pub since: Moment,
}

impl Default for EndpointSpec {
    fn default() -> Self {
        Self {
            identity: 0,
            weight: 1,
            zone: Zone::Own,
            since: Moment::default(),
        }
    }
}

/// Where an endpoint is, as seen by the balancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Zone {
    /// Where the balancer is, or nobody has said.
    #[default]
    Own,
    /// Somewhere else.
    Other,
}

/// How a request at an endpoint went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// No answer came, or one that says that the endpoint is not well.
    pub failed: bool,
    /// From sending it to the first byte of its answer, where one came.
    pub latency: Option<Duration>,
}

/// What an endpoint says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Report {
    /// How much of it is in use: 1 is all. More than that is a line of waiting requests.
    pub utilization: Option<f32>,
    /// Requests that it is working on or that wait there, whoever sent them.
    pub in_flight: Option<u32>,
}

/// The statistics of one instance, shared by all threads and by every snapshot that holds it.
///
/// On cache lines of its own (two, as processors prefetch them in pairs): requests to one instance
/// must not slow those to its neighbour in memory.
#[derive(Debug)]
#[repr(C, align(128))]
pub struct Endpoint {
    /// Requests in flight, and the marks below.
    ///
    /// One word, because the count and [`RETIRED`] must never be seen apart. A roll retires the old
    /// instance, waits until nothing is in flight and stops it; were the flag a word of its own, a
    /// thread could read "not retired", be held up, and count its request in after the roll has read
    /// zero. Here counting in and reading the flag are one step in the one order all threads agree on
    /// for this word: a request counted before the flag is seen by whoever then reads the count, and
    /// one counted after it sees the flag and gives up.
    state: AtomicU64,
    // From here to the identity is what choices read: in one line, as they look at many endpoints.
    weight: AtomicU16,
    zone: Zone,
    /// The bits of an `f32`. Choices divide by weights, and a product takes a fraction of the time.
    inverse_weight: AtomicU32,
    failures: Signal,
    utilization: Signal,
    queue: Signal,
    latency: Latency,
    since: AtomicU64,
    identity: u64,
}

/// No request may begin any more.
const RETIRED: u64 = 1 << 63;
/// No request should begin for now.
const EJECTED: u64 = 1 << 62;
/// Something has come back from it.
const HEARD: u64 = 1 << 61;
const COUNT: u64 = HEARD - 1;

impl Endpoint {
    /// An endpoint with nothing in flight, of which nothing has been heard.
    pub fn new(spec: EndpointSpec) -> Self {
        let endpoint = Self {
            state: AtomicU64::new(0),
            weight: AtomicU16::default(),
            inverse_weight: AtomicU32::default(),
            zone: spec.zone,
            identity: spec.identity,
            since: AtomicU64::new(spec.since.0),
            failures: Signal::default(),
            utilization: Signal::default(),
            queue: Signal::default(),
            latency: Latency::default(),
        };
        endpoint.set_weight(spec.weight);
        endpoint
    }

    /// Requests in flight, those still connecting included. Exact, but for callers of
    /// [`InFlight::begin`] about to be told that the endpoint is retired: after
    /// [`retire`](Self::retire), 0 means that no request is there and none will ever be.
    pub fn in_flight(&self) -> u64 {
        // Acquire: whoever stops the instance at 0 has seen all that the last request did.
        self.state.load(Ordering::Acquire) & COUNT
    }

    /// Lets no further request begin. There is no way back: an instance that returns is given an
    /// endpoint of its own.
    pub fn retire(&self) {
        self.state.fetch_or(RETIRED, Ordering::AcqRel);
    }

    /// Whether no further request may begin.
    pub fn is_retired(&self) -> bool {
        self.state.load(Ordering::Acquire) & RETIRED != 0
    }

    /// Whether it is retired and its last request has ended: nothing goes there any more.
    pub fn is_drained(&self) -> bool {
        self.state.load(Ordering::Acquire) & (RETIRED | COUNT) == RETIRED
    }

    /// Takes it out of choices until it is [readmitted](Self::readmit). Whether it was in before.
    pub fn eject(&self) -> bool {
        self.state.fetch_or(EJECTED, Ordering::Relaxed) & EJECTED == 0
    }

    /// Lets it be chosen again, with its failures forgotten. Whether it was out before.
    pub fn readmit(&self) -> bool {
        self.forget_failures();
        self.state.fetch_and(!EJECTED, Ordering::Relaxed) & EJECTED != 0
    }

    /// Whether it is out of choices for now.
    pub fn is_ejected(&self) -> bool {
        self.state.load(Ordering::Relaxed) & EJECTED != 0
    }

    /// What hashing knows it by.
    pub fn identity(&self) -> u64 {
        self.identity
    }

    /// Its capacity, beside the others'; at least 1.
    pub fn weight(&self) -> u32 {
        u32::from(self.weight.load(Ordering::Relaxed))
    }

    /// One over its weight.
    pub(crate) fn inverse_weight(&self) -> f32 {
        f32::from_bits(self.inverse_weight.load(Ordering::Relaxed))
    }

    /// Changes its weight. Rosters with a rotation made before keep to the one they were made with.
    pub fn set_weight(&self, weight: u32) {
        let weight = weight.clamp(1, MAX_WEIGHT) as u16;
        let inverse = 1.0 / f32::from(weight);
        // Whoever sees one of the two changed and not the other makes one choice a little worse.
        self.weight.store(weight, Ordering::Relaxed);
        self.inverse_weight
            .store(inverse.to_bits(), Ordering::Relaxed);
    }

    /// Where it is.
    pub fn zone(&self) -> Zone {
        self.zone
    }

    /// Since when it can be given requests.
    pub fn since(&self) -> Moment {
        Moment(self.since.load(Ordering::Relaxed))
    }

    /// It can be given requests from `now` on: it has started, or is back. Rosters made before keep to
    /// what they were made with.
    pub fn starts(&self, now: Moment) {
        self.since.store(now.0, Ordering::Relaxed);
    }

    /// The rate of failures among its latest requests, 0 to 1, as it counts now.
    pub fn failure_rate(&self, now: Moment) -> f32 {
        self.failing(now).unwrap_or(0.0)
    }

    /// The same; none where none failed.
    #[inline]
    pub(crate) fn failing(&self, now: Moment) -> Option<f32> {
        self.failures.times(1, now)
    }

    /// The same, and what part of the memory of it has passed since the last request there, 0 to 1.
    pub(crate) fn failing_since(&self, now: Moment) -> (f32, f64) {
        let (_, age) = self.failures.raw(now);
        (
            self.failure_rate(now),
            f64::from(age) / MEMORY.as_millis() as f64,
        )
    }

    /// Forgets what has failed. Written only where there is something.
    pub(crate) fn forget_failures(&self) {
        if self.failures.raw(Moment::default()).0 != 0.0 {
            self.failures.set(0.0, Moment::default());
        }
    }

    /// What it last said of how much of it is in use, as it counts now.
    pub fn utilization(&self, now: Moment) -> f32 {
        self.utilization.decayed(now)
    }

    /// How many requests it last said it has, as that counts now.
    pub fn queue(&self, now: Moment) -> f32 {
        self.queue.decayed(now)
    }

    /// What its answers take, as far as that is [kept](crate::Balancer::observe).
    pub fn latency(&self) -> &Latency {
        &self.latency
    }

    /// Notes what it says of itself. What is not a number, or negative, is not heard.
    pub fn report(&self, report: &Report, now: Moment) {
        let said = report.utilization.filter(|it| it.is_finite() && *it >= 0.0);
        if let Some(utilization) = said {
            self.utilization.set(utilization.min(MAX_UTILIZATION), now);
        }
        if let Some(queue) = report.in_flight {
            self.queue.set(queue as f32, now);
        }
    }

    /// Notes whether a request there went well.
    pub(crate) fn note(&self, failed: bool, now: Moment) {
        if self.state.load(Ordering::Relaxed) & HEARD == 0 && !failed {
            self.state.fetch_or(HEARD, Ordering::Relaxed);
        }
        self.failures.update(now, |rate, age| match (failed, rate) {
            // The usual case writes nothing.
            (false, 0.0) => None,
            _ => {
                let rate = crate::signal::decay(rate, age);
                let sample = if failed { 1.0 } else { 0.0 };
                Some(rate + FAILURE_GAIN * (sample - rate))
            }
        });
    }

    /// Count and marks as of one moment.
    #[inline]
    pub(crate) fn look(&self) -> State {
        State(self.state.load(Ordering::Relaxed))
    }
}

impl AsRef<Endpoint> for Endpoint {
    fn as_ref(&self) -> &Endpoint {
        self
    }
}

/// What a choice reads of an endpoint first.
#[derive(Clone, Copy)]
pub(crate) struct State(u64);

/// Some of an endpoint's marks.
#[derive(Clone, Copy)]
pub(crate) struct Marks(u64);

impl Marks {
    /// Of endpoints that may not be chosen: those retired, and those ejected unless there is panic.
    pub(crate) fn out(panics: bool) -> Self {
        match panics {
            true => Self(RETIRED),
            false => Self(RETIRED | EJECTED),
        }
    }
}

impl State {
    /// Whether it has any of these marks.
    #[inline]
    pub(crate) fn has(self, marks: Marks) -> bool {
        self.0 & marks.0 != 0
    }

    pub(crate) fn in_flight(self) -> u64 {
        self.0 & COUNT
    }

    pub(crate) fn is_retired(self) -> bool {
        self.0 & RETIRED != 0
    }

    pub(crate) fn is_ejected(self) -> bool {
        self.0 & EJECTED != 0
    }

    /// Whether it has ever answered.
    pub(crate) fn is_heard(self) -> bool {
        self.0 & HEARD != 0
    }
}

/// A request at an endpoint, counted from here until this is dropped, however that comes: at its
/// end, by an error, or because its task was cancelled.
///
/// `E` is what the caller knows the endpoint by (an `Arc` of it, or of something with it inside,
/// such as its address) and is reached through the guard. Its `as_ref` must always give the same
/// endpoint.
#[derive(Debug)]
pub struct InFlight<E: AsRef<Endpoint>> {
    holder: E,
}

impl<E: AsRef<Endpoint>> InFlight<E> {
    /// Counts a request in; none where the endpoint is retired.
    pub fn begin(holder: E) -> Option<Self> {
        let before = holder.as_ref().state.fetch_add(1, Ordering::AcqRel);
        let counted = Self { holder };
        // Dropping it where the endpoint is retired counts it out again.
        (before & RETIRED == 0).then_some(counted)
    }
}

impl<E: AsRef<Endpoint>> Drop for InFlight<E> {
    fn drop(&mut self) {
        // Release: see `Endpoint::in_flight`.
        self.holder.as_ref().state.fetch_sub(1, Ordering::Release);
    }
}

impl<E: AsRef<Endpoint>> Deref for InFlight<E> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.holder
    }
}
