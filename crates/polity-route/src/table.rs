//! Finding a request's route among thousands without looking at more than a few.
//!
//! Precedence is host, then path, then method, then headers, so the table is laid out in that
//! order: one set of paths for each host, the rules of each path from the most specific on. A lookup
//! walks the hosts and prefixes a request can have from the most specific down and stops at the
//! first rule that holds; one that fails on method or headers makes way for the less specific.
//!
//! Where there are many routes, each request needs another one, which by then has left the caches:
//! waiting for memory is most of what a lookup costs. So a path, unless it is long, and the target
//! that most of them have stand side by side in the one place that a lookup reads.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use foldhash::fast::FixedState;
use smol_str::SmolStr;

use crate::pattern::{HostPattern, PathPattern, Pattern, stem};

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;

/// Routes, each with what it leads to.
#[derive(Debug)]
pub struct RouteTable<T> {
    exact: Map<Paths<T>>,
    wildcard: Map<Paths<T>>,
    any: Paths<T>,
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
pub struct Match<'t, 'r, T> {
    /// Where it leads.
    pub target: &'t T,
    /// What follows the matched part of the request's path: nothing, or a slash and the rest.
    pub rest: &'r str,
}

/// Keys come from the plan and requests add none, so the hash need not be secret.
type Map<V> = HashMap<SmolStr, V, FixedState>;

/// The rules of one host.
#[derive(Debug)]
struct Paths<T> {
    exact: Map<Rules<T>>,
    prefix: Map<Rules<T>>,
    /// Bytes of the longest key of `prefix`: bounds the probes a path full of slashes can cause.
    longest_prefix: usize,
}

/// Where one path of one host leads.
#[derive(Debug)]
struct Rules<T> {
    /// The most specific first.
    conditional: Vec<Conditional<T>>,
    /// For requests that none of them holds for.
    always: Option<T>,
}

/// Where requests lead that are of one of these methods, if there are any, and have these headers.
#[derive(Debug)]
struct Conditional<T> {
    methods: BTreeSet<String>,
    headers: BTreeMap<String, String>,
    target: T,
}

impl<T> RouteTable<T> {
    /// Builds the table. The order of `routes` has no influence, but on two that tie
    /// ([`Pattern::ties_with`]), which a valid plan has not.
    pub fn new(routes: impl IntoIterator<Item = (Pattern, T)>) -> Self {
        let mut routes: Vec<(Pattern, T)> = routes.into_iter().collect();
        // The rules of each path are filled in this order, so each end up the most specific first.
        routes.sort_by_key(|(pattern, _)| {
            let headers = std::cmp::Reverse(pattern.headers.len());
            let by_get = !pattern.methods.contains("HEAD");
            (pattern.methods.is_empty(), headers, by_get)
        });
        let mut table = Self {
            exact: Map::default(),
            wildcard: Map::default(),
            any: Paths::default(),
        };
        for (pattern, target) in routes {
            let paths = match &pattern.host {
                HostPattern::Exact(host) => table.exact.entry(host.into()).or_default(),
                HostPattern::Wildcard(suffix) => table.wildcard.entry(suffix.into()).or_default(),
                HostPattern::Any => &mut table.any,
            };
            paths.rules_of(&pattern.path).add(pattern, target);
        }
        table
    }

    /// The most specific route that holds for `request`. Allocates nothing.
    pub fn find<'t, 'r>(&'t self, request: &Request<'r>) -> Option<Match<'t, 'r, T>> {
        let exact = self.exact.get(request.host);
        exact
            .and_then(|paths| paths.find(request))
            .or_else(|| self.find_by_wildcard(request))
            .or_else(|| self.any.find(request))
    }

    fn find_by_wildcard<'t, 'r>(&'t self, request: &Request<'r>) -> Option<Match<'t, 'r, T>> {
        if self.wildcard.is_empty() {
            return None;
        }
        parents(request.host)
            .filter_map(|suffix| self.wildcard.get(suffix))
            .find_map(|paths| paths.find(request))
    }
}

impl<T> Paths<T> {
    fn rules_of(&mut self, path: &PathPattern) -> &mut Rules<T> {
        match path {
            PathPattern::Exact(path) => self.exact.entry(path.into()),
            PathPattern::Prefix(prefix) => {
                let stem = stem(prefix);
                self.longest_prefix = self.longest_prefix.max(stem.len());
                self.prefix.entry(stem.into())
            }
        }
        .or_default()
    }

    fn find<'t, 'r>(&'t self, request: &Request<'r>) -> Option<Match<'t, 'r, T>> {
        let path = request.path;
        let exact = self.exact.get(path);
        exact.and_then(|rules| rules.find(request, "")).or_else(|| {
            prefixes(path, self.longest_prefix).find_map(|stem| {
                let rules = self.prefix.get(stem)?;
                rules.find(request, path.get(stem.len()..)?)
            })
        })
    }
}

impl<T> Rules<T> {
    fn add(&mut self, pattern: Pattern, target: T) {
        let Pattern {
            methods, headers, ..
        } = pattern;
        if methods.is_empty() && headers.is_empty() {
            self.always.get_or_insert(target);
            return;
        }
        self.conditional.push(Conditional {
            methods,
            headers,
            target,
        });
    }

    fn find<'r>(&self, request: &Request<'_>, rest: &'r str) -> Option<Match<'_, 'r, T>> {
        let mut conditional = self.conditional.iter();
        let holds = conditional.find(|rule| rule.holds(request));
        let target = holds.map(|rule| &rule.target).or(self.always.as_ref())?;
        Some(Match { target, rest })
    }
}

impl<T> Conditional<T> {
    /// Whoever answers GET answers HEAD (RFC 9110, section 9.3.2).
    fn holds(&self, request: &Request<'_>) -> bool {
        let methods = &self.methods;
        let mut headers = self.headers.iter();
        (methods.is_empty()
            || methods.contains(request.method)
            || (request.method == "HEAD" && methods.contains("GET")))
            && headers.all(|(name, value)| (request.has_header)(name, value))
    }
}

// Derived, these would ask for a target that has a default.

impl<T> Default for Paths<T> {
    fn default() -> Self {
        Self {
            exact: Map::default(),
            prefix: Map::default(),
            longest_prefix: 0,
        }
    }
}

impl<T> Default for Rules<T> {
    fn default() -> Self {
        Self {
            conditional: Vec::new(),
            always: None,
        }
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
