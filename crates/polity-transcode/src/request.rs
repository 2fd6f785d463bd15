//! A request's message: out of its path, its query and its body.
//!
//! All three are brought into one JSON object, which is then read as the message is: so what a number or a
//! timestamp may look like is the same wherever it stands.

use percent_encoding::percent_decode_str;
use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use crate::http_body;
use crate::rule::{Body, names};
use crate::status::{Code, Status};
use crate::template::FieldPath;

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;

/// Of a query, more are refused: each is looked for among the fields.
const MAX_PARAMETERS: usize = 1000;

/// The bytes of the message.
pub(crate) fn message(
    kind: &MessageDescriptor,
    path: &[(FieldPath, String)],
    query: &str,
    body: &Body,
    content: Content<'_>,
) -> Result<Vec<u8>, Status> {
    let mut fields = match body {
        Body::None => Map::new(),
        Body::Rest if http_body::is(kind) => return Ok(http_body::encode(content)),
        Body::Rest => whole(content.bytes)?,
        Body::Field(name) => of_field(kind, name, content)?,
    };
    // What the body says of it counts for nothing once the path says it.
    for (field, value) in path {
        insert(&mut fields, kind, field, value, Repeated::Refused)?;
    }
    let parameters = || query.split('&').filter(|it| !it.is_empty());
    if parameters().nth(MAX_PARAMETERS).is_some() {
        return Err(invalid(format!(
            "the query has more than {MAX_PARAMETERS} parameters"
        )));
    }
    if *body == Body::Rest && parameters().next().is_some() {
        return Err(invalid(
            "the body is the whole message: there is nothing left for a query",
        ));
    }
    for parameter in parameters() {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let (name, value) = (decode(name)?, decode(value)?);
        if path.iter().any(|(field, _)| field.join(".") == name) {
            return Err(invalid(format!("`{name}` stands in the path already")));
        }
        insert(&mut fields, kind, &names(&name), &value, Repeated::Appended)?;
    }
    let message = DynamicMessage::deserialize(kind.clone(), Value::Object(fields));
    Ok(message
        .map_err(|error| invalid(error.to_string()))?
        .encode_to_vec())
}

/// A request's body and what it says it is.
#[derive(Debug, Clone, Copy)]
pub struct Content<'b> {
    /// Its media type.
    pub kind: &'b str,
    /// All of it.
    pub bytes: &'b [u8],
}

fn whole(bytes: &[u8]) -> Result<Map<String, Value>, Status> {
    match json_of(bytes)? {
        Value::Object(fields) => Ok(fields),
        Value::Null => Ok(Map::new()),
        _ => Err(invalid("the body has to be a JSON object")),
    }
}

fn of_field(
    kind: &MessageDescriptor,
    name: &str,
    content: Content<'_>,
) -> Result<Map<String, Value>, Status> {
    let field = kind.get_field_by_name(name);
    let field = field.ok_or_else(|| invalid(format!("`{name}` is no field")))?;
    let value = match field.kind() {
        Kind::Message(inner) if http_body::is(&inner) => http_body::to_json(content),
        _ => json_of(content.bytes)?,
    };
    Ok(Map::from_iter([(field.json_name().to_owned(), value)]))
}

/// Nothing at all is no value, as of a request that has no body.
fn json_of(bytes: &[u8]) -> Result<Value, Status> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(bytes).map_err(|error| invalid(format!("the body is no JSON: {error}")))
}

/// What becomes of a value for a field that may have several.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeated {
    Refused,
    Appended,
}

