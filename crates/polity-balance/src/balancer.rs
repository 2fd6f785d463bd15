//! Choosing an endpoint of a service for a request.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use polity_core::Rng;

use crate::Moment;
use crate::candidates::Candidates;
use crate::endpoint::{Endpoint, InFlight, Observation};
use crate::outage::Outage;
use crate::policy::{self, Maglev, Policy, Ring};
use crate::probes::ProbeAnswer;
use crate::ramp::Ramp;
use crate::roster::Roster;
use crate::settings::Settings;

#[cfg(test)]
#[path = "balancer_tests.rs"]
mod tests;

/// How many endpoints are asked with each request. Prequal's.
const PROBES: usize = 3;

/// A policy and what it remembers from one request to the next. One for each service, shared by all
/// threads, and kept when the service's endpoints change.
#[derive(Debug)]
#[repr(align(128))]
pub struct Balancer {
    settings: Settings,
    turn: AtomicU64,
    outage: Outage,
}

/// What is known of the request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ask {
    /// When it is sent.
    pub now: Moment,
    /// What a policy that hashes tells it apart by: a hash of all 64 bits. Without it, chance.
    pub key: Option<u64>,
    /// The endpoint, by its identity, that it goes to if that may be chosen, whatever the policy says.
    pub prefers: Option<u64>,
    /// Whether other zones are as good as the own: for a request that has failed here already.
    pub anywhere: bool,
}

impl Balancer {
    /// A balancer that has chosen nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            turn: AtomicU64::new(0),
            outage: Outage::default(),
        }
    }

    /// How it chooses.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The place in `roster` of the endpoint to use, out of those that are not retired and that
    /// `wanted` holds for (a retry does not want those that were tried); none if there is none.
    /// Ejected ones are chosen only where so few are not that the roster
    /// [panics](Roster::is_panicking).
    pub fn choose<E: AsRef<Endpoint>>(
        &self,
        roster: &Roster<E>,
        ask: &Ask,
        rng: &mut dyn Rng,
        wanted: impl Fn(&E) -> bool,
    ) -> Option<usize> {
        let places = match self.settings.policy.heeds_zones() {
            true if !ask.anywhere => roster.reach(rng),
            _ => roster.len(),
        };
        let ramp = self.ramp(roster, ask.now);
        let candidates = Candidates::new(roster, places, ramp, ask.now, wanted);
        if let Some(identity) = ask.prefers
            && let Some(place) = roster.place_of(identity)
            && candidates.admits(place)
        {
            return Some(place);
        }
        let chosen = self.pick(&candidates, ask, rng);
        if chosen.is_some() || places == roster.len() {
            return chosen;
        }
        self.pick(&candidates.widened(), ask, rng)
    }

    /// What an endpoint of `roster` is given of its share, 0 to 1: less than 1 while it is newer than
    /// others, with policies that have it wait.
    pub fn share<E: AsRef<Endpoint>>(
        &self,
        roster: &Roster<E>,
        endpoint: &Endpoint,
        now: Moment,
    ) -> f32 {
        self.ramp(roster, now)
            .map_or(1.0, |ramp| ramp.part(endpoint) as f32)
    }

    fn ramp<E: AsRef<Endpoint>>(&self, roster: &Roster<E>, now: Moment) -> Option<Ramp> {
        match self.settings.policy.ramps() {
            true => Ramp::of(roster, self.settings.ramp, now),
            false => None,
        }
    }

    fn pick<E: AsRef<Endpoint>, F: Fn(&E) -> bool>(
        &self,
        candidates: &Candidates<'_, E, F>,
        ask: &Ask,
        rng: &mut dyn Rng,
    ) -> Option<usize> {
        match &self.settings.policy {
            Policy::PowerOfTwoChoices(factors) => {
                policy::power_of_two::choose(candidates, factors, &self.outage, rng)
            }
            Policy::RoundRobin => policy::round_robin::choose(candidates, &self.turn, rng),
            Policy::WeightedRoundRobin => {
                policy::weighted_round_robin::choose(candidates, &self.turn, rng)
            }
            Policy::LeastConnections => policy::least_connections::choose(candidates, rng),
            Policy::WeightedLeastConnections => {
                policy::least_connections::choose_weighted(candidates, rng)
            }
            Policy::LeastResponseTime => policy::latency::least_response_time(candidates, rng),
            Policy::PeakEwma => policy::latency::peak_ewma(candidates, rng),
            Policy::JoinShortestQueue => policy::join_shortest_queue::choose(candidates, rng),
            Policy::Prequal => policy::prequal::choose(candidates, &self.outage, rng),
            Policy::Random => candidates.draw(rng),
            Policy::Hash => policy::hash::choose(candidates, ask.key, rng),
            Policy::Ring(Ring { bound, .. }) | Policy::Maglev(Maglev { bound, .. }) => {
                policy::consistent_hash::choose(candidates, *bound, ask.key, rng)
            }
        }
    }

    /// Chooses, and counts the request in. None only where no endpoint is left that may be chosen and
    /// that `wanted` holds for.
    pub fn begin<E: AsRef<Endpoint> + Clone>(
        &self,
        roster: &Roster<E>,
        ask: &Ask,
        rng: &mut dyn Rng,
        wanted: impl Fn(&E) -> bool,
    ) -> Option<InFlight<E>> {
        // Each turn but the last met an endpoint retired since it was chosen, and what is retired
        // stays so: there are at most as many turns as endpoints, and one.
        loop {
            let place = self.choose(roster, ask, rng, &wanted)?;
            let holder = roster.get(place)?.clone();
            if let Some(counted) = InFlight::begin(holder) {
                return Some(counted);
            }
        }
    }

    /// Some endpoints to ask how busy they are, with each request that is sent; none where the policy does
    /// not ask.
    pub fn to_probe<E: AsRef<Endpoint>>(
        &self,
        roster: &Roster<E>,
        rng: &mut dyn Rng,
    ) -> impl Iterator<Item = usize> {
        let places = roster.probes().map_or(0, |_| roster.reach(rng));
        let first = rng.below(places);
        // At equal distances from a random place: none is asked twice for one request.
        let count = PROBES.min(places);
        (0..count).map(move |number| (first + number * places / count) % places)
    }

    /// Notes what the endpoint at `place` answered.
    pub fn probed<E: AsRef<Endpoint>>(
        &self,
        roster: &Roster<E>,
        place: usize,
        answer: &ProbeAnswer,
        now: Moment,
    ) {
        if let Some(probes) = roster.probes() {
            probes.keep(place, answer, now);
        }
    }

    /// Notes how a request at `endpoint` went, as far as the policy has a use for it.
    pub fn observe(&self, endpoint: &Endpoint, observation: &Observation, now: Moment) {
        endpoint.note(observation.failed, now);
        if !observation.failed && self.outage.is_recent(now) {
            // Its failures were everybody's, and are over.
            endpoint.forget_failures();
        }
        // A failure that comes fast is no sign of speed.
        let latency = observation.latency.filter(|_| !observation.failed);
        if let (Some(kind), Some(latency)) = (self.settings.policy.latency(), latency) {
            endpoint.latency().note(kind, latency, now);
        }
    }

    /// Notes that a request at `endpoint` was given up after it had waited so long: that says nothing of
    /// whether it would have gone well, but that it would have taken longer.
    pub fn observe_given_up(&self, endpoint: &Endpoint, waited: Duration, now: Moment) {
        if let Some(kind) = self.settings.policy.latency() {
            endpoint.latency().note_longer(kind, waited, now);
        }
    }
}
