//! The simulation itself: from each event to those that follow from it.

use std::collections::BTreeSet;
use std::time::Duration;

use polity_core::{Rng, SplitMix64};

use super::contender::Contender;
use super::distribution::Distribution;
use super::node::{Node, Told};
use super::outcome::Outcome;
use super::request::{Answer, NO_ANSWER, Request};
use super::scenario::{Fault, Scenario};
use super::server::{Admission, Server};
use super::timeline::Timeline;

/// What an answer takes that needs no work: an error of a full or of a broken server.
const ERROR_TIME: Duration = Duration::from_millis(1);
/// How often the servers' loads are looked at, in all.
const SAMPLES: u32 = 2_000;
/// How often balancers look at their fleet.
const SWEEP: Duration = Duration::from_secs(1);
/// What requests are told apart by where algorithms hash: so many, each as frequent as another.
const KEYS: usize = 10_000;

/// Lanes of the timeline.
const NETWORK: usize = 0;
const DEADLINE: usize = 1;

#[derive(Debug)]
enum Event {
    /// A request comes to a balancer.
    Arrival,
    /// It comes to its server.
    Reach(usize),
    /// A balancer's question comes to the server at this place of its roster, and is answered at once:
    /// the way back is short beside what the answer tells of.
    Probe { node: u32, place: u32, server: u32 },
    /// Its server is through with it.
    Finish(usize),
    /// Its answer comes back to the balancer.
    Answer(usize),
    /// Its client has given up, unless the place holds another by now than that of this number.
    Deadline(usize, u64),
    /// Balancers learn of the servers that join now.
    Join,
    /// A server's work stands still, as this one of its episodes says.
    Pause { server: usize, episode: usize },
    /// Balancers look at their fleet.
    Sweep,
    /// The servers' loads are looked at.
    Sample,
}

pub(super) struct Cluster<'a> {
    scenario: &'a Scenario,
    timeline: Timeline<Event>,
    arrivals: Distribution,
    /// For what comes from outside, which is the same for every contender.
    load_rng: SplitMix64,
    nodes: Vec<Node>,
    servers: Vec<Server<'a>>,
    requests: Vec<Option<Request>>,
    vacant: Vec<usize>,
    outcome: Outcome,
}

impl<'a> Cluster<'a> {
    pub(super) fn new(scenario: &'a Scenario, contender: &Contender, seed: u64) -> Self {
        let mut seeds = SplitMix64::new(seed);
        let load_rng = SplitMix64::new(seeds.next_u64());
        let mut node = |_| Node::new(contender, SplitMix64::new(seeds.next_u64()));
        let mut cluster = Self {
            scenario,
            timeline: Timeline::new([scenario.network, scenario.deadline]),
            arrivals: Distribution::Exponential {
                mean: Duration::from_secs_f64(1.0 / scenario.arrivals),
            },
            load_rng,
            nodes: (0..scenario.balancers).map(&mut node).collect(),
            servers: scenario.servers.iter().map(Server::new).collect(),
            requests: Vec::new(),
            vacant: Vec::new(),
            outcome: Outcome::new(scenario),
        };
        cluster.prepare();
        cluster
    }

    /// Says what will happen whatever is chosen.
    fn prepare(&mut self) {
        let joins = self.scenario.servers.iter().map(|spec| spec.joins);
        for at in BTreeSet::from_iter(joins) {
            self.timeline.at(at, Event::Join);
        }
        for (server, spec) in self.scenario.servers.iter().enumerate() {
            for (place, episode) in spec.episodes.iter().enumerate() {
                if let Fault::Pauses { every, .. } = episode.fault {
                    // Each server at moments of its own.
                    let first = episode.from + every.mul_f64(self.load_rng.unit());
                    let episode = place;
                    self.timeline.at(first, Event::Pause { server, episode });
                }
            }
        }
        if self.nodes.iter().any(Node::ejects) {
            self.timeline.at(SWEEP, Event::Sweep);
        }
        self.timeline.at(self.scenario.warm_up, Event::Sample);
        self.timeline.at(Duration::ZERO, Event::Arrival);
    }

