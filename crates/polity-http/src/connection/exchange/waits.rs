//! How long an exchange waits, and for whom: the client, the instance, or the answer's deadline over all attempts.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::Exchanging;
use crate::connection::body::SendState;
use crate::policy::{Exchange, Fault, Policy};
use crate::stream::{Dial, Stream};

impl<P: Policy, D: Dial, S: Stream> Exchanging<'_, P, D, S> {
    /// The request is all there: from here on the answer is what is waited for.
    pub(super) fn note_received(&mut self) {
        if self.answer_due.is_none()
            && let Some(time) = self.exchange.time_to_answer()
        {
            let now = self.connection.worker.now();
            self.exchange.received(now.into_std());
            self.answer_due = Some(now + time);
        }
        if self.attempt_due.is_none()
            && let Some(time) = self.exchange.time_to_attempt()
        {
            self.attempt_due = Some(self.connection.worker.now() + time);
        }
    }

    /// When an answer to the attempt must have begun.
    pub(super) fn due(&self) -> Option<Instant> {
        let all = [self.answer_due, self.attempt_due, self.ends_by()];
        all.into_iter().flatten().min()
    }

    /// When all of it must be over.
    pub(super) fn ends_by(&self) -> Option<Instant> {
        self.exchange.ends_by().map(Instant::from_std)
    }

    /// What has failed once a wait was too long: one attempt of the request, or the request itself.
    pub(super) fn late(&self) -> Fault {
        let now = Instant::now();
        match self.attempt_due.is_some_and(|due| due <= now) && !self.is_overdue() {
            true => Fault::AttemptDeadline,
            false => Fault::Deadline,
        }
    }

    /// The time for the answer; while the request is on its way, that for either side to move.
    pub(in crate::connection) fn arm_for_sending(&mut self) {
        let permission_due = self.awaits_permission();
        let (unsent, due) = (self.unsent(), self.due());
        let worker = &self.connection.worker;
        let (timeouts, now) = (worker.timeouts(), worker.now());
        let deadline = &mut self.connection.deadline;
        match due {
            Some(due) => deadline.set(due),
            None if self.sending.state() != SendState::Flowing => deadline.lift(),
            None if permission_due => deadline.set_after(timeouts.permission),
            None if self.exchange.may_fall_silent() => deadline.set(now + timeouts.stream_idle),
            None => {
                let sent = self.sending.bytes();
                deadline.set(match unsent {
                    0 => self.pace.wait(timeouts.of_body(), sent, now),
                    _ => {
                        self.pace.rest(timeouts.of_body(), sent, now);
                        now + timeouts.body
                    }
                });
            }
        }
    }

    pub(super) fn overdue(&self) -> Fault {
        match self.unsent() == 0 && !self.sending.is_received() && !self.is_overdue() {
            true => Fault::ClientTooSlow,
            false => self.late(),
        }
    }

    /// While nothing of the answer is here, progress of the request moves its deadline.
    pub(super) fn arm_if_waiting(&mut self) {
        if self.exchange.status.is_none() {
            self.arm_for_sending();
        }
    }

    /// Waits for `pause`, or until the answer is overdue. False when the client goes away before.
    pub(super) async fn pause(&mut self, pause: Duration) -> bool {
        if pause.is_zero() {
            return true;
        }
        let end = Instant::now() + pause;
        let end = self.answer_due.map_or(end, |due| due.min(end));
        self.unless_gone(sleep_until(end)).await.is_ok()
    }

    /// Whether the answer should have begun by now.
    pub(super) fn is_overdue(&self) -> bool {
        let due = [self.answer_due, self.ends_by()];
        due.into_iter().flatten().any(|due| due <= Instant::now())
    }
}
