//! Public routes lead to HTTP services, and no two claim one request.

use std::collections::BTreeMap;

use polity_route::{HostPattern, PathPattern, Pattern};

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Findings, Span};
use crate::draft::DraftService;
use crate::plan::{Port, Protocol};

pub(super) fn check(services: &[DraftService], findings: &mut Findings) {
    for service in services {
        reachable(service, findings);
    }
    ties(services, findings);
}

fn reachable(service: &DraftService, findings: &mut Findings) {
    let Some(route) = service.routes.first() else {
        return;
    };
    let portless = service
        .service
        .program()
        .is_some_and(|program| program.port == Port::None);
    let (why, other) = if portless {
        ("listens on nothing", service.value_span("port"))
    } else if service.service.protocol == Protocol::Tcp {
        let key = if service.place("protocol").is_some() {
            "protocol"
        } else {
            "url"
        };
        ("does not speak HTTP", service.value_span(key))
    } else {
        return;
    };
    let message = format!("`{}` has a public route and {why}", service.service.name);
    findings.add(
        Diagnostic::new(Code::RouteToNonHttp, message, route.clone())
            .label("requests would come by this route")
            .other(other, format!("it {why} by this"))
            .help("remove one of the two"),
    );
}

type Claim<'a> = (&'a DraftService, &'a Pattern, &'a Span);

fn ties(services: &[DraftService], findings: &mut Findings) {
    // Only routes of one host and one path can tie: ten thousand routes are compared in groups.
    let mut groups: BTreeMap<(&HostPattern, String), Vec<Claim<'_>>> = BTreeMap::new();
    for service in services {
        for (route, span) in service.service.routes.iter().zip(&service.routes) {
            let claims = groups
                .entry((&route.pattern.host, path_key(&route.pattern.path)))
                .or_default();
            let earlier = claims
                .iter()
                .find(|(_, pattern, _)| pattern.ties_with(&route.pattern));
            if let Some((owner, _, first)) = earlier {
                findings.add(tie(owner, service, span, first));
            }
            claims.push((service, &route.pattern, span));
        }
    }
}

fn path_key(path: &PathPattern) -> String {
    match path {
        PathPattern::Exact(path) => format!("={path}"),
        PathPattern::Prefix(path) => path.trim_end_matches('/').to_owned(),
    }
}

fn tie(owner: &DraftService, service: &DraftService, span: &Span, first: &Span) -> Diagnostic {
    let (owner, name) = (&owner.service.name, &service.service.name);
    let message = if owner == name {
        format!("`{name}` claims one route twice")
    } else {
        format!("`{owner}` and `{name}` claim one route")
    };
    Diagnostic::new(Code::RouteTie, message, span.clone())
        .label("the same requests again")
        .other(first.clone(), "claimed here first")
        .help("tell them apart by path, host, method or header, or remove one")
}
