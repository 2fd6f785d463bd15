//! A second attempt beside one that is slow: whether there is one, where it goes, and what the race says of both.

use std::time::{Duration, Instant};

use polity_balance::InFlight;
use polity_http::{Fault, Racer, RequestHead, ResponseHead, Reuse, Target};

use super::endings::ended;
use super::loser::Loser;
use super::{Exchange, Unwanted};
use crate::failures::Permits;
use crate::fields::wants_events;
use crate::instance::Instance;
use crate::moment::moment;
use crate::policy::Listener;
use crate::problem::REASON;

/// A request that was sent to a second instance.
pub(super) struct Hedge {
    /// Whichever of the two attempts is not the exchange's current one.
    other: Attempt,
    /// Where the second was sent.
    instance: Instance,
    /// When the first was.
    began: Instant,
}

/// An attempt, until it ends.
struct Attempt {
    place: Option<InFlight<Instance>>,
    permit: Option<Permits>,
    attempted: Instant,
}

impl Exchange {
    /// Whether the request may be sent twice. Not one of a session: another instance does not know it.
    pub(super) fn may_be_hedged(&self, head: &RequestHead<'_>) -> bool {
        self.service()
            .is_some_and(|service| service.shared.hedge.is_some())
            && self.may_be_done_twice()
            && !wants_events(head)
            && self.session.is_none_or(|it| it.instance.is_none())
    }

    /// How long the attempt that is about to be made is waited for; none for as long as it takes.
    pub(super) fn patience(&self) -> Option<Duration> {
        if !self.may_hedge || self.hedge.is_some() {
            return None;
        }
        let hedge = self.service()?.shared.hedge.as_ref()?;
        if self.tried.is_empty() {
            hedge.note_request(self.attempted);
        }
        hedge.after()
    }

    /// Begins the second attempt, where another instance can take it and it may be added to the load.
    pub(super) fn begin_second(&mut self) -> Option<Target> {
        let now = Instant::now();
        let service = self.service()?;
        let hedge = service.shared.hedge.as_ref()?;
        if service.load.is_limited() || hedge.is_crowded(now) {
            // Its instances are busy enough.
            return None;
        }
        let place = self.take_untried(service, now)?;
        let address = place.address()?;
        let permit = service.permit(&place, now).ok()?;
        if !hedge.try_send(now) {
            return None;
        }
        self.hedge = Some(Box::new(Hedge {
            instance: Instance::clone(&place),
            began: self.attempted,
            other: Attempt {
                place: Some(place),
                permit,
                attempted: now,
            },
        }));
        Some(Target {
            address,
            // A stale one would cost the race: there is no time for a third.
            reuse: Reuse::Certain,
            speaks: self.speaks(),
        })
    }

    /// The attempt that is being written, where that is the second.
    pub(super) fn second(&self) -> Option<(&Instance, Instant)> {
        let other = &self.hedge.as_ref()?.other;
        Some((other.place.as_deref()?, other.attempted))
    }

    /// The instance that was asked too, if one was.
    pub(super) fn hedged(&self) -> Option<&Instance> {
        Some(&self.hedge.as_ref()?.instance)
    }

    /// Makes the other of two attempts the current one.
    fn swap(&mut self) {
        if let Some(hedge) = &mut self.hedge {
            std::mem::swap(&mut self.current, &mut hedge.other.place);
            std::mem::swap(&mut self.permit, &mut hedge.other.permit);
            std::mem::swap(&mut self.attempted, &mut hedge.other.attempted);
        }
    }

    /// Whether an answer to one of two attempts is better than waiting for the other's. An error is not:
    /// an instance that fails at once would win all races.
    pub(super) fn wins_race(&mut self, racer: Racer, head: &ResponseHead<'_>, at: Instant) -> bool {
        if racer == Racer::Second {
            self.swap();
        }
        if head.status < 500 && self.covered(head).is_none() {
            self.give_up_other(at);
            self.note_win(racer);
            return true;
        }
        self.hear(head, at);
        self.unwanted = Some(Unwanted {
            status: head.status,
            pause: Duration::ZERO,
        });
        if racer == Racer::Second {
            self.swap();
        }
        false
    }

    fn note_win(&self, racer: Racer) {
        let hedge = self.service().and_then(|it| it.shared.hedge.as_ref());
        if let (Racer::Second, Some(hedge)) = (racer, hedge) {
            hedge.note_win();
        }
    }

    /// Notes of the attempt that has lost how long it was waited for, which is all that is known of it yet.
    fn give_up_other(&mut self, now: Instant) {
        let Some(other) = self.hedge.as_ref().map(|hedge| &hedge.other) else {
            return;
        };
        let waited = now.saturating_duration_since(other.attempted);
        if let (Some(place), Some(service)) = (&other.place, self.service()) {
            let balancer = &service.shared.balancer;
            balancer.observe_given_up(&place.endpoint, waited, moment(now));
        }
    }

    /// The attempt that has lost, as far as its instance knows of it.
    pub(super) fn abandon_other(&mut self) -> Option<Box<Loser>> {
        let service = self.service()?.clone();
        let other = &mut self.hedge.as_mut()?.other;
        let loser = Loser {
            place: other.place.take()?,
            permit: other.permit.take(),
            attempted: other.attempted,
            thread: self.thread.clone(),
            service,
        };
        Some(Box::new(loser))
    }

    /// One of two attempts has failed.
    pub(super) fn lose(&mut self, racer: Racer, fault: &Fault) {
        if racer == Racer::First {
            // It was well that there was another.
            self.note_win(Racer::Second);
        }
        if racer == Racer::Second {
            self.swap();
        }
        let unwanted = self.unwanted.take();
        if let Some(place) = self.leave(fault) {
            let ended = match fault {
                Fault::Stale | Fault::Refused => None,
                _ => ended(fault, unwanted.as_ref()),
            };
            self.attempt_ended(&place, ended, Instant::now());
        }
        self.permit = None;
        self.swap();
    }

    /// Both of two attempts have failed, as far as there are two.
    pub(super) fn lose_second(&mut self, fault: &Fault) {
        if self.second().is_some() {
            self.lose(Racer::Second, fault);
        }
    }

    /// Notes how long the answer took that has come, where that says when a second attempt is made. An
    /// error that comes fast is no sign of speed.
    pub(super) fn note_patience(&self, head: &ResponseHead<'_>, now: Instant) {
        if !self.may_hedge || head.status >= 500 {
            return;
        }
        let service = self.service();
        if let Some(hedge) = service.and_then(|service| service.shared.hedge.as_ref()) {
            let began = self.hedge.as_ref().map_or(self.attempted, |it| it.began);
            hedge.note_answer(now.saturating_duration_since(began), now);
        }
    }

    /// Appends a word on the race to the answer that came of one. Which instance answered is nothing that
    /// clients outside are told.
    pub(super) fn write_race(&self, out: &mut Vec<u8>) {
        let (Some(_), Some(place)) = (&self.hedge, &self.current) else {
            return;
        };
        out.extend_from_slice(REASON.as_bytes());
        out.extend_from_slice(b": hedged");
        if let Listener::Call(_) = self.listener {
            out.extend_from_slice(b"; instance=");
            let graphic = |byte: &u8| byte.is_ascii_graphic();
            out.extend(place.id.as_str().bytes().filter(graphic));
        }
        out.extend_from_slice(b"\r\n");
    }
}
