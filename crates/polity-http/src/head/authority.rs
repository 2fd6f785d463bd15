//! The `Host` field and the authority of a request target: RFC 3986, section 3.2, without user information.

/// Whether `text` is `host` or `host:port`. Everything a neighbour might read as another host
/// is refused: user information, paths, spaces, an empty host, a port that is none.
pub(super) fn is_authority(text: &str) -> bool {
    let (host, rest) = match text.strip_prefix('[') {
        Some(literal) => match literal.split_once(']') {
            Some((address, rest)) if address.parse::<std::net::Ipv6Addr>().is_ok() => ("v6", rest),
            _ => return false,
        },
        None => {
            let name = text.bytes().position(|byte| !HOST_BYTE[usize::from(byte)]);
            name.map_or((text, ""), |end| text.split_at(end))
        }
    };
    !host.is_empty() && is_port(rest)
}

/// Registered names: unreserved, sub-delimiters and percent signs, less the characters that mean
/// something to a log, a shell or a cache key and occur in no real name. A percent sign is among
/// these: whoever decodes `a%2eb` or `a%00` has another host.
const HOST_BYTE: [bool; 256] = {
    let mut legal = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let known = byte as u8;
        legal[byte] = known.is_ascii_alphanumeric() || matches!(known, b'-' | b'.' | b'_' | b'~');
        byte += 1;
    }
    legal
};

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
