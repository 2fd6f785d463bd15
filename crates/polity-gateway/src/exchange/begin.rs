//! The beginning of an exchange: what is read of the request's head, once.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use polity_http::text::AddressText;
use polity_http::{Peer, RequestHead};

use super::Exchange;
use crate::destination::Destination;
use crate::fields::Trust;
use crate::policy::{Listener, Thread};
use crate::problem::Cause;
use crate::service::Service;
use crate::site::TIME_TO_FIND;
use crate::trace::{RequestId, TraceParent};

impl Exchange {
    /// A request of `trust` that came `at`, to `destination`.
    pub(crate) fn new(
        thread: Rc<Thread>,
        listener: &Listener,
        peer: Peer,
        trust: Trust,
        head: &RequestHead<'_>,
        destination: Destination,
        at: Instant,
    ) -> Self {
        let mut exchange = Self::begin(thread, listener, peer, destination, at);
        let mut rng = exchange.thread.rng.borrow_mut();
        let request_id = RequestId::new(head.header("x-request-id"), &mut *rng);
        let trace = head.header("traceparent").and_then(TraceParent::parse);
        let trace = trace.unwrap_or_else(|| TraceParent::new(&mut *rng));
        drop(rng);
        let planned = match &exchange.destination {
            Destination::Service { service, .. } => Some(service.policy.timeout),
            Destination::Site { .. } => Some(TIME_TO_FIND),
            Destination::Here { .. } | Destination::Nowhere { .. } => None,
        };
        let asked = match trust {
            Trust::Client => None,
            Trust::Proxy | Trust::Service => asked_timeout(head),
        };
        exchange.call = exchange.call_of(head);
        let called = exchange.call.as_ref().and_then(|call| call.due);
        let asked = asked
            .into_iter()
            .chain(called.map(|due| due.saturating_duration_since(at)));
        exchange.timeout = planned.into_iter().chain(asked).min().unwrap_or_default();
        exchange.trust = trust;
        exchange.method = known(head.method);
        exchange.request_id = request_id;
        exchange.trace = Some(trace);
        exchange.key = exchange.key_of(head);
        exchange.session = exchange.session_of(head);
        exchange.may_hedge = exchange.may_be_hedged(head);
        exchange
    }

    /// A connection that is not HTTP: what passes through it is not ours to read or to add to.
    pub(crate) fn tunnel(
        thread: Rc<Thread>,
        listener: &Listener,
        peer: Peer,
        service: Option<Arc<Service>>,
    ) -> Self {
        let path = String::new();
        let destination = match service {
            Some(service) => Destination::whole(service, path),
            None => Destination::Nowhere {
                cause: Cause::NoRoute,
                detail: String::new(),
                path,
            },
        };
        let now = Instant::now();
        let mut exchange = Self::begin(thread, listener, peer, destination, now);
        exchange.method = Cow::Borrowed("TCP");
        exchange.key = exchange.key_of_connection();
        exchange
    }

    fn begin(
        thread: Rc<Thread>,
        listener: &Listener,
        peer: Peer,
        destination: Destination,
        now: Instant,
    ) -> Self {
        Self {
            thread,
            listener: listener.clone(),
            peer: AddressText::new(peer.address.ip()),
            scheme: peer.scheme,
            identity: peer.identity,
            hsts: None,
            trust: Trust::Service,
            arrived: now,
            received: None,
            method: Cow::Borrowed(""),
            destination,
            request_id: RequestId::None,
            trace: None,
            timeout: Duration::MAX,
            key: None,
            session: None,
            admission: None,
            current: None,
            tried: Vec::new(),
            attempts: 0,
            stale: 0,
            backoff: None,
            permit: None,
            may_hedge: false,
            hedge: None,
            unwanted: None,
            was_sent: false,
            retried: None,
            attempted: now,
            upstream_time: None,
            reason: None,
            call: None,
        }
    }
}

/// A method that outlives its head; the usual ones without an allocation.
fn known(method: &str) -> Cow<'static, str> {
    const USUAL: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    match USUAL.into_iter().find(|usual| *usual == method) {
        Some(usual) => Cow::Borrowed(usual),
        None => Cow::Owned(method.to_owned()),
    }
}

fn asked_timeout(head: &RequestHead<'_>) -> Option<Duration> {
    let value = std::str::from_utf8(head.header("x-request-timeout-ms")?).ok()?;
    value.parse().ok().map(Duration::from_millis)
}
