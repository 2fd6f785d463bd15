//! Numbers and addresses as text, without the machinery of `format!`: they are written for every request.

use std::io::Write;
use std::net::IpAddr;

/// Appends a number in decimal.
pub fn write_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// The longest text of an address: IPv6 that ends in one of IPv4.
const LONGEST_ADDRESS: usize = "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255".len();

/// Each octet in decimal, with a point where it has less than three digits, and how many it has.
const OCTETS: [([u8; 3], usize); 256] = {
    let mut octets = [([b'.'; 3], 0); 256];
    let mut octet = 0;
    while octet < 256 {
        let (hundreds, tens, ones) = (octet / 100, octet / 10 % 10, octet % 10);
        let (hundreds, tens, ones) = (b'0' + hundreds as u8, b'0' + tens as u8, b'0' + ones as u8);
        octets[octet] = match octet {
            0..10 => ([ones, b'.', b'.'], 1),
            10..100 => ([tens, ones, b'.'], 2),
            _ => ([hundreds, tens, ones], 3),
        };
        octet += 1;
    }
    octets
};

/// An address as text, IPv6 without brackets: made once by what says it several times.
#[derive(Debug, Clone, Copy)]
pub struct AddressText {
    text: [u8; LONGEST_ADDRESS],
    length: u8,
    address: IpAddr,
}

impl AddressText {
    /// The text of `address`.
    pub fn new(address: IpAddr) -> Self {
        let mut text = [b'.'; LONGEST_ADDRESS];
        let length = match address {
            IpAddr::V4(address) => {
                let mut end = 0;
                for octet in address.octets() {
                    let (digits, length) = OCTETS[usize::from(octet)];
                    text[end..end + 3].copy_from_slice(&digits);
                    end += length + 1;
                }
                end - 1
            }
            IpAddr::V6(address) => {
                let mut rest = &mut text[..];
                // There is room for every address.
                let _ = write!(rest, "{address}");
                LONGEST_ADDRESS - rest.len()
            }
        };
        Self {
            text,
            length: length as u8,
            address,
        }
    }

    /// The text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text[..usize::from(self.length)]
    }

    /// The address.
    pub fn address(&self) -> IpAddr {
        self.address
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
            out.extend_from_slice(AddressText::new(address).as_bytes());
            prop_assert_eq!(String::from_utf8(out).expect("text"), format!("{number} {address}"));
        }
    }
}
