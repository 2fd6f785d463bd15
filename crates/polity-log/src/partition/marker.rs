//! Ending transactions, and telling of producers.

use std::sync::Arc;

use super::{Appended, Partition, lock};
use crate::batch::{ControlRecord, Header};
use crate::disk::Disk;
use crate::error::AppendError;
use crate::id::{Offset, ProducerEpoch, ProducerId};

/// What is known of a producer, as DescribeProducers tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerSummary {
    /// Whose.
    pub id: ProducerId,
    /// Its latest.
    pub epoch: ProducerEpoch,
    /// Of its last record, or -1.
    pub last_sequence: i32,
    /// Of its last batch or marker.
    pub last_timestamp_ms: i64,
    /// Of the coordinator that ended its last transaction, or -1.
    pub coordinator_epoch: i32,
    /// Where its open transaction begins.
    pub transaction_start: Option<Offset>,
}

impl<D: Disk> Partition<D> {
    /// Ends a producer's transaction here; a marker is appended even if none is open, as Kafka does. It
    /// counts when the high watermark has passed it, and only then is the transaction over for readers.
    ///
    /// # Errors
    ///
    /// Where the producer or the coordinator has a later epoch, or the disk does not take it.
    pub fn append_marker(
        self: &Arc<Self>,
        id: ProducerId,
        epoch: ProducerEpoch,
        marker: ControlRecord,
    ) -> Result<Appended, AppendError> {
        let config = self.config();
        let batch = marker.batch(id, epoch, self.now_ms());
        let mut header = Header::parse(&batch)?;
        let mut writer = lock(&self.writer);
        self.refuse_if_closed()?;
        writer.producers.check_marker(id, epoch, marker)?;
        header.base_offset = writer.end;
        header.leader_epoch = self.leader_epoch;
        self.write(&mut writer, &header, Some(marker), &batch, &config)?;
        drop(writer);
        self.appended();
        let (base_offset, last_offset) = (header.base_offset, header.last_offset());
        Ok(Appended {
            base_offset,
            last_offset,
            append_time_ms: None,
            is_duplicate: false,
        })
    }

    /// The producers that are known.
    pub fn producers(&self) -> Vec<ProducerSummary> {
        let writer = lock(&self.writer);
        let summaries = writer.producers.iter().map(|(id, known)| ProducerSummary {
            id,
            epoch: known.epoch,
            last_sequence: known.batches.last().map_or(-1, |sent| sent.last_sequence),
            last_timestamp_ms: known.last_timestamp_ms,
            coordinator_epoch: known.coordinator_epoch,
            transaction_start: known.transaction,
        });
        summaries.collect()
    }
}
