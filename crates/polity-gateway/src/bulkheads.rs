//! What one service may take of the gateway's room, and of a caller's: never so much that one that hangs
//! leaves nothing for the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use polity_plan::Plan;
use polity_resilience::{Bulkhead, Overloaded, Place, Room};

use crate::policy::Call;

/// The room for requests from outside, which the services with routes share. None where there is
/// nobody to share it with, or the plan says that anybody may take all.
pub(crate) fn of_gateway(plan: &Plan, connections: u64) -> Option<Room> {
    let limits = &plan.gateway.limits;
    let mut reached = plan.services.values().filter(|it| !it.routes.is_empty());
    let is_shared = reached.nth(1).is_some();
    let most = limits.max_in_flight.map_or(connections, u64::from);
    // Each request in flight has a connection to itself.
    let places = most.min(connections);
    let common = limits.bulkhead.filter(|_| is_shared);
    common.map(|common| Room::new(places, common))
}

/// A listener for the calls of one service to another, and what is known of these.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) call: Call,
    /// All calls of the caller.
    caller: Arc<Calls>,
    /// Those of this pair beyond the common places.
    beyond: Arc<Bulkhead>,
}

/// A service's own calls in flight, to all others together.
#[derive(Debug)]
pub(crate) struct Calls {
    in_flight: Arc<Bulkhead>,
    /// As in [`Room`]. Written when a plan is put in force.
    places: AtomicU64,
    common: AtomicU64,
}

/// A call's places, given up when dropped.
#[derive(Debug)]
pub(crate) struct CallPlace {
    _of_caller: Place<Arc<Bulkhead>>,
    _beyond: Option<Place<Arc<Bulkhead>>>,
}

/// Why there is no place for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// The caller has as many in flight as it may.
    Caller,
    /// This callee has its share of them.
    Share,
}

impl Pair {
    pub(crate) fn new(call: Call, caller: Arc<Calls>) -> Self {
        Self {
            call,
            caller,
            beyond: Arc::default(),
        }
    }

    /// Takes a place for a call; none where there is no limit.
    pub(crate) fn enter(&self) -> Result<Option<CallPlace>, Full> {
        let Some(room) = self.caller.room() else {
            return Ok(None);
        };
        let place = Place::take(self.caller.in_flight.clone(), room.places);
        let place = place.map_err(|Overloaded| Full::Caller)?;
        let beyond = beyond(&room, &self.caller.in_flight, &self.beyond);
        Ok(Some(CallPlace {
            _of_caller: place,
            _beyond: beyond.map_err(|Overloaded| Full::Share)?,
        }))
    }
}

impl Calls {
    pub(crate) fn new(plan: &Plan, caller: &str) -> Self {
        let calls = Self {
            in_flight: Arc::default(),
            places: AtomicU64::default(),
            common: AtomicU64::default(),
        };
        calls.follow(plan, caller);
        calls
    }

    /// Takes up what `plan` says of it.
    pub(crate) fn follow(&self, plan: &Plan, caller: &str) {
        let service = plan.services.get(caller);
        let places = service.and_then(|service| service.max_calls_in_flight);
        // With nobody to share it with, it has all.
        let is_shared = service.is_some_and(|service| service.calls.len() > 1);
        let common = plan.gateway.limits.bulkhead.filter(|_| is_shared);
        let places = places.map_or(u64::MAX, u64::from);
        let room = Room::new(places, common.unwrap_or(1.0));
        // Between the two a call may be held against the one and the other before, which is as good.
        self.places.store(room.places, Ordering::Relaxed);
        self.common.store(room.common, Ordering::Relaxed);
    }

    /// None for as many as come.
    fn room(&self) -> Option<Room> {
        let places = self.places.load(Ordering::Relaxed);
        (places != u64::MAX).then(|| Room {
            places,
            common: self.common.load(Ordering::Relaxed),
        })
    }
}

/// A place among those that `beyond` counts, for whoever has just taken one of `room`; none where that is
/// a common one.
pub(crate) fn beyond(
    room: &Room,
    taken: &Bulkhead,
    beyond: &Arc<Bulkhead>,
) -> Result<Option<Place<Arc<Bulkhead>>>, Overloaded> {
    let share = room.share(taken.count());
    share
        .map(|share| Place::take(beyond.clone(), share))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> Plan {
        let loaded = polity_plan::load(polity_plan::Source {
            name: "polity.toml",
            text,
            environment: &|_| None,
        });
        loaded.plan.expect("a valid plan")
    }

    const TWO: &str = "[service.a]\nrun = \"a\"\nroute = \"/a\"\ncalls = [\"b\", \"c\"]\n\
        [service.b]\nrun = \"b\"\nroute = \"/b\"\ncalls = [\"c\"]\n[service.c]\nrun = \"c\"\n";

    #[test]
    fn what_is_shared_is_what_there_is_less_of_among_those_with_routes() {
        let check = |limits: &str, services: &str, expected: Option<(u64, u64)>| {
            let plan = plan(&format!("[gateway.limits]\n{limits}\n{services}"));
            let room = of_gateway(&plan, 1000).map(|room| (room.places, room.common));
            assert_eq!(room, expected, "{limits}");
        };
        check("", TWO, Some((1000, 500)));
        check("max_in_flight = 100", TWO, Some((100, 50)));
        check("max_in_flight = false", TWO, Some((1000, 500)));
        check("bulkhead = 0.25", TWO, Some((1000, 250)));
        check("bulkhead = false", TWO, None);
        let one =
            "[service.a]\nrun = \"a\"\nroute = \"/a\"\ncalls = [\"b\"]\n[service.b]\nrun = \"b\"\n";
        check("", one, None);
    }

    #[test]
    fn a_caller_shares_its_calls_among_its_callees() {
        let check = |lines: &str, caller: &str, expected: Option<(u64, u64)>| {
            let plan = plan(&format!("{TWO}{lines}"));
            let room = Calls::new(&plan, caller).room();
            let room = room.map(|room| (room.places, room.common));
            assert_eq!(room, expected, "{caller} {lines}");
        };
        check("", "a", Some((1024, 512)));
        check(
            "[gateway.limits]\nbulkhead = false",
            "a",
            Some((1024, 1024)),
        );
        // The only one may have all.
        check("", "b", Some((1024, 1024)));
    }

    #[test]
    fn a_limit_follows_the_plan() {
        let calls = Calls::new(&plan(TWO), "a");
        let few = TWO.replacen("run = \"a\"\n", "run = \"a\"\nmax_calls_in_flight = 6\n", 1);
        calls.follow(&plan(&few), "a");
        assert_eq!(calls.room(), Some(Room::new(6, 0.5)));
        let any = few.replace("= 6", "= false");
        calls.follow(&plan(&any), "a");
        assert_eq!(calls.room(), None);
    }
}
