//! How many requests may wait for a service at once, found out from how long they wait.
//!
//! A service with four workers and a queue without an end, offered twice what it can do, answers
//! everybody later and later until nobody still waits for the answer. What can be done about it in
//! front of the service is to keep the queue short: to refuse what would only wait.
//!
//! # Why not one of the known limits as it is
//!
//! TCP Vegas, Netflix's `Gradient2` and Envoy's adaptive concurrency compare latency with its least or
//! usual value, and take all of a rise for a queue. So they refuse where nothing queues: when slow
//! requests take over from fast ones, and, in Envoy, whenever the least value is measured anew by
//! letting hardly anything through (envoyproxy/envoy#8337). That is why they are off unless asked for.
//! This limit is on unless told otherwise, so it must be the other way round: silent without proof.
//!
//! # What counts as proof
//!
//! - **A standing delay** (CoDel, RFC 8289): for a whole second, not one request is answered within
//!   the target. One quick answer shows that there is no line before everyone; a burst, or a pause of
//!   the service, is over within the second.
//! - **Everybody waits alike.** Even the quickest took about as long as it takes the service to work
//!   off those that were there before it. Long polls and mixtures of quick and slow never look so.
//! - **Latency in proportion to load.** A line, and only a line, makes those wait longer who find
//!   more before them. So the least latency is kept for each power of two of requests found waiting
//!   ([`profile`]), and must have grown over a fourfold load. A service that has simply become slow
//!   makes more requests wait too (Little's law), but as long for the first as for the last.
//! - **That limiting helps.** After a cut, latency must fall with the load. Where it does not, what
//!   rose was no queue: the limit is lifted, and no other is set for ever longer. Every half minute
//!   the load is doubled for a moment, and latency must follow.
//!
//! Only those count that wait for the first byte of an answer, and only from when their request is
//! there: event streams, downloads, WebSockets and slow uploads hold no place for long, or none.
//!
//! # Once it limits
//!
//! The limit moves in proportion (limit times target by latency), a step after the other, each
//! watched for as long as its effect takes. It never goes below [`MIN_LIMIT`], and ends when nothing
//! was refused for a while. Requests of [`Priority::High`] have a quarter more room, so that the
//! rest cannot starve them.
//!
//! # What it does, and what not
//!
//! Simulated (`simulation/`), with a target of 500 ms. Four workers of 10 ms at twice their capacity:
//! goodput is 100% of the peak, against none without a limit; 99 of 100 requests take under 1.1 s,
//! and 2.2 s until the line is found. Services of 1 to 200 workers and 20 to 500 ms at 1.2, 2 and 5
//! times their capacity: at least 91%, under 5 s. Nobody is refused, over 300 s with each of several
//! seeds: by a service that is slow, bursty, warming up or busy to 95%; where 1 ms and 2 s are mixed
//! or take turns; with long polls; by 100 clients that wait for each answer. A dependency that slows
//! down steadily from 10 ms to 4 s, without a queue, is mistaken for one: up to a tenth is refused.
//!
//! It is blind where a service answers the latest first, or some requests past the line: there, only
//! a fixed limit helps. And it takes a second or more to be sure, in which requests pile up: a fixed
//! limit is for what must never be exceeded.

mod controller;
mod limited;
mod profile;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
mod window;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use controller::Controller;
use profile::{LEVELS, level};
use window::{Sample, Tally, Window};

/// From one [`AdaptiveLimit::advance`] to the next, about.
pub const PERIOD: Duration = Duration::from_millis(100);

/// So many may always wait: a limit below that would say more of chance than of queues.
pub const MIN_LIMIT: u64 = 8;

/// Requests that found fewer waiting tell nothing of queues and are not measured.
const MIN_POSITION: u64 = 2;

const NO_LIMIT: u64 = u64::MAX;

/// One service's limit, shared by all threads without a lock.
#[derive(Debug)]
pub struct AdaptiveLimit {
    /// Written by every request, so apart from what they only read.
    waiting: Padded,
    origin: Instant,
    limit: AtomicU64,
    /// Samples of requests that came before are not taken: microseconds since `origin`.
    since: AtomicU64,
    refused: AtomicU64,
    target: Duration,
    /// Since the last look, by level: the least, and how many took longer than the target, and how
    /// long in all. A service that is quick enough writes to neither, or hardly ever.
    least: [AtomicU64; LEVELS],
    slow: [AtomicU64; LEVELS],
    /// Touched by [`AdaptiveLimit::advance`] alone.
    controller: Mutex<Controller>,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Padded(AtomicU64);

/// Who is refused first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// Up to the limit.
    Normal,
    /// A quarter above it.
    High,
}

/// A request was refused: too many wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many requests wait for the service")]
pub struct Overloaded;

