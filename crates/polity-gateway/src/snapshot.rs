//! What the data plane reads: routes, policies and instances as of one moment, behind one pointer.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use polity_core::ServiceName;
use polity_plan::{Network, Plan, Tls};
use polity_route::{Pattern, Rewrite, RouteTable};

use crate::exchange::hsts_line;
use crate::redirect::Redirect;
use crate::route_name::Spelling;
use crate::service::Service;
use crate::site::Site;
use crate::treatment::Treatment;

/// One moment's view. Services that did not change are shared with the snapshots around it.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) planned: Arc<Planned>,
    /// In the order of `planned.places`.
    pub(crate) services: Vec<Arc<Service>>,
}

/// What follows from the plan alone: kept as long as the plan is, whatever the instances do.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) plan: Arc<Plan>,
    pub(crate) routes: RouteTable<RouteTarget>,
    /// Whether any route has rules for pages of other origins.
    pub(crate) admits_origins: bool,
    pub(crate) places: BTreeMap<ServiceName, usize>,
    /// In the order of the plan's.
    sites: Vec<Arc<Site>>,
    /// The line by which browsers are told to come by HTTPS alone.
    pub(crate) hsts: Option<Arc<[u8]>>,
    /// Whether authorities ask here whether hosts are ours.
    pub(crate) proves_hosts: bool,
}

/// A route's end. There may be thousands, each request has another, and each line of memory that it
/// has to wait for is felt: what few routes have is behind a pointer.
#[derive(Debug)]
pub(crate) struct RouteTarget {
    pub(crate) spelling: Spelling,
    pub(crate) lead: Lead,
}

/// Where a route leads.
#[derive(Debug)]
pub(crate) enum Lead {
    Service(ServiceLead),
    Site(Box<SiteLead>),
    Redirect(Box<Redirect>),
}

/// To a service.
#[derive(Debug)]
pub(crate) struct ServiceLead {
    /// A place in [`Snapshot::services`].
    pub(crate) service: usize,
    /// None where the path stays as it is.
    pub(crate) rewrite: Option<Box<Rewrite>>,
    /// Bytes of a request's body.
    pub(crate) body_limit: u64,
    pub(crate) treatment: Option<Arc<Treatment>>,
}

/// To a folder of files.
#[derive(Debug)]
pub(crate) struct SiteLead {
    pub(crate) site: Arc<Site>,
    pub(crate) rewrite: Rewrite,
    pub(crate) treatment: Option<Arc<Treatment>>,
}

impl Planned {
    /// What follows from a plan in `folder`. Of what was in force `before`, what has not changed is kept.
    pub(crate) fn new(plan: Arc<Plan>, folder: &Path, before: Option<&Planned>) -> Self {
        let names = plan.services.keys().cloned();
        let services = plan.services.values().enumerate();
        let services = services.flat_map(|(place, service)| {
            let routes = service.routes.iter();
            routes.map(move |route| target(&route.pattern, to_service(place, route)))
        });
        let redirects = plan.gateway.redirects.iter().map(|redirect| {
            let lead = Lead::Redirect(Box::new(Redirect::new(redirect)));
            target(&redirect.pattern, lead)
        });
        let sites: Vec<_> = plan
            .sites
            .values()
            .map(|site| {
                let compress = &plan.gateway.compress;
                let kept = before.filter(|it| it.plan.gateway.compress == *compress);
                let kept = kept.and_then(|before| before.site(site));
                kept.unwrap_or_else(|| Arc::new(Site::new(site, compress, folder)))
            })
            .collect();
        let files = plan.sites.values().zip(&sites).flat_map(|(planned, site)| {
            let routes = planned.routes.iter();
            routes.map(move |route| target(&route.pattern, to_site(site, route)))
        });
        let of_services = plan.services.values().flat_map(|service| &service.routes);
        let of_sites = plan.sites.values().flat_map(|site| &site.routes);
        let mut routes = of_services.chain(of_sites);
        Self {
            admits_origins: routes.any(|route| route.cors.is_some()),
            routes: RouteTable::new(services.chain(redirects).chain(files)),
            places: names.zip(0..).collect(),
            sites,
            proves_hosts: matches!(plan.gateway.tls, Some(Tls::Acme(_))),
            hsts: plan.gateway.hsts.as_ref().map(|it| hsts_line(it).into()),
            plan: plan.clone(),
        }
    }

    /// The site that was made of this one.
    fn site(&self, planned: &polity_plan::Site) -> Option<Arc<Site>> {
        let known = self.plan.sites.values().zip(&self.sites);
        let mut known = known.filter(|(known, _)| ***known == *planned);
        known.next().map(|(_, site)| site.clone())
    }

    /// Whether what `peer` says of those before it is believed.
    pub(crate) fn trusts(&self, peer: IpAddr) -> bool {
        let networks = &self.plan.gateway.trusted_proxies;
        networks.iter().any(|network| contains(network, peer))
    }
}

impl Snapshot {
    /// The service of this name.
    pub(crate) fn service(&self, name: &str) -> Option<&Arc<Service>> {
        self.services.get(*self.planned.places.get(name)?)
    }
}

fn to_service(place: usize, route: &polity_plan::Route) -> Lead {
    Lead::Service(ServiceLead {
        service: place,
        rewrite: (route.rewrite != Rewrite::Keep).then(|| Box::new(route.rewrite.clone())),
        body_limit: route.body_size.map_or(u64::MAX, |size| size.0),
        treatment: Treatment::of(route),
    })
}

fn to_site(site: &Arc<Site>, route: &polity_plan::Route) -> Lead {
    Lead::Site(Box::new(SiteLead {
        site: site.clone(),
        rewrite: route.rewrite.clone(),
        treatment: Treatment::of(route),
    }))
}

fn target(pattern: &Pattern, lead: Lead) -> (Pattern, RouteTarget) {
    let spelling = Spelling::of(&pattern.path);
    (pattern.clone(), RouteTarget { spelling, lead })
}

fn contains(network: &Network, peer: IpAddr) -> bool {
    let (address, peer, width) = match (network.address, peer) {
        (IpAddr::V4(network), IpAddr::V4(peer)) => (
            u128::from(network.to_bits()),
            u128::from(peer.to_bits()),
            32,
        ),
        (IpAddr::V6(network), IpAddr::V6(peer)) => (network.to_bits(), peer.to_bits(), 128u32),
        _ => return false,
    };
    let ignored = width.saturating_sub(u32::from(network.prefix));
    // A shift by the whole width is what a prefix of nothing asks for.
    address.checked_shr(ignored).unwrap_or(0) == peer.checked_shr(ignored).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        let check = |address: &str, prefix, peer: &str, expected| {
            let address = address.parse().expect("an address");
            let network = Network { address, prefix };
            let peer = peer.parse().expect("an address");
            assert_eq!(contains(&network, peer), expected, "{peer} in {network:?}");
        };
        check("10.0.0.0", 8, "10.255.0.1", true);
        check("10.0.0.0", 8, "11.0.0.1", false);
        check("127.0.0.1", 32, "127.0.0.1", true);
        check("127.0.0.1", 32, "127.0.0.2", false);
        check("0.0.0.0", 0, "8.8.8.8", true);
        check("0.0.0.0", 0, "::1", false);
        check("::", 0, "::1", true);
        check("fd00::", 8, "fd12::1", true);
        check("fd00::", 8, "fe80::1", false);
    }
}
