//! Request head to route: patterns, their precedence, and the path a request is matched by.

pub mod pattern;

pub use pattern::{HostPattern, PathPattern, Pattern, Rewrite};
