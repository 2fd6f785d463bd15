//! An answer's messages, as JSON.

use prost::Message;
use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, SerializeOptions};
use serde_json::Value;

use crate::http_body::{self, HttpBody};
use crate::status::{Code, Status};

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;

/// A message as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The media type.
    pub kind: String,
    /// The bytes; JSON is on one line.
    pub bytes: Vec<u8>,
}

/// Tells a message of an answer, or of it only the `field`.
///
/// # Errors
/// When the bytes are no such message.
pub(crate) fn tell(
    kind: &MessageDescriptor,
    field: Option<&str>,
    bytes: &[u8],
) -> Result<Told, Status> {
    let broken = |error: String| {
        let message = format!("the service's answer is no `{}`: {error}", kind.full_name());
        Status::new(Code::INTERNAL, message)
    };
    let message = DynamicMessage::decode(kind.clone(), bytes);
    let message = message.map_err(|error| broken(error.to_string()))?;
    if let Some(body) = raw(&message, kind, field) {
        return Ok(body);
    }
    let json = match field {
        Some(field) => serde_json::to_vec(&part(&message, kind, field)),
        None => serde_json::to_vec(&message),
    };
    Ok(Told {
        kind: "application/json".to_owned(),
        bytes: json.map_err(|error| broken(error.to_string()))?,
    })
}

/// What is told as it is.
fn raw(message: &DynamicMessage, kind: &MessageDescriptor, field: Option<&str>) -> Option<Told> {
    let bytes = match field {
        None if http_body::is(kind) => message.encode_to_vec(),
        None => return None,
        Some(field) => match kind.get_field_by_name(field)?.kind() {
            Kind::Message(inner) if http_body::is(&inner) => {
                let value = message.get_field_by_name(field)?;
                value.as_message()?.encode_to_vec()
            }
            _ => return None,
        },
    };
    let body = HttpBody::decode(bytes.as_slice()).ok()?;
    Some(Told {
        kind: body.content_type,
        bytes: body.data,
    })
}

/// One field of it, or its default.
fn part(message: &DynamicMessage, kind: &MessageDescriptor, field: &str) -> Value {
    let Some(field) = kind.get_field_by_name(field) else {
        return Value::Null;
    };
    let pick = |all: Result<Value, _>| match all {
        Ok(Value::Object(mut fields)) => fields.remove(field.json_name()),
        Ok(_) | Err(_) => None,
    };
    let given = pick(serde_json::to_value(message));
    let default = || {
        let defaults = SerializeOptions::new().skip_default_fields(false);
        let empty = DynamicMessage::new(kind.clone());
        pick(empty.serialize_with_options(serde_json::value::Serializer, &defaults))
    };
    given.or_else(default).unwrap_or(Value::Null)
}
