//! What can be set for a topic, under Kafka's names and with Kafka's defaults.

use std::fmt;

use crate::batch::TimestampType;

const MINUTE_MS: i64 = 60 * 1000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// How a topic is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicConfig {
    /// What becomes of old records.
    pub cleanup: Cleanup,
    /// When records are old; None is never.
    pub retention_ms: Option<i64>,
    /// How many bytes a partition may have; None is any number.
    pub retention_bytes: Option<u64>,
    /// When a segment is full.
    pub segment_bytes: u32,
    /// When a segment is closed though it is not full, by its records' timestamps.
    pub segment_ms: i64,
    /// The largest batch.
    pub max_message_bytes: usize,
    /// Bytes between two entries of an index.
    pub index_interval_bytes: u32,
    /// Whose clock timestamps are of.
    pub timestamp_type: TimestampType,
    /// How far a timestamp may lie in the past.
    pub timestamp_before_max_ms: i64,
    /// How far a timestamp may lie in the future.
    pub timestamp_after_max_ms: i64,
    /// How long tombstones stay.
    pub delete_retention_ms: i64,
    /// How old a record is before it may be compacted away.
    pub min_compaction_lag_ms: i64,
    /// The share of a log that is not compacted before it is compacted again.
    pub min_cleanable_dirty_ratio: f64,
}

/// What becomes of old records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cleanup {
    /// Records that are old, or too many, go.
    pub delete: bool,
    /// Records go of whose key there is a later one.
    pub compact: bool,
}

impl Default for TopicConfig {
    fn default() -> Self {
        Self {
            cleanup: Cleanup {
                delete: true,
                compact: false,
            },
            retention_ms: Some(7 * DAY_MS),
            retention_bytes: None,
            segment_bytes: 1 << 30,
            segment_ms: 7 * DAY_MS,
            max_message_bytes: 1_048_588,
            index_interval_bytes: 4096,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: HOUR_MS,
            delete_retention_ms: DAY_MS,
            min_compaction_lag_ms: 0,
            min_cleanable_dirty_ratio: 0.5,
        }
    }
}

/// Why a value was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No such key.
    #[error("{0} cannot be set for a topic")]
    Unknown(String),
    /// Not a value of it.
    #[error("{key} cannot be {value:?}: {expected}")]
    Value {
        /// The key.
        key: String,
        /// What it should become.
        value: String,
        /// What it can be.
        expected: &'static str,
    },
}

/// The keys there are, in the order of the alphabet.
const KEYS: [&str; 13] = [
    "cleanup.policy",
    "delete.retention.ms",
    "index.interval.bytes",
    "max.message.bytes",
    "message.timestamp.after.max.ms",
    "message.timestamp.before.max.ms",
    "message.timestamp.type",
    "min.cleanable.dirty.ratio",
    "min.compaction.lag.ms",
    "retention.bytes",
    "retention.ms",
    "segment.bytes",
    "segment.ms",
];

impl TopicConfig {
    /// What can be set, and as what it is.
    pub fn entries(&self) -> impl Iterator<Item = (&'static str, String)> {
        KEYS.into_iter()
            .filter_map(|key| Some((key, self.get(key)?)))
    }

    /// The value of a key, as Kafka writes it; None where there is no such key.
    pub fn get(&self, key: &str) -> Option<String> {
        Some(match key {
            "cleanup.policy" => self.cleanup.to_string(),
            "delete.retention.ms" => self.delete_retention_ms.to_string(),
            "index.interval.bytes" => self.index_interval_bytes.to_string(),
            "max.message.bytes" => self.max_message_bytes.to_string(),
            "message.timestamp.after.max.ms" => self.timestamp_after_max_ms.to_string(),
            "message.timestamp.before.max.ms" => self.timestamp_before_max_ms.to_string(),
            "message.timestamp.type" => match self.timestamp_type {
                TimestampType::CreateTime => "CreateTime".to_owned(),
                TimestampType::LogAppendTime => "LogAppendTime".to_owned(),
            },
            "min.cleanable.dirty.ratio" => self.min_cleanable_dirty_ratio.to_string(),
            "min.compaction.lag.ms" => self.min_compaction_lag_ms.to_string(),
            "retention.bytes" => self
                .retention_bytes
                .map_or("-1".to_owned(), |it| it.to_string()),
            "retention.ms" => self
                .retention_ms
                .map_or("-1".to_owned(), |it| it.to_string()),
            "segment.bytes" => self.segment_bytes.to_string(),
            "segment.ms" => self.segment_ms.to_string(),
            _ => return None,
        })
    }

