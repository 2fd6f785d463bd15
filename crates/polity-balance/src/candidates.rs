//! The endpoints a choice may fall on, and how to draw one without looking at all of them.

use std::hint::select_unpredictable;

use polity_core::Rng;

use crate::Moment;
use crate::endpoint::{Endpoint, Marks, State};
use crate::policy::consistent_hash::Prepared;
use crate::probes::Probes;
use crate::ramp::Ramp;
use crate::rank::{Luck, Rank};
use crate::roster::Roster;
use crate::weights::Round;

/// Draws that may hit an endpoint out of the question before all are looked at: with half of them
/// out, one request in 256 takes the long way.
const DRAWS: usize = 8;

/// Some of a service's endpoints: those within reach and in use that the caller wants.
pub(crate) struct Candidates<'a, E, F> {
    roster: &'a Roster<E>,
    /// Those of the first places.
    places: usize,
    wanted: F,
    /// What an endpoint is marked with that may not be chosen.
    out: Marks,
    ramp: Option<Ramp>,
    pub(crate) now: Moment,
}

impl<'a, E: AsRef<Endpoint>, F: Fn(&E) -> bool> Candidates<'a, E, F> {
    pub(crate) fn new(
        roster: &'a Roster<E>,
        places: usize,
        ramp: Option<Ramp>,
        now: Moment,
        wanted: F,
    ) -> Self {
        Self {
            out: Marks::out(roster.is_panicking()),
            roster,
            places,
            wanted,
            ramp,
            now,
        }
    }

    /// The same, out of all places.
    pub(crate) fn widened(self) -> Self {
        Self {
            places: self.roster.len(),
            ..self
        }
    }

    /// How many places there are, candidates or not.
    pub(crate) fn places(&self) -> usize {
        self.places
    }

