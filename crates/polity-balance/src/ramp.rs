//! Less than a full share for endpoints that have just come.

use std::time::Duration;

use polity_core::Rng;

use crate::Moment;
use crate::endpoint::Endpoint;
use crate::roster::Roster;

/// What an endpoint gets at first, of its share.
const FIRST: f64 = 0.1;

/// The ramp of a choice: there only where an endpoint is on it.
#[derive(Clone, Copy)]
pub(crate) struct Ramp {
    now: Moment,
    window: f64,
    /// The share of the endpoint that has been there longest: where all are new, none is held back.
    top: f64,
}

impl Ramp {
    pub(crate) fn of<E: AsRef<Endpoint>>(
        roster: &Roster<E>,
        window: Duration,
        now: Moment,
    ) -> Option<Self> {
        if now.after(roster.youngest()) >= window || roster.oldest() == roster.youngest() {
            return None;
        }
        let mut ramp = Self {
            now,
            window: window.as_secs_f64(),
            top: 1.0,
        };
        ramp.top = ramp.share(roster.oldest());
        Some(ramp)
    }

    /// Whether the request may go to the endpoint, as one of those of its share.
    pub(crate) fn admits(&self, endpoint: &Endpoint, rng: &mut dyn Rng) -> bool {
        let share = self.share(endpoint.since());
        share >= self.top || rng.unit() * self.top < share
    }

    /// What the endpoint gets, beside the one that has been there longest.
    pub(crate) fn part(&self, endpoint: &Endpoint) -> f64 {
        (self.share(endpoint.since()) / self.top).min(1.0)
    }

    /// Of a full one, for an endpoint that came at `since`.
    fn share(&self, since: Moment) -> f64 {
        let done = self.now.after(since).as_secs_f64() / self.window;
        (FIRST + (1.0 - FIRST) * done).min(1.0)
    }
}
