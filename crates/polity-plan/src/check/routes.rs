//! Public routes lead to HTTP services and sites, and no two claim one request.

use std::collections::BTreeMap;

use polity_route::{HostPattern, PathPattern, Pattern};

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Findings, Span};
use crate::draft::{Draft, DraftService};
use crate::plan::{Port, Protocol};

pub(super) fn check(draft: &Draft, findings: &mut Findings) {
    for service in &draft.services {
        reachable(service, findings);
    }
    ties(draft, findings);
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
        Diagnostic::new(Code::RouteToNonHttp, message, route.span.clone())
            .label("requests would come by this route")
            .other(other, format!("it {why} by this"))
            .help("remove one of the two"),
    );
}

/// Who wants a request: a service or a site by its name, or none for a redirect.
struct Claim<'a> {
    owner: Option<&'a str>,
    pattern: &'a Pattern,
    span: &'a Span,
}

fn claims(draft: &Draft) -> impl Iterator<Item = Claim<'_>> {
    let redirects = draft.gateway.redirects.iter().zip(&draft.redirects);
    let redirects = redirects.map(|(redirect, span)| Claim {
        owner: None,
        pattern: &redirect.pattern,
        span,
    });
    let routes = draft.services.iter().flat_map(|service| {
        service.routes.iter().map(|draft| Claim {
            owner: Some(service.service.name.as_str()),
            pattern: &draft.route.pattern,
            span: &draft.span,
        })
    });
    let sites = draft.sites.iter().flat_map(|site| {
        site.routes.iter().map(|draft| Claim {
            owner: Some(site.site.name.as_str()),
            pattern: &draft.route.pattern,
            span: &draft.span,
        })
    });
    redirects.chain(routes).chain(sites)
}

fn ties(draft: &Draft, findings: &mut Findings) {
    // Only routes of one host and one path can tie: ten thousand routes are compared in groups.
    let mut groups: BTreeMap<(&HostPattern, String), Vec<Claim<'_>>> = BTreeMap::new();
    for claim in claims(draft) {
        let earlier = groups
            .entry((&claim.pattern.host, path_key(&claim.pattern.path)))
            .or_default();
        let first = earlier
            .iter()
            .find(|earlier| earlier.pattern.ties_with(claim.pattern));
        if let Some(first) = first {
            findings.add(tie(first, &claim));
        }
        earlier.push(claim);
    }
}

fn path_key(path: &PathPattern) -> String {
    match path {
        PathPattern::Exact(path) => format!("={path}"),
        PathPattern::Prefix(path) => path.trim_end_matches('/').to_owned(),
    }
}

fn tie(first: &Claim<'_>, claim: &Claim<'_>) -> Diagnostic {
    let message = match (first.owner, claim.owner) {
        (Some(owner), Some(name)) if owner == name => format!("`{name}` claims one route twice"),
        (Some(owner), Some(name)) => format!("`{owner}` and `{name}` claim one route"),
        (Some(name), None) | (None, Some(name)) => {
            format!("`{name}` and a redirect claim one route")
        }
        (None, None) => "two redirects claim one route".to_owned(),
    };
    // In the order of the file, whoever was looked at first.
    let (first, again) = match first.span.start < claim.span.start {
        true => (first.span, claim.span),
        false => (claim.span, first.span),
    };
    Diagnostic::new(Code::RouteTie, message, again.clone())
        .label("the same requests again")
        .other(first.clone(), "claimed here first")
        .help("tell them apart by path, host, method or header, or remove one")
}