    pub(super) fn run(mut self) -> Outcome {
        while let Some(event) = self.timeline.next() {
            self.happen(event);
        }
        let in_flight = self.nodes.iter().map(Node::in_flight);
        self.outcome.left_in_flight = in_flight.sum();
        self.outcome
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrival => self.arrive(),
            Event::Reach(request) => self.reach(request),
            Event::Probe {
                node,
                place,
                server,
            } => {
                let now = self.timeline.now();
                if let Some(answer) = self.servers[server as usize].probed(now) {
                    self.nodes[node as usize].probed(place as usize, &answer, now);
                }
            }
            Event::Finish(request) => self.finish(request),
            Event::Answer(request) => self.answer(request),
            Event::Deadline(request, number) => self.give_up(request, number),
            Event::Join => self.join(),
            Event::Pause { server, episode } => self.pause(server, episode),
            Event::Sweep => {
                let now = self.timeline.now();
                self.nodes.iter_mut().for_each(|node| node.sweep(now));
                self.again(SWEEP, Event::Sweep);
            }
            Event::Sample => self.sample(),
        }
    }

    fn arrive(&mut self) {
        let now = self.timeline.now();
        let gap = self.arrivals.draw(&mut self.load_rng);
        self.again(gap, Event::Arrival);
        let work = self.scenario.work.draw(&mut self.load_rng);
        let luck = self.load_rng.unit();
        let node = self.load_rng.below(self.nodes.len());
        let key = SplitMix64::new(self.load_rng.below(KEYS) as u64).next_u64();
        self.outcome.begun += 1;
        let Some(held) = self.nodes[node].begin(key, now) else {
            self.outcome.fail(now, |failures| &mut failures.unrouted);
            return;
        };
        let server = held.server();
        let class = self.scenario.servers[server].class;
        self.outcome.send(now, class);
        let number = self.outcome.begun;
        let request = self.place(Request {
            number,
            began: now,
            node,
            server,
            work,
            luck,
            reached: Duration::ZERO,
            others: 0,
            paused: Duration::ZERO,
            answer: None,
            held: Some(held),
        });
        self.timeline.after_lane(NETWORK, Event::Reach(request));
        for (place, server) in self.nodes[node].questions() {
            let [node, place, server] = [node, place, server].map(|it| it as u32);
            let probe = Event::Probe {
                node,
                place,
                server,
            };
            self.timeline.after_lane(NETWORK, probe);
        }
        self.timeline
            .after_lane(DEADLINE, Event::Deadline(request, number));
    }

    fn reach(&mut self, request: usize) {
        let now = self.timeline.now();
        let server = self.request(request).server;
        let others = self.servers[server].load().in_flight;
        let it = self.request(request);
        (it.reached, it.others) = (now, others);
        match self.servers[server].admit(request, now) {
            Admission::Starts => self.start(request),
            // What is lost keeps its place for good: its server may yet do anything.
            Admission::Waits | Admission::Lost => {}
            Admission::Overflows => {
                let load = self.servers[server].load();
                self.request(request).answer = Some(Answer::Overflow(load));
                let at = self.servers[server].awake(now) + ERROR_TIME;
                self.timeline.at(at, Event::Finish(request));
            }
            Admission::FailsFast => {
                let load = self.servers[server].load();
                self.servers[server].answered(ERROR_TIME, load.in_flight);
                self.request(request).answer = Some(Answer::Error(load));
                self.timeline.at(now + ERROR_TIME, Event::Finish(request));
            }
            Admission::Refused => {
                self.request(request).answer = Some(Answer::Refused);
                self.timeline.after_lane(NETWORK, Event::Answer(request));
            }
        }
    }

    fn start(&mut self, request: usize) {
        let now = self.timeline.now();
        let Some(it) = self.requests[request].as_mut() else {
            return;
        };
        let server = &self.servers[it.server];
        it.paused = server.paused();
        self.timeline
            .at(server.end_of(it.work, now), Event::Finish(request));
    }
}

