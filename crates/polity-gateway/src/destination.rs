//! Where a request goes: by its route, or by the listener it came in on.

use std::borrow::Cow;
use std::sync::Arc;

use polity_http::{Answer, RequestHead};
use polity_route::{Request, normalise, normalise_host};

use crate::compression::Compression;
use crate::cors::preflight_method;
use crate::policy::{Call, Listener};
use crate::problem::Cause;
use crate::route_name::RouteName;
use crate::service::Service;
use crate::site::{Asked, Site};
use crate::snapshot::{Lead, SiteLead, Snapshot};
use crate::treatment::Treated;

/// Where a request is to go.
pub(crate) enum Destination {
    Service {
        service: Arc<Service>,
        route: Option<RouteName>,
        /// As it was matched.
        path: String,
        /// Path and query to ask for; none for what the client sent.
        target: Option<String>,
        /// Bytes of body it may have.
        body_limit: u64,
        /// What its route does to it and to its answer.
        treated: Option<Box<Treated>>,
        /// What is compressed of its answer, where that is on.
        compression: Option<Box<Compression>>,
    },
    /// To a folder of files.
    Site {
        site: Arc<Site>,
        /// Until it is looked for.
        asked: Option<Box<Asked>>,
        route: RouteName,
        path: String,
    },
    /// No further: the route is answered by the gateway itself.
    Here {
        answer: Answer,
        route: Option<RouteName>,
        path: String,
    },
    Nowhere {
        cause: Cause,
        detail: String,
        path: String,
    },
}

/// A call goes where its listener says, with the path as it is: the caller speaks to that one
/// service and to nothing that its path could be mistaken for.
pub(crate) fn to_callee(snapshot: &Snapshot, call: &Call, head: &RequestHead<'_>) -> Destination {
    let (path, _) = split_query(head.target);
    match snapshot.service(call.callee.as_str()) {
        Some(service) => Destination::whole(service.clone(), path.to_owned()),
        None => Destination::Nowhere {
            cause: Cause::NoRoute,
            detail: format!("`{}` is no longer in the plan", call.callee),
            path: path.to_owned(),
        },
    }
}

/// A request that came in the clear is to be made again, over TLS. What it said in the clear was said already;
/// what comes next need not be.
pub(crate) fn to_https(head: &RequestHead<'_>, listener: &Listener) -> Destination {
    let path = split_query(head.target).0.to_owned();
    if head.authority.is_empty() || !head.target.starts_with('/') {
        return Destination::Nowhere {
            cause: Cause::MalformedRequest,
            detail: "what is served here is served over HTTPS".to_owned(),
            path,
        };
    }
    let (host, port) = match listener {
        Listener::Plain(plain) => plain.secure(head.authority),
        // The very port speaks it.
        Listener::Public | Listener::Call(_) => (head.authority, None),
    };
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let location = ["location: https://", host, &port, head.target, "\r\n"];
    let answer = Answer {
        status: 308,
        fields: location.concat().into_bytes(),
        body: Vec::new(),
    };
    Destination::here(answer, head)
}