/// Sets a field, down through the messages it is in.
fn insert(
    mut fields: &mut Map<String, Value>,
    kind: &MessageDescriptor,
    path: &[String],
    text: &str,
    repeated: Repeated,
) -> Result<(), Status> {
    let mut message = kind.clone();
    let (last, outer) = path.split_last().ok_or_else(|| no_field(path, kind))?;
    for name in outer {
        let field = find(&message, name).ok_or_else(|| no_field(path, kind))?;
        message = match field.kind() {
            Kind::Message(inner) if !field.is_list() && !field.is_map() => inner,
            _ => return Err(no_field(path, kind)),
        };
        let inner = take(fields, &field).unwrap_or_else(|| json!({}));
        let inner = fields.entry(field.json_name().to_owned()).or_insert(inner);
        fields = inner
            .as_object_mut()
            .ok_or_else(|| invalid(format!("`{name}` has to be a JSON object")))?;
    }
    let field = find(&message, last).ok_or_else(|| no_field(path, kind))?;
    let value = value_of(&field, path, text)?;
    let before = take(fields, &field);
    let value = match (field.is_list(), repeated) {
        (true, Repeated::Appended) => {
            let mut all = before.and_then(into_list).unwrap_or_default();
            all.push(value);
            Value::Array(all)
        }
        (true, Repeated::Refused) => json!([value]),
        (false, Repeated::Appended) if before.is_some() => {
            return Err(invalid(format!("`{}` is given twice", path.join("."))));
        }
        (false, _) => value,
    };
    fields.insert(field.json_name().to_owned(), value);
    Ok(())
}

/// By either of its names, as JSON has it.
fn find(message: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    let by_name = message.get_field_by_name(name);
    by_name.or_else(|| message.get_field_by_json_name(name))
}

/// Takes a field's value out, whichever of its names it goes by.
fn take(fields: &mut Map<String, Value>, field: &FieldDescriptor) -> Option<Value> {
    let (by_json_name, by_name) = (
        fields.remove(field.json_name()),
        fields.remove(field.name()),
    );
    by_json_name.or(by_name)
}

fn into_list(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(values) => Some(values),
        _ => None,
    }
}

/// The text as JSON would have it. Numbers, bytes, enumerations and the messages that are one text may be strings
/// there; truths may not.
fn value_of(field: &FieldDescriptor, path: &[String], text: &str) -> Result<Value, Status> {
    let refuse = |what: &str| Err(invalid(format!("`{}`: {what}", path.join("."))));
    let truth = || match text {
        "true" => Ok(Value::Bool(true)),
        "false" => Ok(Value::Bool(false)),
        _ => refuse("has to be `true` or `false`"),
    };
    match field.kind() {
        _ if field.is_map() => refuse("a map can only stand in the body"),
        Kind::Bool => truth(),
        // A number, if it is none of the names.
        Kind::Enum(kind) if kind.get_value_by_name(text).is_none() => {
            let number = text.parse::<i32>().map(Value::from);
            number.or_else(|_| refuse("no such value of the enumeration"))
        }
        Kind::Message(message) => match message.full_name() {
            "google.protobuf.BoolValue" => truth(),
            name if IS_ONE_TEXT.contains(&name) => Ok(text.into()),
            _ => refuse("a message can only stand in the body"),
        },
        _ => Ok(text.into()),
    }
}

/// Messages that are a string in JSON, or may be.
const IS_ONE_TEXT: [&str; 11] = [
    "google.protobuf.Timestamp",
    "google.protobuf.Duration",
    "google.protobuf.FieldMask",
    "google.protobuf.StringValue",
    "google.protobuf.BytesValue",
    "google.protobuf.Int32Value",
    "google.protobuf.Int64Value",
    "google.protobuf.UInt32Value",
    "google.protobuf.UInt64Value",
    "google.protobuf.FloatValue",
    "google.protobuf.DoubleValue",
];

/// As forms are encoded: a plus is a space.
fn decode(text: &str) -> Result<String, Status> {
    let text = text.replace('+', " ");
    let text = percent_decode_str(&text).decode_utf8();
    let text = text.map_err(|_| invalid("the query is not UTF-8"))?;
    Ok(text.into_owned())
}

fn no_field(path: &[String], kind: &MessageDescriptor) -> Status {
    invalid(format!(
        "`{}` is no field of `{}`",
        path.join("."),
        kind.full_name()
    ))
}

pub(crate) fn invalid(message: impl Into<String>) -> Status {
    Status::new(Code::INVALID_ARGUMENT, message)
}
