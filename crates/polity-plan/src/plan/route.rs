//! A public route: what it asks of a request, and what it does to request and answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use polity_core::ByteSize;
use polity_route::{Pattern, Rewrite};

/// One public route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// What it asks of a request.
    pub pattern: Pattern,
    /// What becomes of the path.
    pub rewrite: Rewrite,
    /// Bytes of a request's body, the gateway's default filled in; none for no limit.
    pub body_size: Option<ByteSize>,
    /// What becomes of a request's headers.
    pub request_headers: HeaderRules,
    /// What becomes of an answer's.
    pub response_headers: HeaderRules,
    /// Which other origins' pages may read it; none for what the service says itself.
    pub cors: Option<Arc<Cors>>,
}

/// Headers set and removed. Names are in lower case, and in neither are there names of framing, of
/// the connection, or of what Polity sets itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderRules {
    /// Those that stand in place of whatever came; values may be secrets.
    pub set: BTreeMap<String, String>,
    /// Those that go no further.
    pub remove: BTreeSet<String>,
}

/// What pages of other origins may do (the Fetch standard's CORS protocol). Where anything is
/// [`Allowed::Any`], there are no credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    /// Whose pages.
    pub origins: Allowed<OriginPattern>,
    /// With which methods.
    pub methods: Allowed<String>,
    /// With which headers, in lower case, beyond those any page may send.
    pub headers: Allowed<String>,
    /// Which headers of an answer they may read, in lower case, beyond those any page may.
    pub expose: Allowed<String>,
    /// Whether cookies and the like are sent.
    pub credentials: bool,
    /// How long a browser may remember it.
    pub max_age: Duration,
}

/// `["*"]`, or only these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed<T> {
    /// All there are.
    Any,
    /// These, in the order of the file.
    Only(Vec<T>),
}

/// An origin as a browser writes it: lower case, no default port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginPattern {
    /// This one: `https://shop.example.com`.
    Exact(String),
    /// Every one below a host: `https://*.example.com` is `https://` and `.example.com`, the
    /// suffix with its port where it has one.
    Below {
        /// What it begins with.
        scheme: String,
        /// What it ends with.
        suffix: String,
    },
}

impl HeaderRules {
    /// Whether they change nothing.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.remove.is_empty()
    }
}

impl OriginPattern {
    /// Whether the value of an `origin` header is of it. Browsers write one form only, so this
    /// compares bytes; what is spelt otherwise is no browser, or lies.
    pub fn matches(&self, origin: &str) -> bool {
        match self {
            Self::Exact(exact) => origin == exact,
            Self::Below { scheme, suffix } => origin
                .strip_prefix(scheme.as_str())
                .and_then(|rest| rest.strip_suffix(suffix.as_str()))
                .is_some_and(|label| !label.is_empty() && !label.contains(['/', ':', '@'])),
        }
    }
}
