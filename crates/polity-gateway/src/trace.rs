//! Ids that travel with a request: W3C trace context (https://www.w3.org/TR/trace-context/) and the request id.

use polity_core::Rng;

/// The length of a `traceparent` of version 00.
pub(crate) const TRACEPARENT: usize = 55;

/// The longest request id taken over from a client.
const MAX_REQUEST_ID: usize = 128;

/// A `traceparent`, valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TraceParent([u8; TRACEPARENT]);

impl TraceParent {
    /// The one that came, if it is valid. A later version is cut to what version 00 knows, as the
    /// specification has it (section 4.3).
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        let (known, rest) = value.split_at_checked(TRACEPARENT)?;
        let mut bytes: [u8; TRACEPARENT] = known.try_into().ok()?;
        let lower_hex = |range: &[u8]| range.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let zero = |range: &[u8]| range.iter().all(|b| *b == b'0');
        let dashes = [2, 35, 52].iter().all(|at| bytes[*at] == b'-');
        let (version, trace, parent, flags) =
            (&bytes[..2], &bytes[3..35], &bytes[36..52], &bytes[53..]);
        let shaped = dashes && [version, trace, parent, flags].into_iter().all(lower_hex);
        let whole = match version {
            b"00" => rest.is_empty(),
            b"ff" => false,
            _ => rest.is_empty() || rest.starts_with(b"-"),
        };
        if !shaped || !whole || zero(trace) || zero(parent) {
            return None;
        }
        bytes[..2].copy_from_slice(b"00");
        Some(Self(bytes))
    }

    /// A new trace. It is marked as sampled: a service that follows its parent's decision would
    /// otherwise record nothing at all.
    pub(crate) fn new(rng: &mut impl Rng) -> Self {
        let mut bytes = *b"00-00000000000000000000000000000000-0000000000000000-01";
        // Zero ids are invalid; the lowest bit keeps them from coming up once in 2^64.
        write_hex(&mut bytes[3..19], rng.next_u64());
        write_hex(&mut bytes[19..35], rng.next_u64() | 1);
        write_hex(&mut bytes[36..52], rng.next_u64() | 1);
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The trace's id, 32 hexadecimal digits.
    pub(crate) fn trace_id(&self) -> &[u8] {
        &self.0[3..35]
    }
}

/// Whether a request id that came is passed on: short, and nothing a log or a shell trips over.
fn is_request_id(value: &[u8]) -> bool {
    let legal = |b: &u8| b.is_ascii_alphanumeric() || b"-_.:+/=@~".contains(b);
    (1..=MAX_REQUEST_ID).contains(&value.len()) && value.iter().all(legal)
}

/// A request's id, without an allocation where it is made here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RequestId {
    /// There is none: what passes is no request.
    None,
    /// 32 hexadecimal digits.
    Made([u8; 32]),
    /// The client's, checked.
    Came(Box<str>),
}

impl RequestId {
    /// The id that came, if it is one to be passed on; else a new one.
    pub(crate) fn new(came: Option<&[u8]>, rng: &mut impl Rng) -> Self {
        let came = came.filter(|id| is_request_id(id));
        if let Some(id) = came.and_then(|id| std::str::from_utf8(id).ok()) {
            return Self::Came(id.into());
        }
        let mut digits = [0u8; 32];
        write_hex(&mut digits[..16], rng.next_u64());
        write_hex(&mut digits[16..], rng.next_u64());
        Self::Made(digits)
    }

    /// Its text, of bytes that [`is_request_id`] allows; none where there is none.
    pub(crate) fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::None => None,
            Self::Made(digits) => Some(digits),
            Self::Came(id) => Some(id.as_bytes()),
        }
    }

    /// The same as a string.
    pub(crate) fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(self.as_bytes()?).ok()
    }
}

/// Writes 16 digits.
fn write_hex(out: &mut [u8], number: u64) {
    let (high, low) = ((number >> 32) as u32, number as u32);
    out[..8].copy_from_slice(&hex(high));
    out[8..].copy_from_slice(&hex(low));
}

/// All digits at once: each half byte moves to a byte of its own and becomes its digit there.
fn hex(number: u32) -> [u8; 8] {
    let mut digits = u64::from(number);
    digits = (digits << 16 | digits) & 0x0000_ffff_0000_ffff;
    digits = (digits << 8 | digits) & 0x00ff_00ff_00ff_00ff;
    digits = (digits << 4 | digits) & 0x0f0f_0f0f_0f0f_0f0f;
    let letters = ((digits + EACH * 6) >> 4) & EACH;
    (digits + EACH * u64::from(b'0') + letters * u64::from(b'a' - b'9' - 1)).to_be_bytes()
}

/// One in each byte.
const EACH: u64 = 0x0101_0101_0101_0101;

#[cfg(test)]
mod tests {
    use polity_core::SplitMix64;

    use super::*;

    #[test]
    fn valid_ones_are_continued_and_others_are_not() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let parsed = TraceParent::parse(good.as_bytes()).expect("valid");
        assert_eq!(parsed.as_bytes(), good.as_bytes());
        assert_eq!(parsed.trace_id(), b"4bf92f3577b34da6a3ce929d0e0e4736");
        let later = good.replacen("00", "cc", 1) + "-what-comes";
        assert_eq!(TraceParent::parse(later.as_bytes()), Some(parsed));
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceParent::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn new_ones_are_valid_and_differ() {
        let mut rng = SplitMix64::new(7);
        let (one, other) = (TraceParent::new(&mut rng), TraceParent::new(&mut rng));
        assert_ne!(one.trace_id(), other.trace_id());
        assert_eq!(TraceParent::parse(one.as_bytes()), Some(one));
        let mut id = || RequestId::new(None, &mut rng);
        let (one, other) = (id(), id());
        assert_ne!(one, other);
        assert!(
            one.as_bytes()
                .is_some_and(|id| id.len() == 32 && is_request_id(id))
        );
    }

    #[test]
    fn digits_are_those_of_the_number() {
        let mut out = [0u8; 16];
        write_hex(&mut out, 0x0123_4567_89ab_cdef);
        assert_eq!(&out, b"0123456789abcdef");
        write_hex(&mut out, 0xfedc_ba98_7654_3210);
        assert_eq!(&out, b"fedcba9876543210");
    }

    #[test]
    fn request_ids_that_could_forge_a_log_line_are_not_passed_on() {
        assert!(is_request_id(b"req-1.2:a/b+c=="));
        for bad in [&b""[..], b"a b", b"a\"b", b"a\nb", &[b'a'; 129]] {
            assert!(!is_request_id(bad));
        }
    }
}
