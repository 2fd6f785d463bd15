//! The gateway's answers to what the data plane asks about connections and requests.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use polity_core::{ServiceName, SplitMix64};
use polity_http::text::AddressText;
use polity_http::{Answer, Fault, Peer, Policy, Protocol, RequestHead, Scheme};
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;

use crate::access_log::{Line, LogBuffer};
use crate::builder::SnapshotReader;
use crate::bulkheads::Pair;
use crate::destination::{Destination, by_route, to_callee, to_https};
use crate::exchange::Exchange;
use crate::fields::{Trust, came_over_tls};
use crate::overload::Gate;
use crate::plain::PlainPort;
use crate::problem::{Cause, Reached};
use crate::snapshot::Snapshot;
use crate::tls;

/// What a listener is for.
#[derive(Debug, Clone)]
pub(crate) enum Listener {
    /// Requests from outside, by route.
    Public,
    /// Requests from outside that are sent to HTTPS.
    Plain(Arc<PlainPort>),
    /// One service's calls to another.
    Call(Arc<Pair>),
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
    /// For connections from outside.
    tls: tls::InForce,
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
    pub(crate) fn new(
        snapshot: SnapshotReader,
        log: Option<LogBuffer>,
        gate: Gate,
        tls: tls::InForce,
    ) -> Self {
        Self {
            thread: Rc::new(Thread {
                snapshot: RefCell::new(snapshot),
                rng: RefCell::new(SplitMix64::from_system()),
                log,
                gate,
                tls,
            }),
        }
    }
}

impl Policy for GatewayPolicy {
    type Listener = Listener;
    type Exchange = Exchange;

    fn protocol(&self, listener: &Listener) -> Protocol {
        let Listener::Call(pair) = listener else {
            return Protocol::Http;
        };
        let protocol = self.thread.look(|snapshot| {
            let callee = snapshot.service(pair.call.callee.as_str());
            callee.map(|service| service.policy.protocol)
        });
        match protocol {
            Some(polity_plan::Protocol::Tcp) => Protocol::Tcp,
            _ => Protocol::Http,
        }
    }

    fn counts(&self, listener: &Listener, peer: IpAddr) -> bool {
        match listener {
            // A proxy speaks for many.
            Listener::Public | Listener::Plain(_) => {
                !self.thread.look(|snapshot| snapshot.planned.trusts(peer))
            }
            // All services of the machine have one address.
            Listener::Call(_) => false,
        }
    }

    fn tls(&self, listener: &Listener) -> Option<Arc<ServerConfig>> {
        match listener {
            Listener::Public => self.thread.tls.config(),
            Listener::Plain(_) | Listener::Call(_) => None,
        }
    }

    fn identify(&self, certificate: &CertificateDer<'_>) -> Option<Arc<str>> {
        tls::identify(certificate)
    }

    fn request(
        &self,
        listener: &Listener,
        peer: Peer,
        head: &RequestHead<'_>,
        at: Instant,
    ) -> Exchange {
        let (trust, destination, hsts) = self.thread.look(|snapshot| match listener {
            Listener::Call(pair) => {
                let destination = to_callee(snapshot, &pair.call, head);
                (Trust::Service, destination, None)
            }
            Listener::Public | Listener::Plain(_) => {
                let trust = match snapshot.planned.trusts(peer.address.ip()) {
                    true => Trust::Proxy,
                    false => Trust::Client,
                };
                let wants_tls = snapshot.planned.plan.gateway.tls.is_some();
                // A proxy that ends TLS may speak in the clear from there on: sent to HTTPS, it would come
                // back as it came.
                let proof = (snapshot.planned.proves_hosts)
                    .then(|| self.thread.tls.proof(head.target))
                    .flatten();
                let is_over_tls = || came_over_tls(head, trust, peer.scheme);
                let destination = match (proof, peer.scheme) {
                    (Some(proof), _) => Destination::here(proof, head),
                    (None, Scheme::Http) if wants_tls && !is_over_tls() => to_https(head, listener),
                    _ => by_route(snapshot, head),
                };
                let hsts = snapshot.planned.hsts.as_ref();
                (trust, destination, hsts.filter(|_| is_over_tls()).cloned())
            }
        });
        let mut exchange = Exchange::new(
            self.thread.clone(),
            listener,
            peer,
            trust,
            head,
            destination,
            at,
        );
        exchange.hsts = hsts;
        exchange
    }

    fn tunnel(&self, listener: &Listener, peer: SocketAddr) -> Exchange {
        let service = match listener {
            Listener::Call(pair) => self
                .thread
                .look(|snapshot| snapshot.service(pair.call.callee.as_str()).cloned()),
            Listener::Public | Listener::Plain(_) => None,
        };
        let peer = Peer {
            address: peer,
            scheme: Scheme::Http,
            identity: None,
        };
        Exchange::tunnel(self.thread.clone(), listener, peer, service)
    }

    fn refuse(&self, listener: &Listener, peer: SocketAddr, bytes: &[u8], fault: &Fault) -> Answer {
        let cause = Cause::of(fault);
        let answer = cause.answer(Reached::No, &fault.to_string(), None, None);
        if let Some(log) = &self.thread.log {
            let mut line = Line::new(AddressText::new(peer.ip()));
            line.caller = caller(listener);
            (line.method, line.path) = method_and_path(bytes);
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

/// The longest method and the longest path that are logged of what is no request.
const MAX_LOGGED_METHOD: usize = 32;
const MAX_LOGGED_PATH: usize = 1024;

/// What the first line of a malformed request says, as far as that is sure: each is empty unless it
/// is well-formed by itself, and no query is told. An absolute target may hold a password.
fn method_and_path(bytes: &[u8]) -> (&str, &str) {
    let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
    let mut words = bytes.split(|byte| matches!(byte, b' ' | b'\r' | b'\n'));
    let (method, target) = (words.next(), words.next());
    let method = method.filter(|method| {
        let is_token = method.iter().all(u8::is_ascii_uppercase);
        is_token && method.len() <= MAX_LOGGED_METHOD && method.len() < bytes.len()
    });
    let path = target.filter(|_| method.is_some());
    let path = path.and_then(|target| target.split(|byte| *byte == b'?').next());
    let path = path.filter(|path| {
        let is_path = path.starts_with(b"/") && path.iter().all(u8::is_ascii_graphic);
        is_path && path.len() <= MAX_LOGGED_PATH
    });
    (
        method.map(text).unwrap_or_default(),
        path.map(text).unwrap_or_default(),
    )
}

/// The name of the calling service, for calls.
pub(crate) fn caller(listener: &Listener) -> Option<&str> {
    match listener {
        Listener::Public | Listener::Plain(_) => None,
        Listener::Call(pair) => Some(pair.call.caller.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_is_no_request_only_what_is_sure_is_told() {
        let check = |bytes: &[u8], method, path| {
            assert_eq!(method_and_path(bytes), (method, path), "{bytes:?}");
        };
        check(
            b"POST /a/b?secret HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
            "POST",
            "/a/b",
        );
        check(b"GET /slow", "GET", "/slow");
        check(b"GET", "", "");
        check(b"GET /\x1b[31m HTTP/1.1\r\n", "GET", "");
        check(b"GET http://me:password@a/ HTTP/1.1\r\n", "GET", "");
        check(b"\x16\x03\x01 /a \x02", "", "");
        check(b"what is this\r\n\r\n", "", "");
        check(&[b'A'; 40_000], "", "");
        check(
            [b"GET /", [b'a'; 40_000].as_slice()].concat().as_slice(),
            "GET",
            "",
        );
    }
}
