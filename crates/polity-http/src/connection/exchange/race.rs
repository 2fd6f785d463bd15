//! Hedging: the same request made of a second instance while the first takes its time, until one of them answers.
//!
//! Only until then are there two. A race ends with the head of an answer that
//! [wins](Exchange::wins), unread yet; the loser is [followed](super::abandoned) by the side, and what
//! follows here is an exchange like any other. Only requests without a body are raced, so
//! that both attempts can be written from the head alone, which is held until the exchange ends.

use std::future::{Future, poll_fn};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Instant;

use super::{Exchanging, broken};
use crate::buffer::Output;
use crate::connection::body::SendState;
use crate::connection::head::{AnswerHead, Waiting};
use crate::connection::request::rewrite;
use crate::head::Framing;
use crate::head::request::{Asks, HeaderSpace};
use crate::limits::MAX_HEADERS;
use crate::policy::{Exchange, Fault, Policy, Racer, Target};
use crate::stream::{Dial, Stream, poll_write_from};
use crate::upstream::Upstream;

/// The attempts that are being made.
struct Race<S> {
    first: Option<Runner<S>>,
    second: Option<Runner<S>>,
    /// When the second is made; none once that has been decided.
    hedge_due: Option<Instant>,
    /// When the second must have been answered, where there is a time for one attempt.
    second_due: Option<Instant>,
}

/// An attempt on its way to the head of its answer.
struct Runner<S> {
    target: Target,
    stage: Stage<S>,
    /// What is to be written.
    output: Output,
    waiting: Waiting,
}

enum Stage<S> {
    Connecting(Connecting<S>),
    Connected(Upstream<S>),
}

type Connecting<S> = Pin<Box<dyn Future<Output = Result<Upstream<S>, Fault>>>>;

