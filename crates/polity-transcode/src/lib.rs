//! JSON over HTTP to gRPC and back.
//!
//! Descriptors, by [reflection] or out of a file, tell of a service's methods and of the HTTP rules in their options
//! (`google.api.http`). A [`Transcoder`] finds the [`Call`] that a request asks for, makes its message out of path, query
//! and body, and tells the answer's messages and [`Status`] in JSON. Bytes come in and go out; streams are others' affair.

pub mod frame;
pub mod reflection;

mod answer;
mod http_body;
mod request;
mod rule;
mod status;
mod template;
mod transcoder;

#[cfg(test)]
mod testing;

pub use answer::Told;
pub use prost_reflect::DescriptorPool;
pub use request::Content;
pub use rule::{Problem, RuleError};
pub use status::{Code, Status};
pub use template::TemplateError;
pub use transcoder::{Call, NoCall, Transcoder};
