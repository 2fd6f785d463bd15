//! Appending: checked outside of the lock, numbered and written under it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::mark::Mark;
use super::{CLOSED, DELETED, Durability, Partition, Writer, check, lock};
use crate::batch::{
    Attributes, ControlRecord, HEADER, Header, Outcome, PATCHED, TimestampType, checksum_with,
};
use crate::checkpoint::Checkpoint;
use crate::config::TopicConfig;
use crate::disk::{Disk, is_exhausted, is_full};
use crate::error::AppendError;
use crate::id::Offset;
use crate::producer::Change;
use crate::segment::{Aborted, Segment, WriteError};

/// Who appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A producer: everything is checked.
    Client,
    /// The broker itself, for its own topics: sizes and times are not limited, and a producer's batches
    /// (offsets committed in a transaction) have no sequence numbers.
    Coordinator,
}

/// Where a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Of its first record.
    pub base_offset: Offset,
    /// Of its last record: it counts when the high watermark is beyond ([`Partition::committed`]).
    pub last_offset: Offset,
    /// Where the topic asks for the broker's time instead of the producer's.
    pub append_time_ms: Option<i64>,
    /// It has been there before: its producer sent it again.
    pub is_duplicate: bool,
}

impl<D: Disk> Partition<D> {
    /// Appends exactly one batch. It is kept as it came, but for its offset and the leader's epoch, and
    /// for its times where the topic has the broker's.
    ///
    /// It is readable and may be acknowledged once the high watermark has passed it:
    /// [`Partition::committed`].
    ///
    /// # Errors
    ///
    /// Says why it was refused. The log is then as before.
    pub fn append(self: &Arc<Self>, batch: &[u8], origin: Origin) -> Result<Appended, AppendError> {
        let config = self.config();
        let mut header = check::check(batch, origin, &config, || self.now_ms())?;
        if config.cleanup.compact {
            check::check_keys(&header, batch)?;
        }
        let mut writer = lock(&self.writer);
        self.refuse_if_closed()?;
        if let Some(sent) = writer.producers.check(&header, origin)? {
            let is_stamped = config.timestamp_type == TimestampType::LogAppendTime;
            return Ok(Appended {
                base_offset: sent.base_offset,
                last_offset: sent.last_offset,
                append_time_ms: is_stamped.then_some(sent.timestamp_ms),
                is_duplicate: true,
            });
        }
        header.base_offset = writer.end;
        header.leader_epoch = self.leader_epoch;
        let append_time_ms = self.stamp(&mut header, batch, &config);
        self.write(&mut writer, &header, None, batch, &config)?;
        drop(writer);
        self.appended();
        Ok(Appended {
            base_offset: header.base_offset,
            last_offset: header.last_offset(),
            append_time_ms,
            is_duplicate: false,
        })
    }

    pub(super) fn refuse_if_closed(&self) -> Result<(), AppendError> {
        if let Some(why) = self.shared.poison.get() {
            return Err(AppendError::Poisoned(why.to_owned()));
        }
        match self.stage() {
            DELETED => Err(AppendError::Deleted),
            CLOSED => Err(AppendError::Closed),
            _ => Ok(()),
        }
    }

    /// Puts the broker's time in, where the topic asks for it.
    fn stamp(&self, header: &mut Header, batch: &[u8], config: &TopicConfig) -> Option<i64> {
        if config.timestamp_type == TimestampType::CreateTime {
            return None;
        }
        let now_ms = self.now_ms();
        let before = *header;
        header.attributes.0 |= Attributes::APPEND_TIME;
        header.max_timestamp_ms = now_ms;
        header.checksum = checksum_with(header, &before, batch);
        Some(now_ms)
    }

    /// Writes a batch whose header is right, and moves the end.
    pub(super) fn write(
        self: &Arc<Self>,
        writer: &mut Writer<D>,
        header: &Header,
        marker: Option<ControlRecord>,
        batch: &[u8],
        config: &TopicConfig,
    ) -> Result<(), AppendError> {
        if must_roll(writer, header, config) {
            self.roll(writer)?;
        }
        let at = writer.mark();
        let aborted = writer.aborted_by(header, marker);
        if let Some(aborted) = &aborted {
            // Before the marker, as it must not be missing; a start drops it if the marker does not follow.
            let noted = writer.active.aborted.push(aborted);
            noted.map_err(|error| self.failed(WriteError::refused(error)))?;
            self.has_aborted.store(true, Ordering::Release);
        }
        let bytes = header.encode();
        // As little as has changed, so that nothing else is copied twice.
        let patched = match header.attributes.timestamp_type() {
            TimestampType::CreateTime => PATCHED,
            TimestampType::LogAppendTime => HEADER,
        };
        let parts = [&bytes[..patched], batch.get(patched..).unwrap_or_default()];
        let written = writer
            .active
            .append(header, parts, config.index_interval_bytes);
        if let Err(mut failure) = written {
            if aborted.is_some() {
                failure.is_undone &= writer.active.aborted.pop().is_ok();
            }
            return Err(self.failed(failure));
        }
        let change = writer.wrote(header, marker);
        let mut bounds = self.bounds();
        bounds.end = writer.mark();
        bounds.epochs.saw(header.leader_epoch, at.offset);
        bounds.transactions.apply(change, at);
        bounds.settle(self.shared.durability);
        drop(bounds);
        let is_due = writer.since_checkpoint >= self.shared.checkpoint_bytes;
        // One that waits is let come to be durable: a later one in its place would wait for ever where
        // appends are faster than the disk.
        if is_due && lock(&self.checkpoint).is_none() {
            self.note_index(writer.active.flush_indexes());
            self.checkpoint_soon(writer);
        }
        Ok(())
    }

