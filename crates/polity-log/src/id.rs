//! Offsets, epochs and ids: numbers that must not be taken for one another.

use std::fmt;

/// The place of a record in its partition, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Offset(pub i64);

impl Offset {
    /// The first of a partition that nothing was ever taken from.
    pub const ZERO: Self = Self(0);

    /// The offset that many records further on; the largest there is, if that is beyond all.
    pub fn plus(self, records: i64) -> Self {
        Self(self.0.saturating_add(records))
    }

    /// The one after it.
    pub fn next(self) -> Self {
        self.plus(1)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How often the leadership of a partition began: what is in the batches tells which of two logs that
/// differ is the later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LeaderEpoch(pub i32);

/// Who writes with idempotence or in transactions; -1 is a producer that does neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerId(pub i64);

impl ProducerId {
    /// A producer that asks for neither idempotence nor transactions.
    pub const NONE: Self = Self(-1);
}

/// How often a producer began again under the same id: the lower one is fenced off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerEpoch(pub i16);

/// What tells a topic from an earlier one of the same name (KIP-516).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(pub [u8; 16]);

/// Base64 in the alphabet for URLs, without padding, as Kafka writes it.
impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ALPHABET: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let bits = u128::from_be_bytes(self.0);
        // 22 digits of 6 bits are 132: the last has 4 bits too many, which are zero.
        for digit in 0..22 {
            let shift = 122 - 6 * digit;
            let value = if shift >= 0 {
                bits >> shift
            } else {
                bits << -shift
            };
            let letter = ALPHABET.get((value & 63) as usize).copied();
            write!(f, "{}", char::from(letter.unwrap_or(b'-')))?;
        }
        Ok(())
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_id_is_written_as_kafka_writes_it() {
        assert_eq!(TopicId([0; 16]).to_string(), "A".repeat(22));
        // Kafka's Uuid.METADATA_TOPIC_ID, 00000000-0000-0000-0000-000000000001.
        assert_eq!(
            TopicId(1u128.to_be_bytes()).to_string(),
            format!("{}Q", "A".repeat(20) + "A")
        );
        assert_eq!(
            TopicId([0xff; 16]).to_string(),
            format!("{}w", "_".repeat(21))
        );
    }
}