    /// What is known by asking.
    pub(crate) fn probes(&self) -> Option<&'a Probes> {
        self.roster.probes()
    }

    /// What is prepared for hashing.
    pub(crate) fn prepared(&self) -> &'a Prepared {
        self.roster.prepared()
    }

    /// The mean load of those in use, of a moment ago.
    pub(crate) fn mean_load(&self) -> f32 {
        let recent = self.roster.mean_load().recent(self.roster.len(), self.now);
        recent.unwrap_or_else(|| self.count_load())
    }

    /// The mean load of those in use, counted now.
    pub(crate) fn count_load(&self) -> f32 {
        self.roster.mean_load().count(self.in_use(), self.now)
    }

    /// All that are in use, whether the caller wants them or not.
    pub(crate) fn in_use(&self) -> impl Iterator<Item = &'a Endpoint> {
        let endpoints = self.roster.iter().map(AsRef::as_ref);
        endpoints.filter(|endpoint| !endpoint.look().has(self.out))
    }

    /// The turns of the places.
    pub(crate) fn round(&self) -> Round {
        self.roster.round(self.places)
    }

    /// The place that a number of their round stands for.
    pub(crate) fn by_weight(&self, number: u64) -> usize {
        self.roster.weights().place(number)
    }

    /// The endpoint at `place`, if it may be chosen.
    #[inline]
    pub(crate) fn at(&self, place: usize) -> Option<(&'a Endpoint, State)> {
        self.admit(self.roster.get(place)?)
    }

    #[inline]
    fn admit(&self, holder: &'a E) -> Option<(&'a Endpoint, State)> {
        let endpoint = holder.as_ref();
        let state = endpoint.look();
        (!state.has(self.out) && (self.wanted)(holder)).then_some((endpoint, state))
    }

    /// The one that costs least, out of all; any of them among equals, more likely the more it weighs.
    /// `cost` is told what the best so far costs, and may give anything above that for what costs
    /// more.
    ///
    /// Whether the caller wants it is asked last, as that may mean to look further than into the one
    /// line of memory that everything else is in.
    #[inline]
    pub(crate) fn least(
        &self,
        rng: &mut dyn Rng,
        cost: impl Fn(&Endpoint, State, f32) -> f32,
    ) -> Option<usize> {
        let mut luck = Luck::new(rng);
        let (mut chosen, mut least) = (None, Rank::LAST);
        let holders = self.roster.get(..self.places).unwrap_or_default();
        for (place, holder) in holders.iter().enumerate() {
            let endpoint = holder.as_ref();
            let state = endpoint.look();
            if state.has(self.out) {
                continue;
            }
            let cost = cost(endpoint, state, least.cost());
            // Luck is drawn by few: the first, those that are better, and their equals.
            if cost > least.cost() {
                continue;
            }
            let rank = Rank::of(cost, luck.draw(endpoint.inverse_weight()));
            if rank < least && (self.wanted)(holder) {
                (chosen, least) = (Some(place), rank);
            }
        }
        chosen
    }

    /// The one at `first`, and all that are given their full share.
    #[inline]
    pub(crate) fn with_grown(
        &self,
        first: usize,
    ) -> impl Iterator<Item = (usize, &'a Endpoint, State)> {
        let holders = self.roster.get(..self.places).unwrap_or_default();
        holders
            .iter()
            .enumerate()
            .filter_map(move |(place, holder)| {
                let (endpoint, state) = self.admit(holder)?;
                let is_grown = |ramp: Ramp| place == first || ramp.part(endpoint) >= 1.0;
                self.ramp
                    .is_none_or(is_grown)
                    .then_some((place, endpoint, state))
            })
    }

    /// Whether the endpoint at `place` may be chosen.
    pub(crate) fn admits(&self, place: usize) -> bool {
        self.at(place).is_some()
    }

    /// Whether the endpoint at `place` may be chosen, and this is one of the requests for it while it
    /// is new.
    pub(crate) fn takes_turn(&self, place: usize, rng: &mut dyn Rng) -> bool {
        self.at(place)
            .is_some_and(|(endpoint, _)| self.is_ramped(endpoint, rng))
    }

    fn is_ramped(&self, endpoint: &Endpoint, rng: &mut dyn Rng) -> bool {
        self.ramp.is_none_or(|ramp| ramp.admits(endpoint, rng))
    }

    /// One candidate, each as likely as its weight says.
    pub(crate) fn draw(&self, rng: &mut dyn Rng) -> Option<usize> {
        let (place, ()) = self.draw_rated(rng, None, |_, _| (), |()| true)?;
        Some(place)
    }

    /// One candidate, each as likely as its weight says, and how it is rated, but never `except`; as long
    /// as one is found in a few draws, one whose rating `fits`.
    ///
    /// Stepping on to the neighbour of one that is out would give that neighbour the load of both,
    /// and by retries make an instance's failure its neighbour's.
    pub(crate) fn draw_rated<R>(
        &self,
        rng: &mut dyn Rng,
        except: Option<usize>,
        rate: impl Fn(&Endpoint, State) -> R,
        fits: impl Fn(&R) -> bool,
    ) -> Option<(usize, R)> {
        let total = self.round().turns() as usize;
        let mut second_best = None;
        for _ in 0..DRAWS {
            let place = self.by_weight(rng.below(total) as u64);
            if Some(place) == except {
                continue;
            }
            if let Some((endpoint, state)) = self.at(place) {
                let rating = rate(endpoint, state);
                if fits(&rating) && self.is_ramped(endpoint, rng) {
                    return Some((place, rating));
                }
                second_best = second_best.or(Some((place, rating)));
            }
        }
        second_best.or_else(|| {
            let place = self.draw_long(rng, except)?;
            let (endpoint, state) = self.at(place)?;
            Some((place, rate(endpoint, state)))
        })
    }

    /// The better of two that are [drawn](Self::draw_rated): the first, which is as good as random,
    /// unless the other one is better.
    pub(crate) fn better_of_two<R>(
        &self,
        rng: &mut dyn Rng,
        rate: impl Fn(&Endpoint, State) -> R,
        fits: impl Fn(&R) -> bool,
        is_better: impl Fn(&R, &R) -> bool,
    ) -> Option<usize> {
        let (first, rating) = self.draw_rated(rng, None, &rate, &fits)?;
        if self.places == 1 {
            return Some(first);
        }
        let Some((second, other)) = self.draw_rated(rng, Some(first), rate, fits) else {
            return Some(first);
        };
        // Which is better is nothing that a processor can foretell.
        Some(select_unpredictable(
            is_better(&other, &rating),
            second,
            first,
        ))
    }

    /// The same as drawing, by looking at all.
    fn draw_long(&self, rng: &mut dyn Rng, except: Option<usize>) -> Option<usize> {
        let places = (0..self.places).filter(|place| Some(*place) != except);
        let weighed = places.filter_map(|place| Some((place, self.at(place)?.0.weight())));
        // Algorithm A-Chao (Chao 1982) with room for one: a draw by weight in one pass.
        let mut sum = 0;
        weighed.fold(None, |kept, (place, weight)| {
            sum += weight as usize;
            match rng.below(sum) < weight as usize {
                true => Some(place),
                false => kept,
            }
        })
    }
}
