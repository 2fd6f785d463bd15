//! What is known of one endpoint: counted by requests, judged by the detector.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{Ejection, Ended, Ending, OCCASION, Reason, Settings};

/// How an endpoint has done, shared by all threads. All relaxed: nothing else is published by it. On
/// cache lines of its own, as every request writes it.
#[derive(Debug)]
#[repr(align(128))]
pub struct Record {
    /// Since the interval began: requests in the upper half, failures in the lower.
    counts: AtomicU64,
    /// When the last error came that was counted as one more of `errors`, in microseconds since the origin.
    erred: AtomicU64,
    /// In a row.
    errors: AtomicU32,
    /// In a row.
    unanswered: AtomicU32,
    /// How often it was ejected and that is not forgotten. This and `until` change in turn only.
    ejections: AtomicU32,
    /// Until when it is or was ejected, in milliseconds since the origin; below that, in two bits,
    /// why; and in the lowest bit whether it is.
    until: AtomicU64,
    origin: Instant,
}

const REQUEST: u64 = 1 << 32;

const EJECTED: u64 = 1;

const TIME_SHIFT: u32 = 3;

impl Record {
    /// Of an endpoint that has had no request.
    pub fn new(now: Instant) -> Self {
        Self {
            counts: AtomicU64::new(0),
            erred: AtomicU64::new(0),
            errors: AtomicU32::new(0),
            unanswered: AtomicU32::new(0),
            ejections: AtomicU32::new(0),
            until: AtomicU64::new(0),
            origin: now,
        }
    }

    /// Whether it is ejected.
    pub fn is_ejected(&self) -> bool {
        self.until.load(Ordering::Relaxed) & EJECTED != 0
    }

    /// Why it is ejected, if it is.
    pub fn ejection(&self) -> Option<Reason> {
        let until = self.until.load(Ordering::Relaxed);
        let number = until >> 1 & 0b11;
        let mut all = Reason::ALL.into_iter();
        let reason = all.find(|reason| *reason as u64 == number);
        reason.filter(|_| until & EJECTED != 0)
    }

    /// Counts a request, and gives how many in a row have failed in the same way, if it is one more.
    pub(super) fn note(&self, ended: &Ended) -> Option<u32> {
        let failed = u64::from(ended.ending != Ending::Success);
        self.counts.fetch_add(REQUEST | failed, Ordering::Relaxed);
        let one_more = |count: &AtomicU32| count.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        match ended.ending {
            Ending::Success => {
                reset(&self.errors);
                reset(&self.unanswered);
                None
            }
            Ending::Error => {
                // There was a connection, and there was an answer.
                reset(&self.unanswered);
                self.is_another(ended).then(|| one_more(&self.errors))
            }
            Ending::NoAnswer => Some(one_more(&self.unanswered)),
        }
    }

    /// Whether an error is one more, not of the same occasion as the one before. Two threads may both have the
    /// first of an occasion.
    fn is_another(&self, ended: &Ended) -> bool {
        let at = self.micros(ended.at);
        let before = self.erred.load(Ordering::Relaxed);
        let is_first = self.errors.load(Ordering::Relaxed) == 0;
        let is_later = at.saturating_sub(before) >= OCCASION.as_micros() as u64;
        let is_another = is_first || is_later || self.micros(ended.began) >= before;
        if is_another {
            self.erred.store(at, Ordering::Relaxed);
        }
        is_another
    }

    fn micros(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.origin).as_micros() as u64
    }

    /// Whether its last request has failed.
    pub(super) fn fails(&self) -> bool {
        let any = |count: &AtomicU32| count.load(Ordering::Relaxed) > 0;
        any(&self.errors) || any(&self.unanswered)
    }

    /// Requests and failures since this was called last.
    pub(super) fn take_counts(&self) -> (u32, u32) {
        let counts = self.counts.swap(0, Ordering::Relaxed);
        ((counts >> 32) as u32, counts as u32)
    }

    pub(super) fn eject(&self, reason: Reason, settings: &Settings, now: Instant) -> Ejection {
        let times = self.ejections.load(Ordering::Relaxed).saturating_add(1);
        self.ejections.store(times, Ordering::Relaxed);
        let period = settings.base.saturating_mul(times).min(settings.cap);
        let until = self.millis(now).saturating_add(period.as_millis() as u64);
        let packed = until << TIME_SHIFT | (reason as u64) << 1 | EJECTED;
        self.until.store(packed, Ordering::Relaxed);
        Ejection { reason, period }
    }

    /// Whether its time is over; if so, it begins anew.
    pub(super) fn readmit(&self, now: Instant) -> bool {
        let until = self.until.load(Ordering::Relaxed);
        let over = until & EJECTED != 0 && until >> TIME_SHIFT <= self.millis(now);
        if over {
            self.clear();
            self.until.store(until & !EJECTED, Ordering::Relaxed);
        }
        over
    }

    /// Begins anew: what was there before, as far as is known, is no more.
    pub fn forgive(&self) {
        self.clear();
        self.ejections.store(0, Ordering::Relaxed);
        self.until.store(0, Ordering::Relaxed);
    }

    fn clear(&self) {
        self.take_counts();
        reset(&self.errors);
        reset(&self.unanswered);
    }

    /// Forgets one ejection, if the last one has been over for an interval.
    pub(super) fn forget(&self, interval: Duration, now: Instant) {
        let until = self.until.load(Ordering::Relaxed);
        let calm =
            (until >> TIME_SHIFT).saturating_add(interval.as_millis() as u64) <= self.millis(now);
        if until & EJECTED == 0 && calm {
            let times = self.ejections.load(Ordering::Relaxed);
            self.ejections
                .store(times.saturating_sub(1), Ordering::Relaxed);
        }
    }

    fn millis(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.origin).as_millis() as u64
    }
}

impl AsRef<Record> for Record {
    fn as_ref(&self) -> &Record {
        self
    }
}

/// Written only where it changes something: it hardly ever does.
fn reset(count: &AtomicU32) {
    if count.load(Ordering::Relaxed) != 0 {
        count.store(0, Ordering::Relaxed);
    }
}
