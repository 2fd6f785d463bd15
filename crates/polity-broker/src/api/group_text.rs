//! Names and bytes of groups, out of requests and into answers.
//!
//! What a group remembers is copied: it outlives the request, whose whole frame it would keep.

use bytes::Bytes;
use kafka_protocol::protocol::StrBytes;
use smol_str::SmolStr;

use crate::api::Call;
use crate::group::InstanceId;

pub(super) fn id<T: From<SmolStr>>(text: &StrBytes) -> T {
    self::text(text).into()
}

pub(super) fn text(text: &StrBytes) -> SmolStr {
    SmolStr::new(text.as_str())
}

pub(super) fn instance(text: Option<&StrBytes>) -> Option<InstanceId> {
    text.map(id)
}

pub(super) fn client_id(call: &Call) -> SmolStr {
    call.client_id.as_ref().map(text).unwrap_or_default()
}

pub(super) fn bytes(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

pub(super) fn on_wire(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}
