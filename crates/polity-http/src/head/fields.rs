//! Header fields: their lists, and which of them end at the next hop.

use super::{HeadError, Header};
use crate::limits::MAX_CONNECTION_OPTIONS;

/// Names of connection options that mean something to us, or of fields that no client may have
/// removed by listing them in `Connection`: an end-to-end field is not a connection option (RFC
/// 9110, section 7.6.1), and listing one is a known way to strip what a proxy before us has set.
const NEVER_LISTED: &[&str] = &[
    "authorization",
    "cache-control",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "forwarded",
    "host",
    "traceparent",
    "tracestate",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-id",
];

/// The members of a comma-separated field value, trimmed, empty ones left out (RFC 9110, section 5.6.1).
pub fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|&byte| byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
}

/// Whether a field of this name concerns only the connection it came on (RFC 9110, section 7.6.1),
/// or is one of framing, which is always written anew.
pub fn is_hop_by_hop(name: &str) -> bool {
    let is = |known: &str| name.eq_ignore_ascii_case(known);
    match name.len() {
        2 => is("te"),
        7 => is("upgrade"),
        10 => is("connection") || is("keep-alive"),
        14 => is("content-length") || is("http2-settings"),
        16 => is("proxy-connection"),
        17 => is("transfer-encoding"),
        19 => is("proxy-authorization"),
        _ => false,
    }
}

/// What a head's `Connection` fields say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ConnectionOptions {
    pub(crate) close: bool,
    pub(crate) keep_alive: bool,
    pub(crate) upgrade: bool,
    /// There are further names, of fields to be removed.
    pub(crate) names_fields: bool,
    /// How many there are, empty ones included.
    members: usize,
}

impl ConnectionOptions {
    pub(crate) fn add(&mut self, value: &[u8]) -> Result<(), HeadError> {
        self.members += value.split(|&byte| byte == b',').count();
        if self.members > MAX_CONNECTION_OPTIONS {
            return Err(HeadError::Malformed("too many connection options"));
        }
        for option in list(value) {
            if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                self.upgrade = true;
            } else {
                self.names_fields = true;
            }
        }
        Ok(())
    }
}

/// Whether one of the head's `Connection` fields asks for `name` to go no further, and may.
pub(crate) fn is_listed(headers: &[Header<'_>], name: &str) -> bool {
    let listed = headers
        .iter()
        .filter(|header| header.name.eq_ignore_ascii_case("connection"))
        .flat_map(|header| list(header.value))
        .any(|option| option.eq_ignore_ascii_case(name.as_bytes()));
    listed
        && !NEVER_LISTED
            .iter()
            .any(|kept| name.eq_ignore_ascii_case(kept))
}

/// Whether `name` is taken for one of framing by a peer that reads `_` as `-`, as CGI does.
pub(crate) fn aliases_framing(name: &str) -> bool {
    name.contains('_') && {
        let dashed = name.replace('_', "-");
        is_hop_by_hop(&dashed) || dashed.eq_ignore_ascii_case("host")
    }
}
