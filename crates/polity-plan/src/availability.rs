//! How available each public route can be at best, given everything it needs at once.

use std::collections::BTreeSet;

use polity_core::ServiceName;
use polity_route::{HostPattern, PathPattern, Pattern};

use crate::graph::CallGraph;
use crate::plan::Plan;

/// What each service is taken to be up of the time: "three nines", 43 minutes down a month.
pub const SERVICE_AVAILABILITY: f64 = 0.999;

/// Routes below this are warned of: 3.6 hours a month. Five services on one request stay above it,
/// six do not; a plan that is cut well seldom needs more at once, so that the warning means
/// something when it comes.
pub(crate) const LOW: f64 = 0.995;

/// One public route and what it rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteAvailability {
    /// "GET shop.example.com/orders/*".
    pub route: String,
    /// The service it leads to.
    pub service: ServiceName,
    /// That service and all it calls, directly or not.
    pub needs: BTreeSet<ServiceName>,
    /// The part of the time in which all of them are up, each at [`SERVICE_AVAILABILITY`].
    pub availability: f64,
}

impl Plan {
    /// Every public route with the availability that its chain of calls multiplies to, the lowest
    /// first. It is what holds when every request needs every declared call.
    pub fn availability(&self) -> Vec<RouteAvailability> {
        let graph = CallGraph::of(&self.services);
        let mut routes = Vec::new();
        for (index, service) in graph.services.iter().enumerate() {
            if service.routes.is_empty() {
                continue;
            }
            let needs = graph.reach([index]).into_iter();
            let needs: BTreeSet<_> = needs.map(|member| graph.name(member).clone()).collect();
            routes.extend(service.routes.iter().map(|route| RouteAvailability {
                route: describe(&route.pattern),
                service: service.name.clone(),
                availability: multiplied(needs.len()),
                needs: needs.clone(),
            }));
        }
        routes.sort_by(|one, other| one.availability.total_cmp(&other.availability));
        routes
    }
}

/// The availability of something that needs so many services at once.
pub(crate) fn multiplied(services: usize) -> f64 {
    SERVICE_AVAILABILITY.powi(i32::try_from(services).unwrap_or(i32::MAX))
}

fn describe(pattern: &Pattern) -> String {
    let methods: Vec<&str> = pattern.methods.iter().map(String::as_str).collect();
    let host = match &pattern.host {
        HostPattern::Exact(host) => host.clone(),
        HostPattern::Wildcard(suffix) => format!("*.{suffix}"),
        HostPattern::Any => String::new(),
    };
    let path = match &pattern.path {
        PathPattern::Exact(path) => path.clone(),
        PathPattern::Prefix(path) => format!("{}/*", path.trim_end_matches('/')),
    };
    let headers = pattern.headers.iter();
    let headers: String = headers
        .map(|(name, value)| format!(" {name}: {value}"))
        .collect();
    let methods = match methods.join(",") {
        none if none.is_empty() => none,
        some => format!("{some} "),
    };
    format!("{methods}{host}{path}{headers}")
}
