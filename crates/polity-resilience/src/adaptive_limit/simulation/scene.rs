//! A service, its load and its limit, and what becomes of every request.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use polity_core::{Rng, SplitMix64};

use crate::adaptive_limit::{AdaptiveLimit, PERIOD, Priority, Waiting};

/// Time in the simulation.
pub(super) type Micros = u64;

pub(super) const SECOND: Micros = 1_000_000;
pub(super) const MS: Micros = 1_000;

pub(super) const TARGET: Duration = Duration::from_millis(500);

/// How long a client that was refused waits, if it comes back at all.
const RETRY_AFTER: Micros = SECOND;

type Load = Box<dyn Fn(Micros) -> f64>;
type Work = Box<dyn Fn(Micros, &mut SplitMix64) -> Micros>;

/// What is simulated.
pub(super) struct Scene {
    /// Requests that the service works on at once, the rest standing in line; none for all.
    pub(super) workers: Option<usize>,
    /// What a request costs that comes then, once a worker has it.
    pub(super) work: Work,
    /// Requests a second that come then, whatever becomes of those before.
    pub(super) load: Load,
    /// Clients that each ask again as soon as they are answered, all from the start.
    pub(super) clients: usize,
    /// Of the requests, how many have priority.
    pub(super) high: f64,
    /// Whether there is a limit.
    pub(super) limited: bool,
}

/// One request's end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    pub(super) came: Micros,
    pub(super) ended: Micros,
    pub(super) refused: bool,
    pub(super) priority: Priority,
}

/// All that ended.
pub(super) struct Report {
    pub(super) ended: Vec<Ended>,
    pub(super) limit: Arc<AdaptiveLimit>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrival,
    Client,
    Done(usize),
    Look,
}

struct Request {
    came: Micros,
    work: Micros,
    of_client: bool,
    priority: Priority,
    waiting: Option<Waiting<Arc<AdaptiveLimit>>>,
}

struct Run {
    scene: Scene,
    start: Instant,
    rng: SplitMix64,
    events: BinaryHeap<Reverse<(Micros, u64, Event)>>,
    made: u64,
    requests: Vec<Request>,
    line: VecDeque<usize>,
    busy: usize,
    limit: Arc<AdaptiveLimit>,
    ended: Vec<Ended>,
}

impl Default for Scene {
    fn default() -> Self {
        Self {
            workers: None,
            work: Box::new(|_, _| MS),
            load: Box::new(|_| 0.0),
            clients: 0,
            high: 0.0,
            limited: true,
        }
    }
}

impl Scene {
    /// Runs it for `seconds`.
    pub(super) fn run(self, seconds: u64, seed: u64) -> Report {
        let start = Instant::now();
        let mut run = Run {
            scene: self,
            start,
            rng: SplitMix64::new(seed),
            events: BinaryHeap::new(),
            made: 0,
            requests: Vec::new(),
            line: VecDeque::new(),
            busy: 0,
            limit: Arc::new(AdaptiveLimit::new(TARGET, start)),
            ended: Vec::new(),
        };
        run.schedule(0, Event::Arrival);
        run.schedule(0, Event::Look);
        for _ in 0..run.scene.clients {
            run.schedule(0, Event::Client);
        }
        while let Some(Reverse((now, _, event))) = run.events.pop() {
            if now >= seconds * SECOND {
                break;
            }
            run.happens(event, now);
        }
        Report {
            ended: run.ended,
            limit: run.limit,
        }
    }
}

impl Run {
    fn schedule(&mut self, at: Micros, event: Event) {
        self.made += 1;
        self.events.push(Reverse((at, self.made, event)));
    }

    fn instant(&self, now: Micros) -> Instant {
        self.start + Duration::from_micros(now)
    }

    fn happens(&mut self, event: Event, now: Micros) {
        match event {
            Event::Arrival => {
                let rate = (self.scene.load)(now);
                // Poisson arrivals; where there are none, look again in a while.
                let (gap, comes) = match rate > 0.0 {
                    true => (-(1.0 - self.rng.unit()).ln() / rate, now > 0),
                    false => (0.1, false),
                };
                self.schedule(now + (gap * SECOND as f64) as Micros + 1, Event::Arrival);
                if comes {
                    self.arrives(now, false);
                }
            }
            Event::Client => self.arrives(now, true),
            Event::Done(request) => self.is_done(request, now),
            Event::Look => {
                self.limit.advance(self.instant(now));
                self.schedule(now + PERIOD.as_micros() as Micros, Event::Look);
            }
        }
    }

