//! Durations and sizes as a plan writes them: "250ms", "2s", "10MB", "64KiB".

use std::fmt;
use std::time::Duration;

/// Why a text is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// No number, no unit, or something else.
    #[error("expected a {kind} like {example}")]
    Shape {
        /// What was expected: "duration" or "size".
        kind: &'static str,
        /// A good example.
        example: &'static str,
    },
    /// The number does not fit.
    #[error("the {kind} is too large")]
    Overflow {
        /// "duration" or "size".
        kind: &'static str,
    },
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

const DURATION_UNITS: &[(&str, u64)] = &[
    ("us", 1),
    ("ms", 1_000),
    ("s", 1_000_000),
    ("m", 60_000_000),
    ("h", 3_600_000_000),
    ("d", 86_400_000_000),
];

const SIZE_UNITS: &[(&str, u64)] = &[
    ("B", 1),
    ("KB", 1_000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
    ("TB", 1_000_000_000_000),
    ("TiB", 1 << 40),
];

/// Parses a whole or decimal number with a unit: us, ms, s, m, h or d.
pub fn parse_duration(text: &str) -> Result<Duration, QuantityError> {
    scaled(
        text,
        DURATION_UNITS,
        "duration",
        "\"250ms\", \"2s\" or \"5m\"",
    )
    .map(Duration::from_micros)
}

impl ByteSize {
    /// Parses a whole or decimal number with a unit: B, KB, KiB, MB, MiB, GB, GiB, TB or TiB.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        scaled(text, SIZE_UNITS, "size", "\"10MB\" or \"64KiB\"").map(ByteSize)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = SIZE_UNITS.iter().rev().find(|(name, scale)| {
            self.0 != 0 && self.0.is_multiple_of(*scale) && (name.contains('i') || *scale == 1)
        });
        let (name, scale) = unit.unwrap_or(&("B", 1));
        write!(f, "{}{name}", self.0 / scale)
    }
}

fn scaled(
    text: &str,
    units: &[(&str, u64)],
    kind: &'static str,
    example: &'static str,
) -> Result<u64, QuantityError> {
    let shape = QuantityError::Shape { kind, example };
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .ok_or(shape.clone())?;
    let (number, unit) = text.split_at(split);
    let (_, scale) = units
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or(shape.clone())?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.contains('.') || fraction.len() > 9 {
        return Err(shape);
    }
    let overflow = || QuantityError::Overflow { kind };
    let whole: u64 = whole.parse().map_err(|_| overflow())?;
    let part: u64 = fraction.parse().map_err(|_| overflow())?;
    let part = u128::from(part) * u128::from(*scale) / 10u128.pow(fraction.len() as u32);
    whole
        .checked_mul(*scale)
        .and_then(|n| n.checked_add(u64::try_from(part).ok()?))
        .ok_or_else(overflow)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        let check = |text, expected| assert_eq!(parse_duration(text), Ok(expected), "{text}");
        check("250ms", Duration::from_millis(250));
        check("2s", Duration::from_secs(2));
        check("1.5s", Duration::from_millis(1500));
        check("5m", Duration::from_secs(300));
        check("7d", Duration::from_secs(7 * 86_400));
        for bad in [
            "", "2", "s", "2 s", "-2s", "2sec", "1..5s", ".5s", "5.s", "١s",
        ] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
        assert_eq!(
            parse_duration("99999999999999d"),
            Err(QuantityError::Overflow { kind: "duration" })
        );
    }

    #[test]
    fn sizes_are_decimal_or_binary() {
        let check = |text, expected| assert_eq!(ByteSize::parse(text), Ok(ByteSize(expected)));
        check("10MB", 10_000_000);
        check("64KiB", 65_536);
        check("0B", 0);
        check("1.5KiB", 1536);
        assert!(ByteSize::parse("64kib").is_err());
        assert_eq!(ByteSize(65_536).to_string(), "64KiB");
        assert_eq!(ByteSize(0).to_string(), "0B");
        assert_eq!(ByteSize(1001).to_string(), "1001B");
    }
}