impl<P: Policy, D: Dial, S: Stream> Exchanging<'_, P, D, S> {
    /// How long to wait before a second attempt, where there may be one.
    pub(super) fn time_to_hedge(&mut self) -> Option<Duration> {
        let may = self.traits.framing == Framing::None && self.traits.asks != Asks::Upgrade;
        may.then(|| self.exchange.time_to_hedge())?
    }

    /// Has the loser followed to its end; one that was not sent has none to wait for.
    fn let_go(&mut self, loser: Runner<D::Stream>, attempt_due: Option<Instant>) {
        let abandoned = self.exchange.abandon();
        if let (Some(abandoned), Stage::Connected(upstream)) = (abandoned, loser.stage)
            && loser.output.pending().is_empty()
        {
            let due = [self.answer_due, attempt_due].into_iter().flatten().min();
            let address = loser.target.address;
            self.follow(upstream, address, loser.waiting, abandoned, due);
        }
    }

    /// Makes an attempt at `target` and, unless it is answered before, another one `after` a time, which
    /// takes its place in `target` if it wins.
    pub(super) async fn race(
        &mut self,
        target: &mut Target,
        after: Duration,
    ) -> Result<(Upstream<D::Stream>, Result<AnswerHead, Fault>), Fault> {
        let written = self.connection.worker.buffers.output();
        let written = std::mem::replace(self.to_upstream, written);
        let mut race = Race {
            first: Some(self.runner(*target, written)),
            second: None,
            hedge_due: Some(Instant::now() + after),
            second_due: None,
        };
        let winner = poll_fn(|context| self.poll_race(context, &mut race)).await?;
        if let Some((loser, attempt_due)) = race.loser(self.attempt_due) {
            self.let_go(loser, attempt_due);
        }
        *target = winner.target;
        // What of the request was not taken before the answer came never will be.
        self.sending.note(match winner.output.pending() {
            [] => SendState::Sent,
            _ => SendState::Broken,
        });
        let Stage::Connected(mut upstream) = winner.stage else {
            return Err(Fault::Broke);
        };
        let mut waiting = Waiting::default();
        self.arm_for_sending();
        let answered = match self.take_answer(&mut upstream, &mut waiting) {
            Ok(Some(head)) => Ok(head),
            // It is small, and gathered.
            Ok(None) => {
                poll_fn(|context| self.poll_in_time(context, &mut upstream, &mut waiting)).await
            }
            Err(fault) => Err(fault),
        };
        Ok((upstream, answered))
    }

    fn runner(&self, target: Target, output: Output) -> Runner<D::Stream> {
        let worker = self.connection.worker.clone();
        Runner {
            target,
            stage: match worker.reuse(target) {
                Some(upstream) => Stage::Connected(upstream),
                // When the answer is due is seen to by the race.
                None => {
                    Stage::Connecting(Box::pin(async move { worker.connect(target, None).await }))
                }
            },
            output,
            waiting: Waiting::default(),
        }
    }

    /// Goes on with all of it. Ready with the winner, whose input begins with the head of its answer; or
    /// with what went wrong with the last attempt that was left.
    fn poll_race(
        &mut self,
        context: &mut Context<'_>,
        race: &mut Race<D::Stream>,
    ) -> Poll<Result<Runner<D::Stream>, Fault>> {
        loop {
            for racer in [Racer::First, Racer::Second] {
                let ended = self.poll_racer(context, race, racer);
                if ended.is_ready() {
                    return ended;
                }
            }
            if let Poll::Ready(Err(fault)) = self.poll_flush(context) {
                return Poll::Ready(Err(fault));
            }
            if let Poll::Ready(fault) = self.poll_client(context) {
                return Poll::Ready(Err(fault));
            }
            match self.due().into_iter().chain(race.hedge_due).min() {
                Some(due) => self.connection.deadline.set(due),
                None => self.connection.deadline.lift(),
            }
            ready!(self.connection.deadline.poll(context));
            self.go_on(race)?;
        }
    }

    /// Goes on with one of the attempts, if it is there. Ready when that ends the race.
    fn poll_racer(
        &mut self,
        context: &mut Context<'_>,
        race: &mut Race<D::Stream>,
        racer: Racer,
    ) -> Poll<Result<Runner<D::Stream>, Fault>> {
        let Some(mut runner) = race.place(racer).take() else {
            return Poll::Pending;
        };
        let alone = race.is_empty();
        match self.poll_runner(context, &mut runner, (!alone).then_some(racer)) {
            Poll::Ready(Ok(())) => return Poll::Ready(Ok(runner)),
            Poll::Ready(Err(fault)) if alone => return Poll::Ready(Err(fault)),
            Poll::Ready(Err(fault)) => {
                self.lose(race, racer, &fault);
                if let (Fault::Unwanted, Stage::Connected(upstream)) = (fault, runner.stage)
                    && runner.output.pending().is_empty()
                {
                    self.recycle(upstream, runner.target.address);
                }
            }
            Poll::Pending => *race.place(racer) = Some(runner),
        }
        Poll::Pending
    }

    /// Goes on with an attempt until it has won or failed. `racer` says which of two it is, if there are
    /// two.
    fn poll_runner(
        &mut self,
        context: &mut Context<'_>,
        runner: &mut Runner<D::Stream>,
        racer: Option<Racer>,
    ) -> Poll<Result<(), Fault>> {
        loop {
            let upstream = match &mut runner.stage {
                Stage::Connected(upstream) => upstream,
                Stage::Connecting(connecting) => {
                    runner.stage = Stage::Connected(ready!(connecting.as_mut().poll(context))?);
                    continue;
                }
            };
            self.write(context, upstream, &mut runner.output);
            match ready!(upstream.poll_read(context)) {
                Ok(read) if read > 0 => {}
                _ => return Poll::Ready(Err(broken(upstream, &runner.waiting))),
            }
            if runner.waiting.is_due(upstream.input.data())
                && self.has_won(upstream, &mut runner.waiting, racer)?
            {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Writes what the instance takes. One that takes nothing more may have answered nevertheless.
    fn write(
        &mut self,
        context: &mut Context<'_>,
        upstream: &mut Upstream<D::Stream>,
        output: &mut Output,
    ) {
        while !output.pending().is_empty() {
            match poll_write_from(&mut upstream.stream, context, output.pending()) {
                Poll::Ready(Ok(written)) => drop(output.wrote(written)),
                Poll::Ready(Err(_)) | Poll::Pending => return,
            }
            self.sending.note(SendState::Sent);
        }
    }

    /// Whether the final answer has begun, and is one that ends the race.
    fn has_won(
        &mut self,
        upstream: &mut Upstream<D::Stream>,
        waiting: &mut Waiting,
        racer: Option<Racer>,
    ) -> Result<bool, Fault> {
        loop {
            let mut space: HeaderSpace<'_> = [const { MaybeUninit::uninit() }; MAX_HEADERS];
            let Some((head, length)) = waiting.parse(upstream.input.data(), &mut space)? else {
                return Ok(false);
            };
            if head.is_interim() {
                self.interim(&head, waiting)?;
                upstream.input.consume(length);
                continue;
            }
            let now = self.connection.worker.now().into_std();
            return match racer.is_none_or(|racer| self.exchange.wins(racer, &head, now)) {
                true => Ok(true),
                false => Err(Fault::Unwanted),
            };
        }
    }

    /// Something is due: the second attempt, or an answer.
    fn go_on(&mut self, race: &mut Race<D::Stream>) -> Result<(), Fault> {
        if self.due().is_some_and(|due| due <= Instant::now()) {
            return match self.late() {
                Fault::AttemptDeadline if race.first.is_some() && race.second.is_some() => {
                    race.first = None;
                    self.lose(race, Racer::First, &Fault::AttemptDeadline);
                    Ok(())
                }
                fault => Err(fault),
            };
        }
        race.hedge_due = None;
        if let Some(target) = self.exchange.hedge() {
            let mut output = self.connection.worker.buffers.output();
            rewrite(&**self.exchange, self.input.data(), &mut output);
            race.second = Some(self.runner(target, output));
            let time = self.exchange.time_to_attempt();
            race.second_due = time.map(|time| Instant::now() + time);
        }
        Ok(())
    }

    /// One of two has failed.
    fn lose(&mut self, race: &mut Race<D::Stream>, racer: Racer, fault: &Fault) {
        self.exchange.lost(racer, fault);
        if racer == Racer::First {
            // The time of the attempt that is left.
            self.attempt_due = race.second_due;
        }
    }
}

impl<S> Race<S> {
    fn place(&mut self, racer: Racer) -> &mut Option<Runner<S>> {
        match racer {
            Racer::First => &mut self.first,
            Racer::Second => &mut self.second,
        }
    }

    fn is_empty(&self) -> bool {
        self.first.is_none() && self.second.is_none()
    }

    /// The attempt that is left once one has won, if one is, and when it must have been answered. The
    /// first's time is `first_due`.
    fn loser(&mut self, first_due: Option<Instant>) -> Option<(Runner<S>, Option<Instant>)> {
        let first = self.first.take().map(|it| (it, first_due));
        first.or_else(|| Some((self.second.take()?, self.second_due)))
    }
}
