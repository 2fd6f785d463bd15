//! Request head to route: patterns, their precedence, and the path a request is matched by.
//!
//! A request is brought to one normal form first ([`normalise`], [`normalise_host`]), and what is
//! matched is what is forwarded: no service is ever shown another spelling of a path than the one
//! its route was chosen by, so no spelling slips past a route.

pub mod host;
pub mod path;
pub mod pattern;
pub mod rewrite;
pub mod table;

pub use host::{HostError, normalise_host};
pub use path::{PathError, normalise};
pub use pattern::{HostPattern, PathPattern, Pattern, Rewrite};
pub use table::{Match, Request, RouteTable};
