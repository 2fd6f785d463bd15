//! The gateway's answers to what the data plane asks about connections and requests.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use polity_core::{ServiceName, SplitMix64};
use polity_http::{Answer, Fault, Policy, Protocol, RequestHead};

use crate::access_log::{Line, LogBuffer};
use crate::builder::SnapshotReader;
use crate::destination::{by_route, to_callee};
use crate::exchange::Exchange;
use crate::fields::Trust;
use crate::overload::Gate;
use crate::problem::{Cause, Reached};
use crate::snapshot::Snapshot;

/// What a listener is for.
#[derive(Debug, Clone)]
pub(crate) enum Listener {
    /// Requests from outside, by route.
    Public,
    /// One service's calls to another.
    Call(Arc<Call>),
}

/// A service that may call another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Call {
    pub(crate) caller: ServiceName,
    pub(crate) callee: ServiceName,
}

/// What a data-plane thread has of its own.
pub(crate) struct Thread {
    snapshot: RefCell<SnapshotReader>,
    pub(crate) rng: RefCell<SplitMix64>,
    pub(crate) log: Option<LogBuffer>,
    pub(crate) gate: Gate,
}

impl Thread {
    /// Looks at the snapshot in force.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Snapshot) -> T) -> T {
        look(self.snapshot.borrow_mut().load())
    }
}

/// The gateway on one data-plane thread.
pub(crate) struct GatewayPolicy {
    thread: Rc<Thread>,
}

impl GatewayPolicy {
    pub(crate) fn new(snapshot: SnapshotReader, log: Option<LogBuffer>, gate: Gate) -> Self {
        Self {
            thread: Rc::new(Thread {
                snapshot: RefCell::new(snapshot),
                rng: RefCell::new(SplitMix64::from_system()),
                log,
                gate,
            }),
        }
    }
}

impl Policy for GatewayPolicy {
    type Listener = Listener;
    type Exchange = Exchange;

    fn protocol(&self, listener: &Listener) -> Protocol {
        let Listener::Call(call) = listener else {
            return Protocol::Http;
        };
        let protocol = self.thread.look(|snapshot| {
            let callee = snapshot.service(call.callee.as_str());
            callee.map(|service| service.policy.protocol)
        });
        match protocol {
            Some(polity_plan::Protocol::Tcp) => Protocol::Tcp,
            Some(polity_plan::Protocol::Http) | None => Protocol::Http,
        }
    }

    fn counts(&self, listener: &Listener, peer: IpAddr) -> bool {
        match listener {
            // A proxy speaks for many.
            Listener::Public => !self.thread.look(|snapshot| snapshot.planned.trusts(peer)),
            // All services of the machine have one address.
            Listener::Call(_) => false,
        }
    }

    fn request(&self, listener: &Listener, peer: SocketAddr, head: &RequestHead<'_>) -> Exchange {
        let (trust, destination) = self.thread.look(|snapshot| match listener {
            Listener::Call(call) => (Trust::Service, to_callee(snapshot, call, head)),
            Listener::Public => {
                let trust = match snapshot.planned.trusts(peer.ip()) {
                    true => Trust::Proxy,
                    false => Trust::Client,
                };
                (trust, by_route(snapshot, head))
            }
        });
        Exchange::new(
            self.thread.clone(),
            listener,
            peer,
            trust,
            head,
            destination,
        )
    }

    fn tunnel(&self, listener: &Listener, peer: SocketAddr) -> Exchange {
        let service = match listener {
            Listener::Call(call) => self
                .thread
                .look(|snapshot| snapshot.service(call.callee.as_str()).cloned()),
            Listener::Public => None,
        };
        Exchange::tunnel(self.thread.clone(), listener, peer, service)
    }

    fn refuse(&self, listener: &Listener, peer: SocketAddr, fault: &Fault) -> Answer {
        let cause = Cause::of(fault);
        let answer = cause.answer(Reached::No, &fault.to_string(), None);
        if let Some(log) = &self.thread.log {
            let mut line = Line::new(peer.ip());
            line.caller = caller(listener);
            line.status = Some(answer.status);
            line.reason = Some(cause.name());
            log.write(&line);
        }
        answer
    }

    fn waited(&self, delay: Duration) {
        let limits = |snapshot: &Snapshot| snapshot.planned.plan.gateway.limits;
        let target = self.thread.look(limits).queue_delay;
        self.thread.gate.waited(delay, target);
    }

    fn tick(&self) {
        // A thread without requests would keep an old one alive.
        self.thread.look(|_| ());
        if let Some(log) = &self.thread.log {
            log.flush();
        }
    }
}

/// The name of the calling service, for calls.
pub(crate) fn caller(listener: &Listener) -> Option<&str> {
    match listener {
        Listener::Public => None,
        Listener::Call(call) => Some(call.caller.as_str()),
    }
}
