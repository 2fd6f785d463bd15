//! Ranges of bytes that a request asks for (RFC 9110, section 14).

use std::ops::Range;

/// Ranges of one request, and of these those that overlap others, beyond which it is given the whole: more is no
/// reader's, and many small ones cost more than what they are of (CVE-2011-3192).
const MAX_RANGES: usize = 16;

/// What of a representation is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ranges {
    /// All of it: nothing else was asked for, or nothing that makes sense.
    Whole,
    /// These, none of which is empty or beyond the end; one at least, in the order in which they were asked for.
    Parts(Vec<Range<u64>>),
    /// None of what was asked for is there.
    Unsatisfiable,
}

impl Ranges {
    /// What the value of a `range` field asks for of so many bytes.
    pub(super) fn of(value: &[u8], length: u64) -> Self {
        // A client that sends the field with every request is not to be told that nothing is an error.
        if length == 0 {
            return Self::Whole;
        }
        let Some(asked) = parse(value, length) else {
            return Self::Whole;
        };
        let Asked { parts, count } = asked;
        if parts.is_empty() {
            return match count {
                0 => Self::Whole,
                _ => Self::Unsatisfiable,
            };
        }
        let mut sorted = parts.clone();
        sorted.sort_by_key(|part| part.start);
        let overlaps = sorted.windows(2).any(|pair| pair[1].start < pair[0].end);
        match overlaps {
            true => Self::Whole,
            false => Self::Parts(parts),
        }
    }
}

struct Asked {
    parts: Vec<Range<u64>>,
    /// How many there were, satisfiable or not.
    count: usize,
}

/// None where it is no such value, or asks for too many.
fn parse(value: &[u8], length: u64) -> Option<Asked> {
    let value = value.trim_ascii();
    let (unit, set) = value.split_at_checked(6)?;
    if !unit.eq_ignore_ascii_case(b"bytes=") {
        return None;
    }
    let mut asked = Asked {
        parts: Vec::new(),
        count: 0,
    };
    let specs = set.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    for spec in specs.filter(|spec| !spec.is_empty()) {
        asked.count += 1;
        if asked.count > MAX_RANGES {
            return None;
        }
        asked.parts.extend(part(spec, length)?);
    }
    Some(asked)
}

/// None where it is no range; nothing in it where nothing of it is there.
fn part(spec: &[u8], length: u64) -> Option<Option<Range<u64>>> {
    let dash = spec.iter().position(|byte| *byte == b'-')?;
    let (first, last) = (&spec[..dash], &spec[dash + 1..]);
    let range = match (first, last) {
        (b"", b"") => return None,
        (b"", suffix) => length.saturating_sub(number(suffix)?)..length,
        (first, b"") => number(first)?..length,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            first..last.saturating_add(1).min(length)
        }
    };
    Some((range.start < range.end).then_some(range))
}

/// Digits alone; what is too large is as large as there is.
fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        Some(number.saturating_mul(10).saturating_add(digit))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(value: &str, length: u64, expected: Ranges) {
        assert_eq!(Ranges::of(value.as_bytes(), length), expected, "{value}");
    }

    fn one(range: Range<u64>) -> Ranges {
        Ranges::Parts(vec![range])
    }

    #[test]
    fn a_range_is_of_what_is_there() {
        check("bytes=0-0", 10, one(0..1));
        check("bytes=2-4", 10, one(2..5));
        check("bytes=2-", 10, one(2..10));
        check("bytes=2-99", 10, one(2..10));
        check("bytes=-3", 10, one(7..10));
        check("bytes=-30", 10, one(0..10));
        check("BYTES=0-1", 10, one(0..2));
        check("bytes=2-18446744073709551615", 10, one(2..10));
        check("bytes=2-99999999999999999999999", 10, one(2..10));
        check("bytes= 0-1 , , 4-5", 10, Ranges::Parts(vec![0..2, 4..6]));
        check("bytes=8-9, 0-1", 10, Ranges::Parts(vec![8..10, 0..2]));
    }

    #[test]
    fn what_is_beyond_the_end_is_left_out_or_refused() {
        check("bytes=10-", 10, Ranges::Unsatisfiable);
        check("bytes=-0", 10, Ranges::Unsatisfiable);
        check("bytes=99999999999999999999999-", 10, Ranges::Unsatisfiable);
        check("bytes=10-11, 20-", 10, Ranges::Unsatisfiable);
        check("bytes=10-11, 5-6", 10, one(5..7));
        check("bytes=0-1", 0, Ranges::Whole);
    }

    #[test]
    fn what_makes_no_sense_is_as_if_it_was_not_there() {
        for value in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=a-b",
            "bytes=4-2",
            "bytes=1-2-3",
            "bytes=0x1-2",
            "bytes=+1-2",
            "bytes=1 -2",
            "items=0-1",
            "bytes 0-1",
            "bytes=0-1, x",
            "bytes=0-5, 3-8",
            "bytes=0-, 0-",
            "bytes=-5, 8-9",
        ] {
            check(value, 10, Ranges::Whole);
        }
    }

    #[test]
    fn nobody_reads_so_many() {
        let many = |count: u64| {
            let parts: Vec<String> = (0..count).map(|at| format!("{0}-{0}", 2 * at)).collect();
            Ranges::of(format!("bytes={}", parts.join(",")).as_bytes(), 1000)
        };
        assert!(matches!(many(16), Ranges::Parts(parts) if parts.len() == 16));
        assert_eq!(many(17), Ranges::Whole);
    }

    proptest! {
        #[test]
        fn no_part_is_empty_beyond_the_end_or_twice(value in "bytes=([0-9]{0,3}-[0-9]{0,3},? ?){1,6}", length in 0u64..300) {
            if let Ranges::Parts(parts) = Ranges::of(value.as_bytes(), length) {
                prop_assert!(!parts.is_empty() && parts.len() <= MAX_RANGES);
                let total: u64 = parts.iter().map(|part| part.end - part.start).sum();
                prop_assert!(total <= length);
                prop_assert!(parts.iter().all(|part| part.start < part.end && part.end <= length));
            }
        }

        #[test]
        fn nothing_makes_it_panic(value in proptest::collection::vec(any::<u8>(), 0..40), length: u64) {
            Ranges::of(&value, length);
            Ranges::of(&[b"bytes=", value.as_slice()].concat(), length);
        }
    }
}
