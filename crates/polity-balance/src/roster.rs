//! The endpoints of a service as of one moment, and what its policy prepares for them.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use polity_core::Rng;

use crate::endpoint::{Endpoint, Zone};
use crate::mean_load::MeanLoad;
use crate::policy::consistent_hash::Prepared;
use crate::probes::Probes;
use crate::settings::Settings;
use crate::weights::{Round, Weights};
use crate::{Moment, Policy};

#[cfg(test)]
#[path = "roster_tests.rs"]
mod tests;

/// How much more than its share the own zone's healthy part is trusted to bear: all requests stay
/// there while 5 of 7 of its capacity are healthy. Envoy's overprovisioning factor.
const OVERPROVISIONING: f32 = 1.4;

/// Endpoints that fail more often are no healthy part of a zone. Only a few of a fleet may be ejected at
/// once, and when a whole zone is down, that is more than a few.
const FAILING: f32 = 0.2;

/// Endpoints to choose from. Made anew whenever one comes, goes or changes its weight; those of the
/// own zone stand first.
#[derive(Debug)]
pub struct Roster<E> {
    endpoints: Vec<E>,
    /// How many of them are in the own zone.
    own: usize,
    weights: Weights,
    /// The turns of those of the own zone, and of all.
    rounds: [Round; 2],
    /// For policies that ask.
    probes: Option<Probes>,
    /// For policies that hash consistently.
    prepared: Prepared,
    mean_load: MeanLoad,
    /// Since when the first and the last of them have been there.
    oldest: Moment,
    youngest: Moment,
    panic_threshold: f32,
    panics: AtomicBool,
    /// The share of requests that stays in the own zone; the bits of an `f32`.
    own_share: AtomicU32,
}

impl<E: AsRef<Endpoint>> Roster<E> {
    /// A roster of these endpoints.
    pub fn new(settings: &Settings, mut endpoints: Vec<E>) -> Self {
        endpoints.sort_by_key(|endpoint| endpoint.as_ref().zone());
        let all = || endpoints.iter().map(AsRef::as_ref);
        let own = all().take_while(|it| it.zone() == Zone::Own).count();
        let weights = Weights::new(all().map(Endpoint::weight));
        let rounds = [own, endpoints.len()].map(|places| Round::of(weights.total(places)));
        let roster = Self {
            own,
            weights,
            rounds,
            probes: (settings.policy == Policy::Prequal).then(Probes::default),
            prepared: Prepared::new(&settings.policy, endpoints.iter().map(AsRef::as_ref)),
            mean_load: MeanLoad::default(),
            oldest: all().map(Endpoint::since).min().unwrap_or_default(),
            youngest: all().map(Endpoint::since).max().unwrap_or_default(),
            panic_threshold: settings.panic_threshold,
            panics: AtomicBool::new(false),
            own_share: AtomicU32::new(0),
            endpoints,
        };
        roster.refresh(Moment::default());
        roster
    }

    /// Draws the conclusions of which endpoints are [ejected](Endpoint::eject), and which fail. To be
    /// called after one was ejected or readmitted, and now and then.
    pub fn refresh(&self, now: Moment) {
        let (own, other) = self.endpoints.split_at(self.own);
        let (own, other) = (Capacity::of(own, now), Capacity::of(other, now));
        let healthy = own.healthy + other.healthy;
        let threshold = self.panic_threshold * (own.all + other.all) as f32;
        // Whatever the threshold: requests that go nowhere are no better off.
        let panics = healthy == 0 || (healthy as f32) < threshold;
        self.panics.store(panics, Ordering::Relaxed);
        let share = match (own.all, other.all) {
            (0, _) => 0.0,
            (_, 0) => 1.0,
            // What fails everywhere does so abroad too.
            _ if other.well == 0 => own.share(own.healthy),
            _ => own.share(own.well),
        };
        self.own_share.store(share.to_bits(), Ordering::Relaxed);
    }

    /// Whether so few endpoints are healthy that those ejected are used too: the few would not
    /// survive the load of all, and what looks like failing endpoints may be something else.
    pub fn is_panicking(&self) -> bool {
        self.panics.load(Ordering::Relaxed)
    }

    /// Whether requests leave the own zone because too little of its capacity is healthy. With none of it there, or
    /// nothing else, there is no zone to leave.
    pub fn is_short_at_home(&self) -> bool {
        let has_both = self.own > 0 && self.own < self.endpoints.len();
        has_both && self.share_at_home() < 1.0
    }

    fn share_at_home(&self) -> f32 {
        f32::from_bits(self.own_share.load(Ordering::Relaxed))
    }

    /// How many of the first endpoints to choose from: those of the own zone, or all.
    pub(crate) fn reach(&self, rng: &mut dyn Rng) -> usize {
        if self.own == self.endpoints.len() || self.own == 0 || self.is_panicking() {
            return self.endpoints.len();
        }
        let share = self.share_at_home();
        if share >= 1.0 || rng.unit() < f64::from(share) {
            return self.own;
        }
        self.endpoints.len()
    }

    /// The place of the endpoint known as `identity`.
    pub fn place_of(&self, identity: u64) -> Option<usize> {
        let known = |endpoint: &E| endpoint.as_ref().identity() == identity;
        self.endpoints.iter().position(known)
    }

    pub(crate) fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The turns of the first `places`, as many as are in [reach](Self::reach).
    pub(crate) fn round(&self, places: usize) -> Round {
        let [own, all] = self.rounds;
        if places == self.endpoints.len() {
            all
        } else {
            own
        }
    }

    pub(crate) fn probes(&self) -> Option<&Probes> {
        self.probes.as_ref()
    }

    pub(crate) fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    pub(crate) fn mean_load(&self) -> &MeanLoad {
        &self.mean_load
    }

    pub(crate) fn oldest(&self) -> Moment {
        self.oldest
    }

    pub(crate) fn youngest(&self) -> Moment {
        self.youngest
    }
}

impl<E: AsRef<Endpoint>> Default for Roster<E> {
    fn default() -> Self {
        Self::new(&Settings::new(Policy::default()), Vec::new())
    }
}

impl<E> Deref for Roster<E> {
    type Target = [E];

    fn deref(&self) -> &[E] {
        &self.endpoints
    }
}

/// Sums of weights.
struct Capacity {
    all: u64,
    healthy: u64,
    /// Of those, the part that does not fail.
    well: u64,
}

impl Capacity {
    fn of<E: AsRef<Endpoint>>(endpoints: &[E], now: Moment) -> Self {
        let mut sums = Self {
            all: 0,
            healthy: 0,
            well: 0,
        };
        for endpoint in endpoints.iter().map(AsRef::as_ref) {
            let state = endpoint.look();
            if state.is_retired() {
                continue;
            }
            let weight = u64::from(endpoint.weight());
            sums.all += weight;
            if !state.is_ejected() {
                sums.healthy += weight;
                let fails = endpoint.failure_rate(now) > FAILING;
                sums.well += if fails { 0 } else { weight };
            }
        }
        sums
    }

    /// The share of requests that so much of it bears.
    fn share(&self, part: u64) -> f32 {
        (OVERPROVISIONING * part as f32 / self.all as f32).min(1.0)
    }
}
