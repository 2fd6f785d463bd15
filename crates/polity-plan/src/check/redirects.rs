//! A redirect leads somewhere.

use polity_route::{HostPattern, PathPattern, Request, RouteTable};

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Findings};
use crate::draft::Draft;
use crate::plan::Redirect;

/// How many redirects a client follows: browsers give up after twenty (the Fetch standard).
const MAX_STEPS: usize = 20;

/// Where a request ends up: at a service or a site, or at the redirect of this place.
type Table = RouteTable<Option<usize>>;

pub(super) fn check(draft: &Draft, findings: &mut Findings) {
    let redirects = &draft.gateway.redirects;
    if redirects.is_empty() {
        return;
    }
    let services = draft.services.iter().flat_map(|service| &service.routes);
    let sites = draft.sites.iter().flat_map(|site| &site.routes);
    let ends = services.chain(sites);
    let ends = ends.map(|draft| (draft.route.pattern.clone(), None));
    let here = redirects.iter().enumerate();
    let here = here.map(|(place, redirect)| (redirect.pattern.clone(), Some(place)));
    let table = RouteTable::new(ends.chain(here));
    for (place, span) in draft.redirects.iter().enumerate() {
        if comes_back(place, redirects, &table) {
            let message = "a redirect leads back to itself";
            findings.add(
                Diagnostic::new(Code::RedirectLoop, message, span.clone())
                    .label("a client that follows it comes back here")
                    .help("give `exact` for one path alone, or another `to`"),
            );
        }
    }
}

/// Follows a request for what the redirect is for, as a client would.
fn comes_back(start: usize, redirects: &[Redirect], table: &Table) -> bool {
    let Some(pattern) = redirects.get(start).map(|redirect| &redirect.pattern) else {
        return false;
    };
    let host = match &pattern.host {
        HostPattern::Exact(host) => host.clone(),
        HostPattern::Wildcard(suffix) => format!("a.{suffix}"),
        HostPattern::Any => String::new(),
    };
    let (PathPattern::Exact(path) | PathPattern::Prefix(path)) = &pattern.path;
    let mut path = path.clone();
    let mut at = start;
    // A circle that this one only leads into has no end either.
    for _ in 0..MAX_STEPS {
        let Some(redirect) = redirects.get(at).filter(|it| it.origin.is_none()) else {
            return false;
        };
        // There always is one: the first path is the redirect's own, the others were found to be.
        let rest = redirect.pattern.path.rest(&path).unwrap_or_default();
        path = redirect.rewrite.apply(&path, rest).into_owned();
        let found = table.find(&Request {
            host: &host,
            path: &path,
            method: "GET",
            has_header: &|_, _| false,
        });
        match found.and_then(|found| *found.target) {
            Some(next) if next == start => return true,
            Some(next) => at = next,
            None => return false,
        }
    }
    false
}