    fn arrives(&mut self, now: Micros, of_client: bool) {
        let priority = match self.rng.unit() < self.scene.high {
            true => Priority::High,
            false => Priority::Normal,
        };
        let waiting = match self.scene.limited {
            true => Waiting::begin(self.limit.clone(), priority, self.instant(now)).map(Some),
            false => Ok(None),
        };
        let Ok(waiting) = waiting else {
            self.ended.push(Ended {
                came: now,
                ended: now,
                refused: true,
                priority,
            });
            if of_client {
                self.schedule(now + RETRY_AFTER, Event::Client);
            }
            return;
        };
        let work = (self.scene.work)(now, &mut self.rng);
        self.requests.push(Request {
            came: now,
            work,
            of_client,
            priority,
            waiting,
        });
        self.line.push_back(self.requests.len() - 1);
        self.take_on(now);
    }

    fn take_on(&mut self, now: Micros) {
        while self.scene.workers.is_none_or(|count| self.busy < count) {
            let Some(request) = self.line.pop_front() else {
                return;
            };
            self.busy += 1;
            self.schedule(now + self.requests[request].work, Event::Done(request));
        }
    }

    fn is_done(&mut self, request: usize, now: Micros) {
        self.busy -= 1;
        self.take_on(now);
        let at = self.instant(now);
        let request = &mut self.requests[request];
        if let Some(waiting) = request.waiting.take() {
            waiting.answered(at);
        }
        self.ended.push(Ended {
            came: request.came,
            ended: now,
            refused: false,
            priority: request.priority,
        });
        if request.of_client {
            self.schedule(now, Event::Client);
        }
    }
}

impl Report {
    fn between(&self, from: u64, to: u64) -> impl Iterator<Item = &Ended> {
        let span = from * SECOND..to * SECOND;
        self.ended
            .iter()
            .filter(move |request| span.contains(&request.ended))
    }

    /// Answers a second within `patience` that came between those seconds.
    pub(super) fn goodput(&self, from: u64, to: u64, patience: Micros) -> f64 {
        let good = self
            .between(from, to)
            .filter(|request| !request.refused && request.ended - request.came <= patience);
        good.count() as f64 / (to - from) as f64
    }

    /// Of the requests that ended between those seconds, the share that was refused.
    pub(super) fn refused(&self, from: u64, to: u64) -> f64 {
        let all = self.between(from, to).count();
        let refused = self.between(from, to).filter(|request| request.refused);
        refused.count() as f64 / all.max(1) as f64
    }

    /// What 99 of 100 requests stayed below that were answered between those seconds.
    pub(super) fn p99(&self, from: u64, to: u64) -> Micros {
        let mut took: Vec<Micros> = self
            .between(from, to)
            .filter(|request| !request.refused)
            .map(|request| request.ended - request.came)
            .collect();
        took.sort_unstable();
        took.get(took.len() * 99 / 100).copied().unwrap_or(0)
    }

    /// The share refused, of those of `priority`.
    pub(super) fn refused_of(&self, priority: Priority, from: u64, to: u64) -> f64 {
        let those = || {
            self.between(from, to)
                .filter(move |request| request.priority == priority)
        };
        let refused = those().filter(|request| request.refused);
        refused.count() as f64 / those().count().max(1) as f64
    }
}

/// As long each time.
pub(super) fn always(work: Micros) -> Work {
    Box::new(move |_, _| work)
}

/// Exponentially distributed around `mean`.
pub(super) fn exponential(mean: Micros) -> Work {
    Box::new(move |_, rng| (-(1.0 - rng.unit()).ln() * mean as f64) as Micros + 1)
}

/// As many each second.
pub(super) fn steady(rate: f64) -> Load {
    Box::new(move |_| rate)
}
