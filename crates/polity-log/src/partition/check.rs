//! What a batch must be like to be appended.

use super::Origin;
use crate::batch::{BatchError, Compression, HEADER, Header, TimestampType, decompress, have_keys};
use crate::config::TopicConfig;
use crate::error::AppendError;

/// Checks one batch on its own: nothing inside a batch is looked at but what its checksum covers as a
/// whole. Records are the producer's and the consumers' affair.
pub(super) fn check(
    batch: &[u8],
    origin: Origin,
    config: &TopicConfig,
    now_ms: impl FnOnce() -> i64,
) -> Result<Header, AppendError> {
    // The cheap questions first, the checksum last.
    let header = Header::parse(batch)?;
    let (size, most) = (header.length, config.max_message_bytes);
    if size > most && origin == Origin::Client {
        return Err(AppendError::TooLarge { size, most });
    }
    if let Some(trailing) = batch.len().checked_sub(size).filter(|it| *it > 0) {
        return Err(BatchError::Trailing(trailing).into());
    }
    let (count, last_delta) = (header.count, header.last_offset_delta);
    if count < 1 || last_delta != count - 1 {
        return Err(BatchError::Count { count, last_delta }.into());
    }
    check_attributes(&header, origin)?;
    if config.timestamp_type == TimestampType::CreateTime && origin == Origin::Client {
        check_timestamps(&header, config, now_ms())?;
    }
    Ok(Header::parse_checked(batch)?)
}

/// Checks that each record has a key, by which it can be compacted. What is compressed is opened for it, a
/// piece at a time.
pub(super) fn check_keys(header: &Header, batch: &[u8]) -> Result<(), AppendError> {
    let records = batch.get(HEADER..header.length).unwrap_or_default();
    let compression = header.attributes.compression().unwrap_or(Compression::None);
    let have_keys = decompress(compression, records).and_then(|it| have_keys(it, header.count));
    match have_keys {
        Ok(true) => Ok(()),
        Ok(false) => Err(AppendError::Invalid(
            "a record of a compacted topic has a key",
        )),
        Err(error) => {
            tracing::debug!("a batch for a compacted topic cannot be read: {error}");
            Err(AppendError::Invalid(
                "the keys of a batch for a compacted topic cannot be read",
            ))
        }
    }
}

fn check_attributes(header: &Header, origin: Origin) -> Result<(), AppendError> {
    let attributes = header.attributes;
    if attributes.compression().is_none() {
        return Err(AppendError::Invalid(
            "the batch is compressed in a way nobody knows",
        ));
    }
    if attributes.is_control() {
        return Err(AppendError::Invalid("only the broker writes markers"));
    }
    if attributes.timestamp_type() == TimestampType::LogAppendTime {
        return Err(AppendError::Invalid(
            "only the broker says when a batch was appended",
        ));
    }
    if attributes.has_delete_horizon() {
        return Err(AppendError::Invalid(
            "only compaction says when tombstones may go",
        ));
    }
    if header.is_idempotent() {
        if header.producer_epoch.0 < 0 {
            return Err(AppendError::Invalid(
                "a producer with an id has an epoch too",
            ));
        }
        if header.base_sequence < 0 && origin == Origin::Client {
            return Err(AppendError::Invalid(
                "a producer with an id counts its records",
            ));
        }
    } else if attributes.is_transactional() {
        return Err(AppendError::Invalid(
            "a transaction has a producer with an id",
        ));
    }
    Ok(())
}

fn check_timestamps(header: &Header, config: &TopicConfig, now_ms: i64) -> Result<(), AppendError> {
    let latest = now_ms.saturating_add(config.timestamp_after_max_ms);
    let earliest = now_ms.saturating_sub(config.timestamp_before_max_ms);
    let refuse = |timestamp_ms| Err(AppendError::Timestamp { timestamp_ms });
    // -1 is a record without a timestamp.
    match (header.base_timestamp_ms, header.max_timestamp_ms) {
        (_, max) if max > latest => refuse(max),
        (base, _) if base >= 0 && base < earliest => refuse(base),
        _ => Ok(()),
    }
}
