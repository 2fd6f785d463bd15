//! The normal form of a request's host.

use std::borrow::Cow;
use std::net::Ipv6Addr;

/// The authority is not `host`, `host:port` or `[ipv6]:port`; the request is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the host is malformed: expected a name or an address, and a port at most")]
pub struct HostError;

/// Brings the value of `host`, or the authority of an absolute target, to the form patterns have:
/// lower case, without port, final dot and IPv6 brackets; an IPv6 address as RFC 5952 writes it.
///
/// An empty value is allowed (RFC 9112 section 3.2) and names no host. User information is refused:
/// it has no business in a request (RFC 9110 section 4.2.4) and hides the real host.
pub fn normalise_host(authority: &str) -> Result<Cow<'_, str>, HostError> {
    if let Some(bracketed) = authority.strip_prefix('[') {
        let (address, port) = bracketed.split_once(']').ok_or(HostError)?;
        match port.strip_prefix(':') {
            Some(port) if is_port(port) => {}
            None if port.is_empty() => {}
            _ => return Err(HostError),
        }
        let parsed: Ipv6Addr = address.parse().map_err(|_| HostError)?;
        return Ok(Cow::Owned(parsed.to_string()));
    }
    // Nearly every host ends here.
    if authority.bytes().all(|byte| NORMAL_BYTE[usize::from(byte)]) && !authority.ends_with('.') {
        return Ok(Cow::Borrowed(authority));
    }
    let host = match authority.split_once(':') {
        Some((host, port)) if is_port(port) && !host.is_empty() => host,
        None => authority,
        Some(_) => return Err(HostError),
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    if (name.is_empty() && !host.is_empty())
        || !name.bytes().all(|byte| NAME_BYTE[usize::from(byte)])
    {
        return Err(HostError);
    }
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Ok(Cow::Owned(name.to_ascii_lowercase()));
    }
    Ok(Cow::Borrowed(name))
}

/// RFC 3986 section 3.2.3 allows an empty port.
fn is_port(port: &str) -> bool {
    port.bytes().all(|byte| byte.is_ascii_digit())
        && (port.is_empty() || port.parse::<u16>().is_ok())
}

/// `reg-name` of RFC 3986 section 3.2.2.
const NAME_BYTE: [bool; 256] = {
    let mut legal = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let known = byte as u8;
        legal[byte] = known.is_ascii_alphanumeric()
            || matches!(
                known,
                b'-' | b'.'
                    | b'_'
                    | b'~'
                    | b'!'
                    | b'$'
                    | b'&'
                    | b'\''
                    | b'('
                    | b')'
                    | b'*'
                    | b'+'
                    | b','
                    | b';'
                    | b'='
                    | b'%'
            );
        byte += 1;
    }
    legal
};

/// What is part of a name, and of no other spelling of one.
const NORMAL_BYTE: [bool; 256] = {
    let mut normal = NAME_BYTE;
    let mut letter = b'A';
    while letter <= b'Z' {
        normal[letter as usize] = false;
        letter += 1;
    }
    normal
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_one_spelling() {
        let check =
            |host, expected| assert_eq!(normalise_host(host).as_deref(), Ok(expected), "{host}");
        check("example.com", "example.com");
        check("Shop.Example.COM:8080", "shop.example.com");
        check("example.com.", "example.com");
        check("example.com.:80", "example.com");
        check("example.com:", "example.com");
        check("127.0.0.1:8080", "127.0.0.1");
        check("[::1]", "::1");
        check("[0:0:0:0:0:0:0:1]:8080", "::1");
        check("[2001:DB8::A]", "2001:db8::a");
        check("my_host", "my_host");
        check("", "");
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for host in [
            "user@example.com",
            "a b",
            "a/b",
            "a:b",
            "a:1:2",
            "::1",
            ":80",
            ".",
            "[::1",
            "[::1]x",
            "[::1]:x",
            "[::1%25eth0]",
            "[a]",
            "a:65536",
            "a:+1",
            "a\\b",
            "a#b",
            "a?b",
            "h\u{f6}st",
            "a\r\n",
            "a,b@c",
        ] {
            assert_eq!(normalise_host(host), Err(HostError), "{host:?}");
        }
    }

    #[test]
    fn a_clean_host_is_borrowed() {
        assert!(matches!(
            normalise_host("a.example:80"),
            Ok(Cow::Borrowed(_))
        ));
    }
}
