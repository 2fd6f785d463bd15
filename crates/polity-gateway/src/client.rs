//! Who a request is from, as far as that is believed.

use std::net::{IpAddr, SocketAddr};

use polity_http::RequestHead;

use crate::fields::Trust;
use crate::stable_hash::StableHash;

/// The client's address: the nearest one that is not of a trusted proxy. What a client says of itself is
/// not believed, only what was said to trusted ones, or passed on by a service.
pub(crate) fn address(
    head: &RequestHead<'_>,
    trust: Trust,
    peer: IpAddr,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    if trust == Trust::Client {
        return peer;
    }
    let fields = head.headers.iter().rev();
    let fields = fields.filter(|field| field.name.eq_ignore_ascii_case("x-forwarded-for"));
    let said = fields.flat_map(|field| field.value.rsplit(|byte| *byte == b','));
    nearest(peer, said, is_trusted)
}

/// Each proxy has said who asked it, the last one last. Where one did not say so in a form that is
/// known, nothing before it counts either.
fn nearest<'a>(
    peer: IpAddr,
    said: impl Iterator<Item = &'a [u8]>,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let mut client = peer;
    for address in said.map_while(parse) {
        client = address;
        if !is_trusted(address) {
            break;
        }
    }
    client
}

/// An address as proxies write it: some add the port, and IPv6 addresses are with brackets or without.
fn parse(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim_ascii();
    let bare = text.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let address = bare.unwrap_or(text).parse().ok();
    address.or_else(|| text.parse().ok().map(|place: SocketAddr| place.ip()))
}

/// The hash of an address. Of IPv6 the first 64 bits, as machines change the rest by themselves.
pub(crate) fn hash(address: IpAddr) -> u64 {
    let mut hash = StableHash::default();
    match address.to_canonical() {
        IpAddr::V4(address) => hash.write(&address.octets()),
        IpAddr::V6(address) => hash.write(&address.octets()[..8]),
    }
    hash.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn the_client_is_the_nearest_address_that_is_not_trusted() {
        let check = |said: &str, expected: &str| {
            let trusted = |address| address == ip("10.0.0.1") || address == ip("10.0.0.2");
            let said = said.as_bytes().rsplit(|byte| *byte == b',');
            let found = nearest(ip("10.0.0.1"), said, trusted);
            assert_eq!(found, ip(expected));
        };
        check("192.0.2.1", "192.0.2.1");
        check("198.51.100.1, 192.0.2.1", "192.0.2.1");
        check("192.0.2.1, 10.0.0.2", "192.0.2.1");
        check("10.0.0.2", "10.0.0.2");
        check("192.0.2.1, unknown, 10.0.0.2", "10.0.0.2");
        check("", "10.0.0.1");
        check("_hidden", "10.0.0.1");
        check("192.0.2.1:4711", "192.0.2.1");
        check("2001:db8::1", "2001:db8::1");
        check("[2001:db8::1]", "2001:db8::1");
        check("[2001:db8::1]:4711", "2001:db8::1");
    }

    #[test]
    fn addresses_of_one_network_of_ipv6_are_alike() {
        let same = |one, other| hash(ip(one)) == hash(ip(other));
        assert!(same("2001:db8::1", "2001:db8::2"));
        assert!(!same("2001:db8::1", "2001:db8:0:1::1"));
        assert!(!same("192.0.2.1", "192.0.2.2"));
        assert!(same("192.0.2.1", "::ffff:192.0.2.1"));
    }
}