/// A request that waits for its answer, counted until it is [answered](Waiting::answered) or dropped.
#[derive(Debug)]
pub struct Waiting<H: AsRef<AdaptiveLimit>> {
    holder: H,
    since: Instant,
    /// How many waited, itself included, when it came.
    position: u64,
}

impl AdaptiveLimit {
    /// No limit, until requests stand in line for longer than `target`. Times given later are
    /// counted from `origin`.
    pub fn new(target: Duration, origin: Instant) -> Self {
        Self {
            waiting: Padded::default(),
            origin,
            limit: AtomicU64::new(NO_LIMIT),
            since: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            target,
            least: [const { AtomicU64::new(Sample::NONE) }; LEVELS],
            slow: [const { AtomicU64::new(0) }; LEVELS],
            controller: Mutex::new(Controller::new(target, origin)),
        }
    }

    /// How many wait.
    pub fn waiting(&self) -> u64 {
        self.waiting.0.load(Ordering::Relaxed)
    }

    /// How many may; none for any number.
    pub fn limit(&self) -> Option<u64> {
        Some(self.limit.load(Ordering::Relaxed)).filter(|limit| *limit != NO_LIMIT)
    }

    /// Draws the conclusions of what was measured since it was called last; to be called every
    /// [`PERIOD`], from wherever it does not hold up requests.
    pub fn advance(&self, now: Instant) {
        let mut controller = self
            .controller
            .lock()
            .unwrap_or_else(|broken| broken.into_inner());
        let before = self.limit();
        let limit = controller.advance(&self.take_window(), now);
        if limit != before {
            self.since.store(self.micros(now), Ordering::Relaxed);
            self.limit
                .store(limit.unwrap_or(NO_LIMIT), Ordering::Relaxed);
        }
        if limit.is_none() {
            self.since.store(0, Ordering::Relaxed);
        }
    }

    fn take_window(&self) -> Window {
        let mut window = Window {
            refused: self.refused.swap(0, Ordering::Relaxed),
            ..Window::default()
        };
        for (taken, (least, slow)) in window
            .levels
            .iter_mut()
            .zip(self.least.iter().zip(&self.slow))
        {
            // Most are empty, and stay with the threads that have them cached.
            if least.load(Ordering::Relaxed) != Sample::NONE {
                taken.least = Sample::unpack(least.swap(Sample::NONE, Ordering::Relaxed));
                taken.slow = Tally::unpack(slow.swap(0, Ordering::Relaxed));
            }
        }
        window
    }

    fn record(&self, position: u64, since: Instant, now: Instant) {
        if position < MIN_POSITION || self.micros(since) < self.since.load(Ordering::Relaxed) {
            return;
        }
        let latency = now.saturating_duration_since(since);
        let level = level(position);
        let packed = Sample { latency, position }.pack();
        let least = &self.least[level];
        if packed < least.load(Ordering::Relaxed) {
            least.fetch_min(packed, Ordering::Relaxed);
        }
        if latency > self.target {
            self.slow[level].fetch_add(Tally::of(latency), Ordering::Relaxed);
        }
    }

    fn micros(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.origin).as_micros() as u64
    }
}

impl AsRef<AdaptiveLimit> for AdaptiveLimit {
    fn as_ref(&self) -> &AdaptiveLimit {
        self
    }
}

impl<H: AsRef<AdaptiveLimit>> Waiting<H> {
    /// Counts a request in.
    ///
    /// # Errors
    /// When there are too many. It is counted as refused, which keeps the limit up.
    pub fn begin(holder: H, priority: Priority, now: Instant) -> Result<Self, Overloaded> {
        let shared = holder.as_ref();
        let limit = shared.limit.load(Ordering::Relaxed);
        let limit = match priority {
            Priority::Normal => limit,
            Priority::High => limit.saturating_add(limit / 4),
        };
        // Counted first and looked at then: of two threads at the last place, never both get it.
        let position = shared.waiting.0.fetch_add(1, Ordering::Relaxed) + 1;
        let waiting = Self {
            holder,
            since: now,
            position,
        };
        if position > limit {
            waiting
                .holder
                .as_ref()
                .refused
                .fetch_add(1, Ordering::Relaxed);
            return Err(Overloaded);
        }
        Ok(waiting)
    }

    /// The request is all there only now: what it took to arrive was not the service's doing.
    pub fn received(&mut self, now: Instant) {
        self.since = now;
    }

    /// The first byte of an answer has come.
    pub fn answered(self, now: Instant) {
        self.holder.as_ref().record(self.position, self.since, now);
    }
}

impl<H: AsRef<AdaptiveLimit>> Drop for Waiting<H> {
    fn drop(&mut self) {
        let waiting = &self.holder.as_ref().waiting;
        waiting.0.fetch_sub(1, Ordering::Relaxed);
    }
}
