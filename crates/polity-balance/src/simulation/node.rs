//! One balancer: the real one, with statistics that it shares with nobody.

use std::sync::Arc;
use std::time::{Duration, Instant};

use polity_core::{Clock, ManualClock, SplitMix64};
use polity_resilience::outlier::{self, Change, Detector, Record};

use super::contender::Contender;
use super::server::Load;
use crate::{
    Ask, Balancer, Endpoint, EndpointSpec, InFlight, Moment, Observation, ProbeAnswer, Report,
    Roster,
};

/// How long everything has been there when the simulation begins: longer than any memory.
const BEFORE: Duration = Duration::from_secs(3_600);

/// A balancer and what it knows.
pub(super) struct Node {
    balancer: Balancer,
    roster: Roster<Peer>,
    ejection: Option<Detector>,
    /// `BEFORE` the simulation began.
    origin: Instant,
    rng: SplitMix64,
}

/// A server as one balancer knows it.
#[derive(Debug, Clone)]
pub(super) struct Peer(Arc<Known>);

#[derive(Debug)]
struct Known {
    endpoint: Endpoint,
    record: Record,
    server: usize,
}

/// What a balancer is told of a server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told {
    pub(super) server: usize,
    pub(super) weight: u32,
    /// When it joins; at zero, it has been there for long.
    pub(super) joins: Duration,
}

/// How a request ended, as its balancer sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ending {
    pub(super) ending: outlier::Ending,
    /// Until the answer, where one came.
    pub(super) latency: Option<Duration>,
    /// What the server said of itself in it.
    pub(super) load: Option<Load>,
}

impl Node {
    pub(super) fn new(contender: &Contender, rng: SplitMix64) -> Self {
        let settings = (contender.settings)();
        let origin = ManualClock::new().now();
        let detector = || Detector::new(outlier::Settings::default(), origin + BEFORE);
        Self {
            balancer: Balancer::new(settings),
            roster: Roster::new(&settings, Vec::new()),
            ejection: contender.ejects.then(detector),
            origin,
            rng,
        }
    }

    /// Learns of servers.
    pub(super) fn join(&mut self, servers: &[Told]) {
        let mut peers = self.roster.to_vec();
        peers.extend(servers.iter().map(|told| self.meet(told)));
        self.roster = Roster::new(self.balancer.settings(), peers);
    }

    fn meet(&self, told: &Told) -> Peer {
        let since = match told.joins.is_zero() {
            true => Moment::default(),
            false => moment(told.joins),
        };
        let spec = EndpointSpec {
            identity: told.server as u64,
            weight: told.weight,
            since,
            ..EndpointSpec::default()
        };
        Peer(Arc::new(Known {
            endpoint: Endpoint::new(spec),
            record: Record::new(self.origin),
            server: told.server,
        }))
    }

    /// Chooses a server for a request and counts it in.
    pub(super) fn begin(&mut self, key: u64, now: Duration) -> Option<InFlight<Peer>> {
        let ask = Ask {
            now: moment(now),
            key: Some(key),
            ..Ask::default()
        };
        self.balancer
            .begin(&self.roster, &ask, &mut self.rng, |_| true)
    }

    /// Gives the servers that it asks how busy they are, at a request: each with its place in the
    /// roster, which it keeps.
    pub(super) fn questions(&mut self) -> impl Iterator<Item = (usize, usize)> {
        let places = self.balancer.to_probe(&self.roster, &mut self.rng);
        places.filter_map(|place| Some((place, self.roster.get(place)?.server())))
    }

    /// Learns what the server at `place` answered.
    pub(super) fn probed(&mut self, place: usize, answer: &ProbeAnswer, now: Duration) {
        self.balancer
            .probed(&self.roster, place, answer, moment(now));
    }

    /// Counts a request out and learns from how it ended.
    pub(super) fn end(&mut self, request: InFlight<Peer>, ending: &Ending, now: Duration) {
        let known = &request.0;
        if let Some(load) = ending.load {
            let report = Report {
                utilization: Some(load.utilization),
                in_flight: Some(load.in_flight),
            };
            known.endpoint.report(&report, moment(now));
        }
        let observation = Observation {
            failed: ending.ending != outlier::Ending::Success,
            latency: ending.latency,
        };
        self.balancer
            .observe(&known.endpoint, &observation, moment(now));
        if let Some(detector) = &self.ejection {
            let took = ending.latency.unwrap_or_default();
            let ended = outlier::Ended {
                ending: ending.ending,
                began: self.origin + BEFORE + now.saturating_sub(took),
                at: self.origin + BEFORE + now,
            };
            let ejection = detector.note(&known.record, &ended, &self.roster);
            if ejection.is_some() {
                known.endpoint.eject();
                self.roster.refresh(moment(now));
            }
        }
    }

    /// Whether it has to [sweep](Self::sweep).
    pub(super) fn ejects(&self) -> bool {
        self.ejection.is_some()
    }

    /// Ejects outliers, and lets those back in whose time is over.
    pub(super) fn sweep(&mut self, now: Duration) {
        let Some(detector) = &self.ejection else {
            return;
        };
        detector.sweep(&self.roster, self.origin + BEFORE + now, |peer, change| {
            match change {
                Change::Ejected(_) => peer.0.endpoint.eject(),
                Change::Returned => peer.0.endpoint.readmit(),
            };
        });
        self.roster.refresh(moment(now));
    }

    pub(super) fn in_flight(&self) -> u64 {
        let endpoints = self.roster.iter().map(|peer| &peer.0.endpoint);
        endpoints.map(Endpoint::in_flight).sum()
    }
}

fn moment(now: Duration) -> Moment {
    let now = now + BEFORE;
    Moment(now.as_secs() * 1_000 + u64::from(now.subsec_millis()))
}

impl Peer {
    pub(super) fn server(&self) -> usize {
        self.0.server
    }
}

impl AsRef<Endpoint> for Peer {
    fn as_ref(&self) -> &Endpoint {
        &self.0.endpoint
    }
}

impl AsRef<Record> for Peer {
    fn as_ref(&self) -> &Record {
        &self.0.record
    }
}
