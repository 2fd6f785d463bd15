//! Services to test with: `tests/protos`.

use std::path::Path;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde_json::Value;

pub(crate) fn pool() -> DescriptorPool {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/protos");
    let mut compiler = protox::Compiler::new([folder]).expect("the folder is there");
    compiler.include_imports(true);
    compiler.open_file("library.proto").expect("it compiles");
    let compiled = compiler.encode_file_descriptor_set();
    DescriptorPool::decode(compiled.as_slice()).expect("it fits together")
}

/// A message's bytes.
pub(crate) fn encoded(kind: &MessageDescriptor, message: Value) -> Vec<u8> {
    let message = DynamicMessage::deserialize(kind.clone(), message);
    message.expect("it is of its kind").encode_to_vec()
}

/// What bytes are as a message.
pub(crate) fn decoded(kind: &MessageDescriptor, bytes: &[u8]) -> Value {
    let message = DynamicMessage::decode(kind.clone(), bytes).expect("it is of its kind");
    serde_json::to_value(&message).expect("it is JSON")
}
