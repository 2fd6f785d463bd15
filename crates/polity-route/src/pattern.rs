//! What a route asks of a request, and what it does to the path.

use std::collections::{BTreeMap, BTreeSet};

/// Everything a route asks of a request; all of it must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// Which hosts.
    pub host: HostPattern,
    /// Which paths.
    pub path: PathPattern,
    /// Which methods, in upper case; empty for all. GET stands for HEAD as well, where no pattern
    /// as specific names HEAD itself.
    pub methods: BTreeSet<String>,
    /// Headers that must be there with exactly this value; names in lower case.
    pub headers: BTreeMap<String, String>,
}

/// Which hosts a route answers for; names in lower case, without port or final dot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostPattern {
    /// This one host.
    Exact(String),
    /// Every host below this suffix: `example.com` for `*.example.com`.
    Wildcard(String),
    /// Whatever host.
    Any,
}

/// Which paths a route answers for, in normal form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathPattern {
    /// This one path.
    Exact(String),
    /// This path and everything below it, by whole segments: `/a` holds for `/a` and `/a/b`, not for `/ab`.
    Prefix(String),
}

/// What becomes of the matched part of the path before it is forwarded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Rewrite {
    /// Nothing.
    #[default]
    Keep,
    /// The matched part is replaced by this; `/` removes it.
    Replace(String),
}

impl Pattern {
    /// Whether some request matches both and nothing makes one of the two more specific.
    ///
    /// A pattern with methods is more specific than one without, whatever their number, and more
    /// headers are more specific than fewer: `GET` and `GET, POST` on one path tie.
    pub fn ties_with(&self, other: &Pattern) -> bool {
        let methods_meet = if self.methods.is_empty() {
            other.methods.is_empty()
        } else {
            !self.methods.is_disjoint(&other.methods)
        };
        let headers_meet = self.headers.len() == other.headers.len()
            && self
                .headers
                .iter()
                .all(|(name, value)| other.headers.get(name).is_none_or(|theirs| theirs == value));
        self.host == other.host && self.path.same_as(&other.path) && methods_meet && headers_meet
    }
}

impl PathPattern {
    /// What follows the matched part of a path in normal form: nothing, or a slash and the rest;
    /// none where the pattern does not hold.
    pub fn rest<'a>(&self, path: &'a str) -> Option<&'a str> {
        match self {
            Self::Exact(exact) => (path == exact).then_some(""),
            Self::Prefix(prefix) => path
                .strip_prefix(stem(prefix))
                .filter(|rest| rest.is_empty() || rest.starts_with('/')),
        }
    }

    fn same_as(&self, other: &PathPattern) -> bool {
        match (self, other) {
            (Self::Prefix(ours), Self::Prefix(theirs)) => stem(ours) == stem(theirs),
            _ => self == other,
        }
    }
}

/// A prefix without its final slash, which says nothing: `/a/` holds for what `/a` holds for, and
/// `/` for everything.
pub(crate) fn stem(prefix: &str) -> &str {
    prefix.strip_suffix('/').unwrap_or(prefix)
}
