//! Requests that are not let in, and those that no instance can be given: the answers made here.

use std::time::Duration;

use polity_http::Answer;

use super::Exchange;
use super::attempts::Nowhere;
use crate::overload::Caller;
use crate::policy::Listener;
use crate::problem::{Cause, Reached};

impl Exchange {
    /// Lets the request in, once.
    pub(super) fn admit(&mut self) -> Result<(), Answer> {
        let Some(service) = self.service().filter(|_| self.admission.is_none()) else {
            return Ok(());
        };
        let from = match &self.listener {
            Listener::Public | Listener::Plain(_) => Caller::Outside,
            Listener::Call(pair) => Caller::Service(pair),
        };
        let mut rng = self.thread.rng.borrow_mut();
        let admitted = self
            .thread
            .gate
            .admit(service, from, &mut *rng, self.arrived);
        drop(rng);
        match admitted {
            Ok(admission) => {
                self.admission = Some(admission);
                Ok(())
            }
            Err(refusal) => Err(self.give(refusal.cause(), Reached::No, refusal.detail())),
        }
    }

    pub(super) fn give(&mut self, cause: Cause, reached: Reached, detail: &str) -> Answer {
        self.give_until(cause, reached, detail, None)
    }

    /// The same, for a client that may try again after `later`.
    fn give_until(
        &mut self,
        cause: Cause,
        reached: Reached,
        detail: &str,
        later: Option<Duration>,
    ) -> Answer {
        self.reason = Some(cause.name());
        let answer = cause.answer(reached, detail, self.request_id.as_str(), later);
        let mut answer = self.put(cause, detail, answer);
        if let Some(treated) = self.treated() {
            treated.dress(&mut answer);
        }
        self.secured(answer)
    }

    /// The answer to a request that there is no place for.
    pub(super) fn give_nowhere(&mut self, nowhere: &Nowhere) -> Answer {
        let reached = match self.was_sent {
            true => Reached::Maybe,
            false => Reached::No,
        };
        let Some(service) = self.service() else {
            return self.give(Cause::NoInstance, reached, "");
        };
        match nowhere {
            Nowhere::NoInstance => {
                let detail = service.why_nowhere();
                self.give(Cause::NoInstance, reached, &detail)
            }
            Nowhere::Rejected(rejected) => {
                let detail = format!("`{}`: {rejected}", service.name);
                self.give_until(Cause::CircuitOpen, reached, &detail, rejected.remaining)
            }
        }
    }
}
