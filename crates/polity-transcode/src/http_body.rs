//! `google.api.HttpBody`: bodies that are no JSON (`google/api/httpbody.proto` of googleapis).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost::Message;
use prost_reflect::MessageDescriptor;
use serde_json::{Value, json};

use crate::request::Content;

/// The message, but for its extensions.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct HttpBody {
    #[prost(string, tag = "1")]
    pub(crate) content_type: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) data: Vec<u8>,
}

/// Whether a message is one.
pub(crate) fn is(message: &MessageDescriptor) -> bool {
    message.full_name() == "google.api.HttpBody"
}

pub(crate) fn encode(content: Content<'_>) -> Vec<u8> {
    HttpBody {
        content_type: content.kind.to_owned(),
        data: content.bytes.to_vec(),
    }
    .encode_to_vec()
}

/// As a field of a message that is read as JSON.
pub(crate) fn to_json(content: Content<'_>) -> Value {
    json!({ "contentType": content.kind, "data": STANDARD.encode(content.bytes) })
}