    /// Begins a new segment at the end.
    pub(super) fn roll(self: &Arc<Self>, writer: &mut Writer<D>) -> Result<(), AppendError> {
        self.note_index(writer.active.finish());
        let made = Segment::create(&self.shared.files, &self.folder, writer.end);
        let active = made.map_err(|failure| self.failed(failure))?;
        let active = Arc::new(active);
        self.is_folder_dirty.store(true, Ordering::Release);
        self.change_segments(|segments| segments.push(active.clone()));
        writer.active = active;
        writer.first_timestamp_ms = None;
        self.bounds().end = writer.mark();
        self.checkpoint_soon(writer);
        Ok(())
    }

    /// Has a checkpoint made here, once all before it is durable, even where nobody waits for that: a start
    /// has less to verify.
    fn checkpoint_soon(self: &Arc<Self>, writer: &mut Writer<D>) {
        writer.since_checkpoint = 0;
        *lock(&self.checkpoint) = Some(self.checkpoint(writer));
        self.shared.queue.push(self);
    }

    fn note_index(&self, written: std::io::Result<()>) {
        if let Err(error) = written {
            // An index can be made again, and one with fewer entries is no less right.
            tracing::warn!("cannot write an index of {self:?}: {error}");
        }
    }

    /// Something may count now, or has to be made durable first.
    pub(super) fn appended(self: &Arc<Self>) {
        match self.shared.durability {
            Durability::Fsync => self.shared.queue.push(self),
            Durability::Os => self.watchers.wake(),
        }
    }

    /// What follows from all before the end.
    pub(super) fn checkpoint(&self, writer: &Writer<D>) -> Checkpoint {
        let bounds = self.bounds();
        Checkpoint {
            at: writer.mark(),
            start: bounds.start,
            index_entries: writer.active.index_entries(),
            producers: writer.producers.clone(),
            epochs: bounds.epochs.clone(),
        }
    }

    fn failed(&self, failure: WriteError) -> AppendError {
        if is_full(&failure.error) && failure.is_undone {
            return AppendError::DiskFull;
        }
        if is_exhausted(&failure.error) && failure.is_undone {
            return AppendError::Exhausted(failure.error.to_string());
        }
        let why = format!(
            "cannot write to {}: {}",
            self.folder.display(),
            failure.error
        );
        self.shared.poison.set(why.clone());
        self.watchers.wake();
        AppendError::Poisoned(why)
    }

    pub(super) fn now_ms(&self) -> i64 {
        let since = self
            .shared
            .clock
            .wall()
            .duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |since| since.as_millis() as i64)
    }
}

impl<D: Disk> Writer<D> {
    pub(super) fn mark(&self) -> Mark {
        Mark {
            offset: self.end,
            segment: self.active.base,
            position: self.active.size(),
        }
    }

    /// The transaction that a marker aborts.
    pub(super) fn aborted_by(
        &self,
        header: &Header,
        marker: Option<ControlRecord>,
    ) -> Option<Aborted> {
        let producer_id = header.producer_id;
        let first = self.producers.transaction_of(producer_id)?;
        let last = header.last_offset();
        let others = self.producers.first_open_without(producer_id);
        let last_stable = others.unwrap_or(last.next());
        (marker?.outcome == Outcome::Abort).then_some(Aborted {
            producer_id,
            first,
            last,
            last_stable,
        })
    }

    /// Takes note of a batch that is in the active segment.
    pub(super) fn wrote(&mut self, header: &Header, marker: Option<ControlRecord>) -> Change {
        self.first_timestamp_ms
            .get_or_insert(header.max_timestamp_ms);
        self.end = header.last_offset().next();
        self.since_checkpoint += header.length as u64;
        let change = self.producers.apply(header, marker);
        if self.count_producers() {
            self.producers.forget_silent(header.producer_id);
            self.count_producers();
        }
        change
    }

    /// After it has come to know more producers, or forgot some. Says whether all partitions know too many.
    pub(super) fn count_producers(&mut self) -> bool {
        self.producer_count.is_too_many(self.producers.len())
    }
}

fn must_roll<D: Disk>(writer: &Writer<D>, header: &Header, config: &TopicConfig) -> bool {
    let active = &writer.active;
    let size = u64::from(active.size());
    if size == 0 {
        return false;
    }
    let is_full = size + header.length as u64 > u64::from(config.segment_bytes);
    let first = writer.first_timestamp_ms.filter(|first| *first >= 0);
    let is_old = first
        .is_some_and(|first| header.max_timestamp_ms.saturating_sub(first) > config.segment_ms);
    let is_too_far = header.last_offset().0 - active.base.0 > i64::from(i32::MAX);
    is_full || is_old || is_too_far
}
