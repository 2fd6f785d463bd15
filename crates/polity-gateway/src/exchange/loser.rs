//! An attempt that has lost a race: counted at its instance until that is through with it, and judged as any other.
//!
//! What is let go of goes on at most servers. Were it not counted, a slow instance would look idle for having been
//! given up on, and be sent more; were it not judged, one that hangs would never be found out by a
//! service whose requests are answered elsewhere.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use polity_balance::{InFlight, Observation};
use polity_http::{Abandoned, Fault, ResponseHead};
use polity_resilience::outlier::{self, Ending as Ended};

use super::endings::{answered_with, ended};
use crate::failures::Permits;
use crate::instance::Instance;
use crate::load_report;
use crate::moment::moment;
use crate::policy::Thread;
use crate::service::Service;
use crate::statistics::Ending;

/// Until this is dropped, its instance has one request more.
pub(super) struct Loser {
    pub(super) place: InFlight<Instance>,
    pub(super) permit: Option<Permits>,
    pub(super) attempted: Instant,
    pub(super) thread: Rc<Thread>,
    pub(super) service: Arc<Service>,
}

impl Abandoned for Loser {
    fn matters(&self) -> bool {
        // An instance that is to go has nothing to wait for.
        !self.place.endpoint.is_retired()
    }

    fn answered(&mut self, head: &ResponseHead<'_>, at: Instant) {
        if self.service.policy.heeds_reports
            && let Some(report) = load_report::read(head)
        {
            self.place.endpoint.report(&report, moment(at));
        }
        self.end(answered_with(head.status), at);
    }

    fn failed(&mut self, fault: &Fault, at: Instant) {
        let was_closed_before = matches!(fault, Fault::Stale | Fault::Refused);
        if let Some(ended) = ended(fault, None).filter(|_| !was_closed_before) {
            self.end(ended, at);
        }
    }
}

impl Loser {
    fn end(&mut self, ended: Ended, at: Instant) {
        let (service, place) = (&self.service, &self.place);
        if let Some(permit) = self.permit.take() {
            let mut rng = self.thread.rng.borrow_mut();
            permit.report(service, Some(place), ended, at, &mut *rng);
        }
        let took = at.saturating_duration_since(self.attempted);
        let observation = Observation {
            failed: ended != Ended::Success,
            latency: (ended != Ended::NoAnswer).then_some(took),
        };
        place.statistics.note(Ending::from(ended), took);
        let balancer = &service.shared.balancer;
        balancer.observe(&place.endpoint, &observation, moment(at));
        let ended = outlier::Ended {
            ending: ended,
            began: self.attempted,
            at,
        };
        service.judge(place, &ended);
    }
}