impl Cluster<'_> {
    /// Has balancers learn of the servers that join now.
    fn join(&mut self) {
        let now = self.timeline.now();
        let specs = self.scenario.servers.iter().enumerate();
        let joining = specs.filter(|(_, spec)| spec.joins == now);
        let told: Vec<_> = joining
            .map(|(server, spec)| Told {
                server,
                weight: spec.weight,
                joins: spec.joins,
            })
            .collect();
        self.nodes.iter_mut().for_each(|node| node.join(&told));
    }

    fn pause(&mut self, server: usize, episode: usize) {
        let now = self.timeline.now();
        let it = self.scenario.servers[server].episodes[episode];
        if let Fault::Pauses { every, length } = it.fault {
            self.servers[server].pause(length, now);
            if now + every < it.until {
                self.again(every, Event::Pause { server, episode });
            }
        }
    }

    /// Has `event` happen once more, unless the scenario is over by then.
    fn again(&mut self, after: Duration, event: Event) {
        let at = self.timeline.now() + after;
        if at < self.scenario.length {
            self.timeline.at(at, event);
        }
    }

    fn finish(&mut self, request: usize) {
        let now = self.timeline.now();
        let Some(it) = self.requests[request].as_mut() else {
            return;
        };
        let server = &mut self.servers[it.server];
        if it.answer.is_none() {
            let stood_still = server.paused() - it.paused;
            if !stood_still.is_zero() {
                it.paused = server.paused();
                self.timeline.at(now + stood_still, Event::Finish(request));
                return;
            }
            let failed = it.luck < server.errors(now);
            server.answered(now - it.reached, it.others);
            let next = server.finish();
            it.answer = Some(match failed {
                true => Answer::Error(server.load()),
                false => Answer::Good(server.load()),
            });
            if let Some(next) = next {
                self.start(next);
            }
        }
        self.timeline.after_lane(NETWORK, Event::Answer(request));
    }

    fn answer(&mut self, request: usize) {
        let now = self.timeline.now();
        let Some(mut it) = self.requests[request].take() else {
            return;
        };
        self.vacant.push(request);
        let (Some(held), Some(answer)) = (it.held.take(), it.answer) else {
            // Its client has given up, and nobody hears of it.
            return;
        };
        let latency = now - it.began;
        let ending = answer.ending(latency);
        self.nodes[it.node].end(held, &ending, now);
        match answer {
            Answer::Good(_) => self.outcome.succeed(it.began, latency),
            Answer::Error(_) => self.outcome.fail(it.began, |failures| &mut failures.errors),
            Answer::Overflow(_) => self
                .outcome
                .fail(it.began, |failures| &mut failures.overflowed),
            Answer::Refused => self
                .outcome
                .fail(it.began, |failures| &mut failures.refused),
        }
    }

    fn give_up(&mut self, request: usize, number: u64) {
        let now = self.timeline.now();
        let current = self.requests[request].as_mut();
        let Some(it) = current.filter(|it| it.number == number) else {
            return;
        };
        let Some(held) = it.held.take() else {
            return;
        };
        let (began, node) = (it.began, it.node);
        self.nodes[node].end(held, &NO_ANSWER, now);
        self.outcome.fail(began, |failures| &mut failures.late);
    }

    fn sample(&mut self) {
        let now = self.timeline.now();
        let specs = self.scenario.servers.iter().zip(&self.servers);
        let joined = specs.filter(|(spec, _)| spec.joins <= now);
        let loads = joined.map(|(_, server)| server.load().in_flight);
        self.outcome.spread.sample(loads);
        self.again(self.scenario.length / SAMPLES, Event::Sample);
    }

    fn place(&mut self, request: Request) -> usize {
        if let Some(place) = self.vacant.pop() {
            self.requests[place] = Some(request);
            return place;
        }
        self.requests.push(Some(request));
        self.requests.len() - 1
    }

    fn request(&mut self, place: usize) -> &mut Request {
        let request = self.requests[place].as_mut();
        request.expect("a request keeps its place until it is answered")
    }
}
