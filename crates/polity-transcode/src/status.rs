//! How a call ended: gRPC's status codes, their HTTP statuses, and what JSON says of them.
//!
//! `google/rpc/code.proto` and `google/rpc/status.proto` of googleapis; gRPC over HTTP2, "Responses".

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use percent_encoding::percent_decode_str;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use prost_types::Any;
use serde_json::{Map, Value, json};

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;

/// How a call ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// The code; 0 is success.
    pub code: Code,
    /// What a developer is told.
    pub message: String,
    /// More of it, for programs.
    details: Vec<Any>,
}

/// A gRPC status code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code(pub u32);

/// Each code's name and HTTP status.
const CODES: [(&str, u16); 17] = [
    ("OK", 200),
    ("CANCELLED", 499),
    ("UNKNOWN", 500),
    ("INVALID_ARGUMENT", 400),
    ("DEADLINE_EXCEEDED", 504),
    ("NOT_FOUND", 404),
    ("ALREADY_EXISTS", 409),
    ("PERMISSION_DENIED", 403),
    ("RESOURCE_EXHAUSTED", 429),
    ("FAILED_PRECONDITION", 400),
    ("ABORTED", 409),
    ("OUT_OF_RANGE", 400),
    ("UNIMPLEMENTED", 501),
    ("INTERNAL", 500),
    ("UNAVAILABLE", 503),
    ("DATA_LOSS", 500),
    ("UNAUTHENTICATED", 401),
];

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

impl Code {
    /// It went well.
    pub const OK: Self = Self(0);
    /// Nobody knows what went wrong.
    pub const UNKNOWN: Self = Self(2);
    /// The caller has asked wrongly.
    pub const INVALID_ARGUMENT: Self = Self(3);
    /// What was asked for is not there.
    pub const NOT_FOUND: Self = Self(5);
    /// The caller may not ask for it.
    pub const PERMISSION_DENIED: Self = Self(7);
    /// It takes more than there is.
    pub const RESOURCE_EXHAUSTED: Self = Self(8);
    /// There is no such method.
    pub const UNIMPLEMENTED: Self = Self(12);
    /// The service is broken.
    pub const INTERNAL: Self = Self(13);
    /// It may go well a moment later.
    pub const UNAVAILABLE: Self = Self(14);
    /// Nobody knows who the caller is.
    pub const UNAUTHENTICATED: Self = Self(16);

    /// Its name, such as `NOT_FOUND`.
    pub fn name(self) -> &'static str {
        self.entry().0
    }

    /// The HTTP status that says the same.
    pub fn http_status(self) -> u16 {
        self.entry().1
    }

    /// One that nobody knows is unknown.
    fn entry(self) -> (&'static str, u16) {
        let known = usize::try_from(self.0)
            .ok()
            .and_then(|code| CODES.get(code));
        known.copied().unwrap_or(("UNKNOWN", 500))
    }
}

impl Status {
    /// One without details.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: Vec::new(),
        }
    }

    /// What trailers say: `grpc-status`, and `grpc-message` and `grpc-status-details-bin` if they are there. Without a
    /// readable `grpc-status` it is unknown how the call ended.
    pub fn of_trailers(status: Option<&str>, message: Option<&str>, details: Option<&str>) -> Self {
        let Some(code) = status.and_then(|status| status.trim().parse().ok()) else {
            return Self::new(Code::UNKNOWN, "the service's answer ended without a status");
        };
        let message = percent_decode_str(message.unwrap_or_default()).decode_utf8_lossy();
        Self {
            code: Code(code),
            message: message.into_owned(),
            details: details.and_then(read_details).unwrap_or_default(),
        }
    }

    /// Whether the call succeeded.
    pub fn is_ok(&self) -> bool {
        self.code == Code::OK
    }

    /// `google.rpc.Status` in JSON. Details of types that `pool` does not know are given as they are, in base64.
    pub fn to_json(&self, pool: &DescriptorPool) -> Value {
        let details = self.details.iter().map(|detail| any_to_json(detail, pool));
        json!({
            "code": self.code.0,
            "message": self.message,
            "details": details.collect::<Vec<_>>(),
        })
    }
}

/// Base64, padded or not (gRPC over HTTP2, "Binary Headers").
fn read_details(text: &str) -> Option<Vec<Any>> {
    let text = text.trim_end_matches('=');
    let bytes = STANDARD_NO_PAD.decode(text).ok()?;
    Some(RpcStatus::decode(bytes.as_slice()).ok()?.details)
}

fn any_to_json(any: &Any, pool: &DescriptorPool) -> Value {
    let name = any.type_url.rsplit('/').next().unwrap_or_default();
    let known = pool.get_message_by_name(name).and_then(|message| {
        let message = DynamicMessage::decode(message, any.value.as_slice()).ok()?;
        serde_json::to_value(&message).ok()
    });
    let mut fields = match known {
        Some(Value::Object(fields)) => fields,
        // Messages with a form of their own in JSON, and those that nobody knows.
        Some(value) => Map::from_iter([("value".to_owned(), value)]),
        None => Map::from_iter([("value".to_owned(), STANDARD.encode(&any.value).into())]),
    };
    fields.insert("@type".to_owned(), any.type_url.clone().into());
    Value::Object(fields)
}
