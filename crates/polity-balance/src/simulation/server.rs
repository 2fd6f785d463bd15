//! A server: workers, a bounded queue, and what is wrong with it.

use std::collections::VecDeque;
use std::time::Duration;

use super::scenario::{Episode, Fault, ServerSpec};
use crate::ProbeAnswer;

/// The state of one server.
#[derive(Debug)]
pub(super) struct Server<'a> {
    spec: &'a ServerSpec,
    busy: usize,
    queue: VecDeque<usize>,
    paused_until: Duration,
    /// All pauses so far, the present one to its end.
    paused: Duration,
    /// What answers take to requests that met so many others here: moving averages.
    latencies: Vec<Duration>,
}

/// The share of an answer in the average: about the last 16 count.
const LATENCY_GAIN: f64 = 1.0 / 16.0;

/// What becomes of a request on its arrival.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is worked on from now.
    Starts,
    /// It waits for a worker.
    Waits,
    /// There is no room: an error, at once.
    Overflows,
    /// It is answered with an error.
    FailsFast,
    /// The connection is refused.
    Refused,
    /// Nothing, ever.
    Lost,
}

/// What a server says of itself in an answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Load {
    /// Requests being worked on or waiting.
    pub(super) in_flight: u32,
    /// The same over the number of workers: 1 where all work and none waits.
    pub(super) utilization: f32,
}

impl<'a> Server<'a> {
    pub(super) fn new(spec: &'a ServerSpec) -> Self {
        Self {
            spec,
            busy: 0,
            queue: VecDeque::new(),
            paused_until: Duration::ZERO,
            paused: Duration::ZERO,
            latencies: Vec::new(),
        }
    }

    pub(super) fn admit(&mut self, request: usize, now: Duration) -> Admission {
        for episode in self.present(now) {
            match episode.fault {
                Fault::FailsFast => return Admission::FailsFast,
                Fault::Refuses => return Admission::Refused,
                Fault::Hangs => return Admission::Lost,
                _ => {}
            }
        }
        if self.busy < self.spec.workers {
            self.busy += 1;
            return Admission::Starts;
        }
        if self.queue.len() < self.spec.queue {
            self.queue.push_back(request);
            return Admission::Waits;
        }
        Admission::Overflows
    }

    /// When work begun now ends, should no pause come between.
    pub(super) fn end_of(&self, work: Duration, now: Duration) -> Duration {
        let mut slowdown = 1.0 / self.spec.speed;
        let mut delay = Duration::ZERO;
        for episode in self.present(now) {
            match episode.fault {
                Fault::Slowdown(factor) => slowdown *= factor,
                Fault::ColdStart { slowdown: most, .. } => {
                    slowdown *= 1.0 + (most - 1.0) * left(episode, now);
                }
                Fault::Delay(by) => delay += by,
                _ => {}
            }
        }
        self.awake(now) + work.mul_f64(slowdown) + delay
    }

    /// Now, or when its pause is over.
    pub(super) fn awake(&self, now: Duration) -> Duration {
        now.max(self.paused_until)
    }

    /// How long it has stood still in all.
    pub(super) fn paused(&self) -> Duration {
        self.paused
    }

    pub(super) fn pause(&mut self, length: Duration, now: Duration) {
        self.paused_until = now + length;
        self.paused += length;
    }

    /// The share of answers that are errors.
    pub(super) fn errors(&self, now: Duration) -> f64 {
        let share = |episode: &Episode| match episode.fault {
            Fault::Errors(share) => share,
            Fault::ColdStart { errors, .. } => errors * left(episode, now),
            _ => 0.0,
        };
        self.present(now).map(share).fold(0.0, f64::max)
    }

    /// A worker is done; gives the request it takes next.
    pub(super) fn finish(&mut self) -> Option<usize> {
        let next = self.queue.pop_front();
        if next.is_none() {
            self.busy -= 1;
        }
        next
    }

    /// Notes that an answer took `latency` from the arrival here of its request, which met `others`.
    pub(super) fn answered(&mut self, latency: Duration, others: u32) {
        let others = others as usize;
        if self.latencies.len() <= others {
            self.latencies.resize(others + 1, Duration::ZERO);
        }
        let mean = &mut self.latencies[others];
        *mean = match mean.is_zero() {
            true => latency,
            false => mean.mul_f64(1.0 - LATENCY_GAIN) + latency.mul_f64(LATENCY_GAIN),
        };
    }

