//! What a route asks of a request, and what it does to the path.

use std::collections::{BTreeMap, BTreeSet};

/// Everything a route asks of a request; all of it must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// Which hosts.
    pub host: HostPattern,
    /// Which paths.
    pub path: PathPattern,
    /// Which methods, in upper case; empty for all.
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
