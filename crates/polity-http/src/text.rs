//! Numbers and addresses as text, without the machinery of `format!`: they are written for every request.

use std::io::Write;
use std::net::IpAddr;

/// Appends a number in decimal.
pub fn write_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends an address, IPv6 without brackets.
pub fn write_address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            for octet in [a, b, c] {
                write_number(out, octet.into());
                out.push(b'.');
            }
            write_number(out, d.into());
        }
        // Writing to a vector does not fail.
        IpAddr::V6(address) => drop(write!(out, "{address}")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_what_format_makes(number in any::<u64>(), address in any::<IpAddr>()) {
            let mut out = Vec::new();
            write_number(&mut out, number);
            out.push(b' ');
            write_address(&mut out, address);
            prop_assert_eq!(String::from_utf8(out).expect("text"), format!("{number} {address}"));
        }
    }
}