    /// Sets a key.
    ///
    /// # Errors
    ///
    /// Where there is no such key, or it has no such value.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), ConfigError> {
        let refuse = |expected| ConfigError::Value {
            key: key.to_owned(),
            value: value.to_owned(),
            expected,
        };
        let number = |least: i64, most: i64, expected| {
            let number = value.trim().parse().ok();
            number
                .filter(|it| (least..=most).contains(it))
                .ok_or_else(|| refuse(expected))
        };
        let time = || number(0, i64::MAX, "milliseconds");
        match key {
            "cleanup.policy" => {
                self.cleanup = Cleanup::parse(value)
                    .ok_or_else(|| refuse("delete, compact, or both with a comma"))?
            }
            "delete.retention.ms" => self.delete_retention_ms = time()?,
            "index.interval.bytes" => {
                self.index_interval_bytes = number(0, i64::from(i32::MAX), "bytes")? as u32;
            }
            "max.message.bytes" => {
                self.max_message_bytes =
                    number(0, MAX_BATCH as i64, "bytes, at most 256 MiB")? as usize;
            }
            "message.timestamp.after.max.ms" => self.timestamp_after_max_ms = time()?,
            "message.timestamp.before.max.ms" => self.timestamp_before_max_ms = time()?,
            "message.timestamp.type" => {
                self.timestamp_type = match value {
                    "CreateTime" => TimestampType::CreateTime,
                    "LogAppendTime" => TimestampType::LogAppendTime,
                    _ => return Err(refuse("CreateTime or LogAppendTime")),
                }
            }
            "min.cleanable.dirty.ratio" => {
                let ratio = value
                    .trim()
                    .parse()
                    .ok()
                    .filter(|it| (0.0..=1.0).contains(it));
                self.min_cleanable_dirty_ratio =
                    ratio.ok_or_else(|| refuse("a number from 0 to 1"))?;
            }
            "min.compaction.lag.ms" => self.min_compaction_lag_ms = time()?,
            "retention.bytes" => {
                self.retention_bytes =
                    u64::try_from(number(-1, i64::MAX, "bytes, or -1 for any number")?).ok();
            }
            "retention.ms" => {
                let time = number(-1, i64::MAX, "milliseconds, or -1 for ever")?;
                self.retention_ms = Some(time).filter(|it| *it >= 0);
            }
            "segment.bytes" => {
                let most = i64::from(i32::MAX);
                self.segment_bytes = number(1024, most, "bytes, 1024 to 2147483647")? as u32;
            }
            "segment.ms" => self.segment_ms = number(1, i64::MAX, "milliseconds, 1 at least")?,
            _ => return Err(ConfigError::Unknown(key.to_owned())),
        }
        Ok(())
    }
}

/// The largest batch a topic can be told to take.
const MAX_BATCH: usize = 256 << 20;

impl Cleanup {
    fn parse(value: &str) -> Option<Self> {
        let mut cleanup = Self {
            delete: false,
            compact: false,
        };
        for part in value.split(',').map(str::trim) {
            match part {
                "delete" => cleanup.delete = true,
                "compact" => cleanup.compact = true,
                _ => return None,
            }
        }
        Some(cleanup)
    }
}

impl fmt::Display for Cleanup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.delete, self.compact) {
            (true, true) => "compact,delete",
            (false, true) => "compact",
            _ => "delete",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_takes_what_it_gives() {
        let mut changed = TopicConfig::default();
        for (key, value) in [
            ("cleanup.policy", "delete, compact"),
            ("retention.ms", "-1"),
            ("retention.bytes", "5"),
        ] {
            changed.set(key, value).expect("it is one of its values");
        }
        for config in [TopicConfig::default(), changed] {
            let mut copy = TopicConfig::default();
            for (key, value) in config.entries() {
                copy.set(key, &value).expect("what is given is taken");
            }
            assert_eq!(copy, config);
            assert_eq!(config.entries().count(), KEYS.len());
        }
    }

    #[test]
    fn other_keys_and_values_are_refused() {
        let mut config = TopicConfig::default();
        for key in KEYS {
            assert!(config.set(key, "nonsense").is_err(), "{key}");
        }
        assert!(config.set("segment.bytes", "12").is_err());
        assert!(config.set("min.cleanable.dirty.ratio", "1.5").is_err());
        assert_eq!(
            config.set("nonsense", "1"),
            Err(ConfigError::Unknown("nonsense".to_owned()))
        );
        assert_eq!(config, TopicConfig::default());
    }
}
