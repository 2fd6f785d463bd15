//! Which encodings of content a client takes (RFC 9110, section 12.5.3).

use polity_http::RequestHead;
use polity_http::head::list;

/// A way to compress content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Zstd,
    Brotli,
    Gzip,
}

/// In the order in which they are preferred where a client has no preference.
pub(crate) const CODINGS: [Coding; 3] = [Coding::Brotli, Coding::Zstd, Coding::Gzip];

impl Coding {
    /// As fields name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// What the name of a file ends with that is compressed so.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Zstd => ".zst",
            Self::Brotli => ".br",
            Self::Gzip => ".gz",
        }
    }
}

/// The codings that a client takes, the best first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Accepted([Option<Coding>; CODINGS.len()]);

impl Accepted {
    /// Those of a request. One that says nothing takes none: what it makes of them is not known.
    pub(crate) fn of(head: &RequestHead<'_>) -> Self {
        let fields = head.headers.iter();
        let mut fields = fields
            .filter(|it| it.name.len() == 15 && it.name.eq_ignore_ascii_case("accept-encoding"))
            .map(|it| it.value)
            .peekable();
        match fields.peek() {
            None => Self::default(),
            Some(_) => Self::among(fields.flat_map(list)),
        }
    }

    fn among<'v>(members: impl Iterator<Item = &'v [u8]>) -> Self {
        // In thousandths; none where nothing was said.
        let mut weights: [Option<u16>; CODINGS.len()] = [None; CODINGS.len()];
        let mut any = None;
        let mut identity = None;
        for member in members {
            let mut parts = member.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let name = parts.next().unwrap_or_default();
            let weight = match parts.next() {
                None => Some(1000),
                Some(parameter) => weight(parameter),
            };
            // What is no weight asks for nothing.
            let weight = weight.unwrap_or(0);
            let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
            match CODINGS.iter().position(|coding| is(coding.name())) {
                Some(place) => weights[place] = Some(weight),
                None if is("x-gzip") => weights[2] = weights[2].or(Some(weight)),
                None if is("*") => any = Some(weight),
                None if is("identity") => identity = Some(weight),
                None => {}
            }
        }
        let least = identity.unwrap_or(1);
        let mut accepted: Vec<(u16, Coding)> = CODINGS
            .into_iter()
            .zip(weights)
            .filter_map(|(coding, weight)| Some((weight.or(any)?, coding)))
            .filter(|(weight, _)| *weight > 0 && *weight >= least)
            .collect();
        // Stable: what is wanted as much stays in our order.
        accepted.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
        let mut best = accepted.into_iter().map(|(_, coding)| coding);
        Self(std::array::from_fn(|_| best.next()))
    }

    /// The best first.
    pub(crate) fn iter(self) -> impl Iterator<Item = Coding> {
        self.0.into_iter().flatten()
    }
}

/// `q=0.5` in thousandths.
fn weight(parameter: &[u8]) -> Option<u16> {
    let (name, value) = parameter.split_at_checked(2)?;
    if !name.eq_ignore_ascii_case(b"q=") {
        return None;
    }
    let (whole, fraction) = match value.split_first()? {
        (whole @ (b'0' | b'1'), []) => (whole, &b""[..]),
        (whole @ (b'0' | b'1'), [b'.', fraction @ ..]) if fraction.len() <= 3 => (whole, fraction),
        _ => return None,
    };
    let mut thousandths = u16::from(whole - b'0') * 1000;
    for (digit, worth) in fraction.iter().zip([100, 10, 1]) {
        thousandths += u16::from(digit.is_ascii_digit().then(|| digit - b'0')?) * worth;
    }
    (thousandths <= 1000).then_some(thousandths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, expected: &[Coding]) {
        let accepted: Vec<_> = Accepted::among(list(value.as_bytes())).iter().collect();
        assert_eq!(accepted, expected, "{value}");
    }

    #[test]
    fn what_a_client_takes_is_ordered_by_what_it_likes() {
        use Coding::*;
        check("gzip", &[Gzip]);
        check("gzip, deflate, br, zstd", &[Brotli, Zstd, Gzip]);
        check("gzip;q=1.0, br;q=0.5", &[Gzip, Brotli]);
        check("GZIP ; q=0.5 ,br;Q=0.51", &[Brotli, Gzip]);
        check("*", &[Brotli, Zstd, Gzip]);
        check("*;q=0.1, gzip", &[Gzip, Brotli, Zstd]);
        check("x-gzip", &[Gzip]);
        check("br;q=0.001", &[Brotli]);
    }

    #[test]
    fn what_it_does_not_take_is_left_out() {
        use Coding::*;
        check("", &[]);
        check("identity", &[]);
        check("deflate, compress", &[]);
        check("gzip;q=0", &[]);
        check("gzip;q=0.000, br;q=0", &[]);
        check("*;q=0", &[]);
        check("*, br;q=0", &[Zstd, Gzip]);
        check("gzip;q=2", &[]);
        check("gzip;q=0.1234", &[]);
        check("gzip;q=", &[]);
        check("gzip;q=-1", &[]);
        check("gzip;level=9", &[]);
        check("identity, gzip;q=0.5", &[]);
        check("identity;q=0.5, gzip;q=0.8, br;q=0.4", &[Gzip]);
        check("brotli, zst, gz", &[]);
    }
}
