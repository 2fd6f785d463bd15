//! Finding a request's route among thousands without looking at more than a few.
//!
//! Precedence is host, then path, then method, then headers, so the table is laid out in that
//! order: one set of paths for each host, one short list of rules for each path. A lookup walks
//! the hosts and prefixes a request can have from the most specific down and stops at the first
//! rule that holds; one that fails on method or headers makes way for the less specific.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use crate::pattern::{HostPattern, PathPattern, Pattern, stem};

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;

/// Routes, each with what it leads to.
#[derive(Debug, Clone)]
pub struct RouteTable<T> {
    routes: Vec<(Pattern, T)>,
    exact: Map<Paths>,
    wildcard: Map<Paths>,
    any: Paths,
}

/// What a route is chosen by.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// As [`normalise_host`](crate::normalise_host) gives it; empty for none.
    pub host: &'a str,
    /// As [`normalise`](crate::normalise) gives it.
    pub path: &'a str,
    /// As sent: methods are case-sensitive.
    pub method: &'a str,
    /// Whether the header of this name, in lower case, is there with exactly this value. A header
    /// sent twice has the value of neither (RFC 9110 section 5.3: it is a list of both).
    pub has_header: &'a dyn Fn(&str, &str) -> bool,
}

/// A route that holds for a request.
#[derive(Debug)]
pub struct Match<'a, T> {
    /// What it asked.
    pub pattern: &'a Pattern,
    /// Where it leads.
    pub target: &'a T,
}

/// Keys come from the plan and requests add none, so the hash need not be secret.
type Map<V> = HashMap<Box<str>, V, FixedState>;

/// The rules of one host: places in `routes`, the most specific first.
#[derive(Debug, Clone, Default)]
struct Paths {
    exact: Map<Vec<usize>>,
    prefix: Map<Vec<usize>>,
    /// Bytes of the longest key of `prefix`: bounds the probes a path full of slashes can cause.
    longest_prefix: usize,
}

impl<T> RouteTable<T> {
    /// Builds the table. The order of `routes` has no influence, but on two that tie
    /// ([`Pattern::ties_with`]), which a valid plan has not.
    pub fn new(routes: impl IntoIterator<Item = (Pattern, T)>) -> Self {
        let mut routes: Vec<(Pattern, T)> = routes.into_iter().collect();
        // Each list below is filled in this order, so each ends up the most specific first.
        routes.sort_by_key(|(pattern, _)| {
            let headers = std::cmp::Reverse(pattern.headers.len());
            let by_get = !pattern.methods.contains("HEAD");
            (pattern.methods.is_empty(), headers, by_get)
        });
        let (mut exact, mut wildcard, mut any) = (Map::default(), Map::default(), Paths::default());
        for (place, (pattern, _)) in routes.iter().enumerate() {
            let paths: &mut Paths = match &pattern.host {
                HostPattern::Exact(host) => exact.entry(host.as_str().into()).or_default(),
                HostPattern::Wildcard(suffix) => {
                    wildcard.entry(suffix.as_str().into()).or_default()
                }
                HostPattern::Any => &mut any,
            };
            paths.insert(&pattern.path, place);
        }
        Self {
            routes,
            exact,
            wildcard,
            any,
        }
    }

    /// The most specific route that holds for `request`. Allocates nothing.
    pub fn find(&self, request: &Request<'_>) -> Option<Match<'_, T>> {
        let exact = self.exact.get(request.host);
        let wildcards = parents(request.host).filter_map(|suffix| self.wildcard.get(suffix));
        let place = exact
            .into_iter()
            .chain(wildcards)
            .chain([&self.any])
            .flat_map(|paths| paths.rules(request.path))
            .find(|place| holds(&self.routes[*place].0, request))?;
        let (pattern, target) = &self.routes[place];
        Some(Match { pattern, target })
    }

    /// Every route, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = Match<'_, T>> {
        self.routes
            .iter()
            .map(|(pattern, target)| Match { pattern, target })
    }
}

impl Paths {
    fn insert(&mut self, path: &PathPattern, place: usize) {
        let rules = match path {
            PathPattern::Exact(path) => self.exact.entry(path.as_str().into()),
            PathPattern::Prefix(prefix) => {
                let stem = stem(prefix);
                self.longest_prefix = self.longest_prefix.max(stem.len());
                self.prefix.entry(stem.into())
            }
        };
        rules.or_default().push(place);
    }

    /// The rules that hold for a path as far as the path goes, the most specific first.
    fn rules(&self, path: &str) -> impl Iterator<Item = usize> {
        let exact = self.exact.get(path);
        let prefixes = prefixes(path, self.longest_prefix).filter_map(|stem| self.prefix.get(stem));
        exact.into_iter().chain(prefixes).flatten().copied()
    }
}

/// The path and what it is below, longest first, from those of at most `longest` bytes on: `/a/b`,
/// `/a` and the empty stem of `/`.
fn prefixes(path: &str, longest: usize) -> impl Iterator<Item = &str> {
    let first = match path.len() <= longest {
        true => Some(path),
        false => path.as_bytes()[..=longest]
            .iter()
            .rposition(|&byte| byte == b'/')
            .map(|end| &path[..end]),
    };
    std::iter::successors(first, |stem| stem.rfind('/').map(|end| &stem[..end]))
}

/// `example.com` and `com` for `a.example.com`: what a wildcard for this host may name.
fn parents(host: &str) -> impl Iterator<Item = &str> {
    host.match_indices('.')
        .filter(|(at, _)| *at > 0)
        .map(|(at, _)| &host[at + 1..])
}

/// Method and headers; host and path are what the rule was found by. Whoever answers GET answers
/// HEAD (RFC 9110, section 9.3.2).
fn holds(pattern: &Pattern, request: &Request<'_>) -> bool {
    let methods = &pattern.methods;
    (methods.is_empty()
        || methods.contains(request.method)
        || (request.method == "HEAD" && methods.contains("GET")))
        && pattern
            .headers
            .iter()
            .all(|(name, value)| (request.has_header)(name, value))
}
