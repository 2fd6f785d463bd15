//! The listener of plain HTTP beside that of HTTPS: where it sends requests.

use std::sync::atomic::{AtomicU16, Ordering};

/// The ports that the schemes have where none is said.
const HTTP: u16 = 80;
const HTTPS: u16 = 443;

/// Its own port, and the one that is served over TLS.
#[derive(Debug)]
pub(crate) struct PlainPort {
    own: u16,
    https: AtomicU16,
}

impl PlainPort {
    pub(crate) fn new(own: u16, https: u16) -> Self {
        Self {
            own,
            https: AtomicU16::new(https),
        }
    }

    /// HTTPS is served on another port from here on.
    pub(crate) fn follow(&self, https: u16) {
        self.https.store(https, Ordering::Relaxed);
    }

    /// The host to send a request for `authority` to, and its port; none for that of `https://`.
    ///
    /// A client that came to another port than this listener's came through something that maps ports: what
    /// it maps HTTPS to is not known here, so it is taken for the usual.
    pub(crate) fn secure<'a>(&self, authority: &'a str) -> (&'a str, Option<u16>) {
        let (host, port) = split_port(authority);
        let is_direct = port.unwrap_or(HTTP) == self.own;
        let https = self.https.load(Ordering::Relaxed);
        (host, Some(https).filter(|port| is_direct && *port != HTTPS))
    }
}

/// A host and its port (RFC 9110, section 7.2); an address of IPv6 stands in brackets.
fn split_port(authority: &str) -> (&str, Option<u16>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok()),
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_that_of_https_as_the_client_sees_it() {
        let check = |own, https, authority, expected| {
            let plain = PlainPort::new(own, https);
            assert_eq!(plain.secure(authority), expected, "{authority}");
        };
        check(80, 443, "shop.example", ("shop.example", None));
        check(80, 443, "shop.example:80", ("shop.example", None));
        check(80, 8443, "shop.example", ("shop.example", Some(8443)));
        check(8080, 8443, "localhost:8080", ("localhost", Some(8443)));
        check(8080, 8443, "[::1]:8080", ("[::1]", Some(8443)));
        check(80, 8443, "[::1]", ("[::1]", Some(8443)));
        // Mapped, by a container's runtime for one.
        check(8080, 8443, "shop.example", ("shop.example", None));
        check(80, 8443, "localhost:9000", ("localhost", None));
        let plain = PlainPort::new(80, 443);
        plain.follow(444);
        assert_eq!(plain.secure("a"), ("a", Some(444)));
    }
}
