//! The `Host` field and the authority of a request target: RFC 3986, section 3.2, without user information.

/// Whether `text` is `host` or `host:port`. Everything a neighbour might read as another host
/// is refused: user information, paths, spaces, an empty host, a port that is none.
pub(super) fn is_authority(text: &str) -> bool {
    let (host, rest) = match text.strip_prefix('[') {
        Some(literal) => match literal.split_once(']') {
            Some((address, rest)) if address.parse::<std::net::Ipv6Addr>().is_ok() => ("v6", rest),
            _ => return false,
        },
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    !host.is_empty() && host.bytes().all(is_host_byte) && is_port(rest)
}

/// Registered names: unreserved, sub-delimiters and percent signs, less the characters that mean
/// something to a log, a shell or a cache key and occur in no real name. A percent sign is among
/// these: whoever decodes `a%2eb` or `a%00` has another host.
fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn is_port(rest: &str) -> bool {
    match rest.strip_prefix(':') {
        None => rest.is_empty(),
        Some(digits) => {
            digits.is_empty()
                || (digits.bytes().all(|byte| byte.is_ascii_digit())
                    && digits.parse::<u16>().is_ok())
        }
    }
}