/// A request from outside goes where the most specific route leads.
pub(crate) fn by_route(snapshot: &Snapshot, head: &RequestHead<'_>) -> Destination {
    let (raw_path, query) = split_query(head.target);
    let nowhere = |cause, detail| Destination::Nowhere {
        cause,
        detail,
        path: raw_path.to_owned(),
    };
    let path = match normalise(raw_path) {
        Ok(path) => path,
        Err(_) if raw_path == "*" => {
            return nowhere(Cause::NoRoute, "no route is for `*`".to_owned());
        }
        Err(error) => return nowhere(Cause::MalformedRequest, error.to_string()),
    };
    let host = match normalise_host(head.authority) {
        Ok(host) => host,
        Err(error) => return nowhere(Cause::MalformedRequest, error.to_string()),
    };
    let request = Request {
        host: &host,
        path: &path,
        method: head.method,
        has_header: &|name, value| has_header(head, name, value),
    };
    if snapshot.planned.admits_origins
        && let Some(answered) = preflight(snapshot, &request, head)
    {
        return answered;
    }
    let Some(found) = snapshot.planned.routes.find(&request) else {
        let detail = format!("no route is for {} {path}", head.method);
        return nowhere(Cause::NoRoute, detail);
    };
    let route = RouteName::new(found.target.spelling, &path, found.rest);
    match &found.target.lead {
        Lead::Service(lead) => {
            // The places of the routes are those of the same plan's services.
            let Some(service) = snapshot.services.get(lead.service) else {
                return nowhere(Cause::NoRoute, String::new());
            };
            let forwarded = match &lead.rewrite {
                Some(rewrite) => rewrite.apply(&path, found.rest),
                None => Cow::Borrowed(&*path),
            };
            let target = (forwarded != raw_path).then(|| match query {
                Some(query) => format!("{forwarded}?{query}"),
                None => forwarded.into_owned(),
            });
            let treatment = lead.treatment.as_ref();
            Destination::Service {
                service: service.clone(),
                route: Some(route),
                path: path.into_owned(),
                target,
                body_limit: lead.body_limit,
                treated: treatment.map(|it| Box::new(Treated::new(it.clone(), head))),
                compression: Compression::new(&snapshot.planned.plan.gateway.compress, head),
            }
        }
        Lead::Site(lead) => {
            let below = lead.rewrite.apply(&path, found.rest);
            to_site(lead, route, (&path, &below), query, head)
        }
        Lead::Redirect(redirect) => Destination::Here {
            answer: redirect.answer(&path, found.rest, query),
            route: Some(route),
            path: path.into_owned(),
        },
    }
}

/// A request for `path`, of which its route leaves what is `below`.
fn to_site(
    lead: &SiteLead,
    route: RouteName,
    (path, below): (&str, &str),
    query: Option<&str>,
    head: &RequestHead<'_>,
) -> Destination {
    let treated = lead.treatment.clone();
    let treated = treated.map(|it| Box::new(Treated::new(it, head)));
    Destination::Site {
        site: lead.site.clone(),
        asked: Some(Box::new(Asked::new(head, path, below, query, treated))),
        route,
        path: path.to_owned(),
    }
}

/// What a browser asks before it sends a request of another origin's page is answered for the route
/// that would take that request, if it has something to say about it.
fn preflight(
    snapshot: &Snapshot,
    request: &Request<'_>,
    head: &RequestHead<'_>,
) -> Option<Destination> {
    let method = preflight_method(head)?;
    let found = snapshot
        .planned
        .routes
        .find(&Request { method, ..*request })?;
    let treatment = match &found.target.lead {
        Lead::Service(lead) => lead.treatment.as_ref()?,
        Lead::Site(lead) => lead.treatment.as_ref()?,
        Lead::Redirect(_) => return None,
    };
    Some(Destination::Here {
        answer: treatment.preflight(head)?,
        route: Some(RouteName::new(
            found.target.spelling,
            request.path,
            found.rest,
        )),
        path: request.path.to_owned(),
    })
}

impl Destination {
    /// An answer that no route has a part in.
    pub(crate) fn here(answer: Answer, head: &RequestHead<'_>) -> Self {
        Self::Here {
            answer,
            route: None,
            path: split_query(head.target).0.to_owned(),
        }
    }

    /// A service as it is, without a route.
    pub(crate) fn whole(service: Arc<Service>, path: String) -> Self {
        Self::Service {
            service,
            route: None,
            path,
            target: None,
            body_limit: u64::MAX,
            treated: None,
            compression: None,
        }
    }
}

fn split_query(target: &str) -> (&str, Option<&str>) {
    match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    }
}

/// Sent exactly once, with exactly this value.
fn has_header(head: &RequestHead<'_>, name: &str, value: &str) -> bool {
    let mut values = head
        .headers
        .iter()
        .filter(|header| header.name.eq_ignore_ascii_case(name));
    let first = values.next();
    first.is_some_and(|header| header.value == value.as_bytes()) && values.next().is_none()
}