    /// What a request would take that came now (Prequal, section 4.2): of the numbers of others, the
    /// nearest to the present one that something is known of.
    fn latency(&self) -> Duration {
        let now = self.load().in_flight as usize;
        let known = self.latencies.iter().enumerate();
        let known = known.filter(|(_, latency)| !latency.is_zero());
        let nearest = known.min_by_key(|(others, _)| others.abs_diff(now));
        nearest.map_or(Duration::ZERO, |(_, latency)| *latency)
    }

    /// What it says when it is asked how busy it is; nothing while nothing comes from it.
    pub(super) fn probed(&self, now: Duration) -> Option<ProbeAnswer> {
        let mut episodes = self.present(now);
        let silent = episodes.any(|it| matches!(it.fault, Fault::Refuses | Fault::Hangs));
        let stands_still = now < self.paused_until;
        (!silent && !stands_still).then(|| ProbeAnswer {
            in_flight: self.load().in_flight,
            latency: self.latency(),
        })
    }

    pub(super) fn load(&self) -> Load {
        let in_flight = self.busy + self.queue.len();
        Load {
            in_flight: u32::try_from(in_flight).unwrap_or(u32::MAX),
            utilization: in_flight as f32 / self.spec.workers as f32,
        }
    }

    fn present(&self, now: Duration) -> impl Iterator<Item = &'a Episode> + use<'a> {
        let episodes = self.spec.episodes.iter();
        episodes.filter(move |episode| (episode.from..episode.until).contains(&now))
    }
}

/// The share of an episode that is yet to come.
fn left(episode: &Episode, now: Duration) -> f64 {
    let length = episode.until - episode.from;
    (episode.until - now).div_duration_f64(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn with(fault: Fault) -> ServerSpec {
        ServerSpec {
            workers: 2,
            queue: 1,
            speed: 2.0,
            episodes: vec![Episode {
                from: SECOND * 10,
                until: SECOND * 20,
                fault,
            }],
            ..ServerSpec::default()
        }
    }

    #[test]
    fn workers_and_then_the_queue_are_filled_and_the_rest_overflows() {
        let spec = with(Fault::Errors(0.0));
        let mut server = Server::new(&spec);
        let admitted = [1, 2, 3, 4].map(|request| server.admit(request, SECOND));
        use Admission::*;
        assert_eq!(admitted, [Starts, Starts, Waits, Overflows]);
        assert_eq!(
            (server.load().in_flight, server.load().utilization),
            (3, 1.5)
        );
        assert_eq!(
            [server.finish(), server.finish(), server.finish()],
            [Some(3), None, None]
        );
        assert_eq!(server.load().in_flight, 0);
    }

    #[test]
    fn work_takes_what_speed_and_faults_make_of_it() {
        let takes = |fault, at: u32| {
            let spec = with(fault);
            let now = SECOND * at;
            (Server::new(&spec).end_of(SECOND, now) - now).as_secs_f64()
        };
        assert_eq!(takes(Fault::Slowdown(4.0), 9), 0.5);
        assert_eq!(takes(Fault::Slowdown(4.0), 10), 2.0);
        assert_eq!(takes(Fault::Slowdown(4.0), 20), 0.5);
        assert_eq!(takes(Fault::Delay(SECOND), 15), 1.5);
        let cold = Fault::ColdStart {
            slowdown: 5.0,
            errors: 0.4,
        };
        assert_eq!(
            [takes(cold, 10), takes(cold, 15), takes(cold, 20)],
            [2.5, 1.5, 0.5]
        );
    }

    #[test]
    fn a_cold_server_errs_less_and_less() {
        let spec = with(Fault::ColdStart {
            slowdown: 1.0,
            errors: 0.4,
        });
        let server = Server::new(&spec);
        assert_eq!(
            [10, 15, 20].map(|at| server.errors(SECOND * at)),
            [0.4, 0.2, 0.0]
        );
    }

    #[test]
    fn a_paused_server_neither_works_nor_answers_questions() {
        let spec = with(Fault::Errors(0.0));
        let mut server = Server::new(&spec);
        server.pause(SECOND * 3, SECOND);
        assert_eq!(server.end_of(SECOND * 2, SECOND * 2), SECOND * 5);
        assert_eq!(
            (server.probed(SECOND * 3), server.paused()),
            (None, SECOND * 3)
        );
        assert!(server.probed(SECOND * 4).is_some());
    }
}
