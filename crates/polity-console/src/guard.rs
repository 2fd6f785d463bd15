//! Who may call: a request must name this machine, come from no foreign page, and bring the token.
//!
//! Logs and environments are secrets, so reading needs the token like changing does. The checks of
//! `Host` and `Origin` come first and hold off DNS rebinding: a page whose own name was pointed at
//! this machine sends that name as `Host`. Only `/healthz` and `/readyz` are open, to any host name
//! a load balancer may use: they say nothing that is worth protecting.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header, uri::Authority};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::problem::Problem;
use crate::token::Token;

/// What anybody may ask.
pub(crate) const OPEN_PATHS: [&str; 2] = ["/healthz", "/readyz"];

/// What a request is judged by.
#[derive(Debug)]
pub(crate) struct Guard {
    /// The secret it must bring.
    pub(crate) token: Token,
    /// The address it may name besides this machine's own.
    pub(crate) listen: SocketAddr,
}

/// One connection: whether a request on it has brought the token.
#[derive(Debug, Clone, Default)]
pub(crate) struct Peer(Arc<AtomicBool>);

impl Peer {
    pub(crate) fn is_trusted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Lets a request pass or answers it.
pub(crate) async fn check(
    State(guard): State<Arc<Guard>>,
    Extension(peer): Extension<Peer>,
    request: Request,
    next: Next,
) -> Response {
    if !OPEN_PATHS.contains(&request.uri().path()) {
        if let Err(problem) = guard.judge(&request) {
            return problem.into_response();
        }
        peer.0.store(true, Ordering::Relaxed);
    }
    next.run(request).await
}

impl Guard {
    fn judge(&self, request: &Request) -> Result<(), Problem> {
        let host = named_host(request)
            .filter(|host| self.is_ours(host))
            .ok_or_else(|| {
                forbidden(
                    "foreign-host",
                    "the Host header names neither localhost nor the console's address",
                )
            })?;
        let headers = request.headers();
        if headers.contains_key(header::ORIGIN) && !is_same_origin(headers, &host) {
            let detail = "the request comes from a page of another origin";
            return Err(forbidden("foreign-origin", detail));
        }
        match bearer(headers) {
            Some(given) if self.token.matches(given) => Ok(()),
            Some(_) => Err(unauthorized("the token is not the one in <data>/token")),
            None => Err(unauthorized(
                "send the token in <data>/token as `Authorization: Bearer TOKEN`",
            )),
        }
    }

    /// Whether a host name is this machine's. The port is not compared: a tunnel may change it,
    /// and a page cannot.
    fn is_ours(&self, host: &Authority) -> bool {
        let name = host.host();
        let bare = name.strip_prefix('[').and_then(|n| n.strip_suffix(']'));
        match bare.unwrap_or(name).parse::<IpAddr>() {
            // An address cannot be rebound; listening on all of them, each is ours.
            Ok(ip) => {
                ip.is_loopback() || ip == self.listen.ip() || self.listen.ip().is_unspecified()
            }
            Err(_) => name.eq_ignore_ascii_case("localhost"),
        }
    }
}

/// The one host that the request names, in its target (RFC 9112, 3.2.2) as in its `Host`.
fn named_host(request: &Request) -> Option<Authority> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host: Authority = hosts.next()?.to_str().ok()?.parse().ok()?;
    let in_target = request.uri().authority();
    let agree = in_target.is_none_or(|target| *target == host);
    (hosts.next().is_none() && agree).then_some(host)
}

fn is_same_origin(headers: &HeaderMap, host: &Authority) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let origin = origins.next().and_then(|value| value.to_str().ok());
    let same = origin
        .and_then(|origin| origin.strip_prefix("http://"))
        .is_some_and(|origin| origin.eq_ignore_ascii_case(host.as_str()));
    same && origins.next().is_none()
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    // RFC 9110, 11.1: schemes are compared without regard to case.
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
}

fn forbidden(cause: &str, detail: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, cause, detail)
}

fn unauthorized(detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(listen: &str) -> Guard {
        Guard {
            token: Token::random().expect("random"),
            listen: listen.parse().expect("an address"),
        }
    }

    fn judged(guard: &Guard, target: &str, headers: &[(&str, &str)]) -> u16 {
        let mut request = Request::builder().uri(target);
        for (name, value) in headers {
            let value = value.replace("TOKEN", guard.token.secret());
            request = request.header(*name, value);
        }
        let request = request.body(axum::body::Body::empty()).expect("a request");
        guard
            .judge(&request)
            .map_or_else(|problem| problem.status, |()| 200)
    }

    const TOKEN: (&str, &str) = ("authorization", "Bearer TOKEN");

    #[test]
    fn only_hosts_that_are_this_machine_pass() {
        let loopback = guard("127.0.0.1:7070");
        let check = |guard: &Guard, host, expected| {
            assert_eq!(
                judged(guard, "/", &[("host", host), TOKEN]),
                expected,
                "{host}"
            );
        };
        for ours in [
            "localhost",
            "LOCALHOST:7070",
            "127.0.0.1:7070",
            "127.9.9.9",
            "[::1]:80",
        ] {
            check(&loopback, ours, 200);
        }
        for foreign in [
            "evil.example",
            "localhost.evil.example",
            "10.0.0.7:7070",
            "",
            "[::2]",
        ] {
            check(&loopback, foreign, 403);
        }
        check(&guard("10.0.0.7:7070"), "10.0.0.7:7070", 200);
        check(&guard("10.0.0.7:7070"), "10.0.0.8:7070", 403);
        check(&guard("0.0.0.0:7070"), "10.0.0.8:7070", 200);
        check(&guard("0.0.0.0:7070"), "evil.example", 403);
    }

    #[test]
    fn a_request_names_one_host() {
        let guard = guard("127.0.0.1:7070");
        let local = ("host", "localhost");
        assert_eq!(judged(&guard, "/", &[TOKEN]), 403);
        assert_eq!(judged(&guard, "/", &[local, local, TOKEN]), 403);
        assert_eq!(judged(&guard, "http://localhost/", &[local, TOKEN]), 200);
        assert_eq!(judged(&guard, "http://evil.example/", &[local, TOKEN]), 403);
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        let guard = guard("127.0.0.1:7070");
        let check = |origin, expected| {
            let headers = [("host", "localhost:7070"), ("origin", origin), TOKEN];
            assert_eq!(judged(&guard, "/", &headers), expected, "{origin}");
        };
        check("http://localhost:7070", 200);
        check("http://LOCALHOST:7070", 200);
        check("http://localhost:7071", 403);
        check("https://localhost:7070", 403);
        check("http://evil.example", 403);
        check("null", 403);
        check("", 403);
    }

    #[test]
    fn the_token_is_asked_for_last_and_compared_whole() {
        let guard = guard("127.0.0.1:7070");
        let check = |value, expected| {
            let headers = [("host", "localhost"), ("authorization", value)];
            assert_eq!(judged(&guard, "/", &headers), expected, "{value}");
        };
        check("Bearer TOKEN", 200);
        check("bearer TOKEN", 200);
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "TOKEN",
            "Basic TOKEN",
            "Bearer TOKENa",
            "Bearer xTOKEN",
        ] {
            check(wrong, 401);
        }
        assert_eq!(judged(&guard, "/", &[("host", "localhost")]), 401);
        assert_eq!(judged(&guard, "/", &[("host", "evil.example")]), 403);
    }
}
