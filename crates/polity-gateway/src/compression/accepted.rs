//! Which encodings of content a client takes (RFC 9110, section 12.5.3).

use polity_http::RequestHead;
use polity_http::head::list;
use polity_plan::Coding;

/// All there are.
const CODINGS: [Coding; 3] = [Coding::Brotli, Coding::Zstd, Coding::Gzip];

/// For what was compressed beforehand: the smallest first.
pub(crate) const SMALLEST: [Coding; 3] = CODINGS;

/// For what is compressed on its way: the cheapest for what it saves first.
pub(crate) const CHEAPEST: [Coding; 3] = [Coding::Zstd, Coding::Brotli, Coding::Gzip];

/// What the name of a file ends with that is compressed so.
pub(crate) fn extension(coding: Coding) -> &'static str {
    match coding {
        Coding::Zstd => ".zst",
        Coding::Brotli => ".br",
        Coding::Gzip => ".gz",
    }
}

/// How much a client likes each of [`CODINGS`], in thousandths: 0 for one that it does not take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Accepted([u16; CODINGS.len()]);

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
        // None where nothing was said.
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
        let least = identity.unwrap_or(0);
        Self(weights.map(|weight| {
            let weight = weight.or(any).unwrap_or(0);
            if weight >= least { weight } else { 0 }
        }))
    }

    /// The best first; of those that are liked as much, in this order.
    pub(crate) fn in_order(self, order: [Coding; CODINGS.len()]) -> impl Iterator<Item = Coding> {
        let mut accepted = order.map(|coding| (self.weight(coding), coding));
        // Stable.
        accepted.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
        let accepted = accepted.into_iter().filter(|(weight, _)| *weight > 0);
        accepted.map(|(_, coding)| coding)
    }

    fn weight(self, coding: Coding) -> u16 {
        let known = CODINGS.iter().position(|known| *known == coding);
        known.map_or(0, |place| self.0[place])
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
        let accepted = Accepted::among(list(value.as_bytes()));
        let accepted: Vec<_> = accepted.in_order(SMALLEST).collect();
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
        let accepted = Accepted::among(list(b"gzip, br, zstd"));
        let cheapest: Vec<_> = accepted.in_order(CHEAPEST).collect();
        assert_eq!(cheapest, [Zstd, Brotli, Gzip]);
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
