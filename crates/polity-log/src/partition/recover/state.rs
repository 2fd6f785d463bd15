//! What follows from the batches of a partition, taken one after the other.

use std::sync::Arc;

use crate::batch::{ControlRecord, Header, Records};
use crate::checkpoint::{Checkpoint, Epochs};
use crate::disk::Disk;
use crate::partition::{Mark, Writer};
use crate::producer::Count;
use crate::segment::Segment;
use crate::transaction::Transactions;

/// What follows from the batches so far.
pub(super) struct State<D: Disk> {
    pub(super) writer: Writer<D>,
    pub(super) transactions: Transactions,
    pub(super) epochs: Epochs,
}

impl<D: Disk> State<D> {
    /// Before the first batch.
    pub(super) fn new(first: Arc<Segment<D>>, producer_count: Count) -> Self {
        Self {
            writer: Writer::new(first, producer_count),
            transactions: Transactions::default(),
            epochs: Epochs::default(),
        }
    }

    /// As it was at a checkpoint, but for the transactions.
    pub(super) fn resume(&mut self, checkpoint: Checkpoint) {
        self.writer.end = checkpoint.at.offset;
        self.writer.producers = checkpoint.producers;
        self.writer.count_producers();
        self.epochs = checkpoint.epochs;
    }

    pub(super) fn take(
        &mut self,
        segment: &Segment<D>,
        header: &Header,
        position: u32,
        batch: &[u8],
        index_interval: u32,
    ) -> Result<(), String> {
        let end = self.writer.end;
        if header.base_offset != end || header.last_offset_delta < 0 {
            return Err(format!("offset {} comes after {end}", header.base_offset));
        }
        if header.last_offset().0 - segment.base.0 > i64::from(i32::MAX) {
            return Err(format!(
                "offset {} is too far from the first",
                header.base_offset
            ));
        }
        let marker = marker(header, batch);
        if let Some(aborted) = self.writer.aborted_by(header, marker) {
            segment
                .aborted
                .push(&aborted)
                .map_err(|error| error.to_string())?;
        }
        let at = Mark {
            offset: header.base_offset,
            segment: segment.base,
            position,
        };
        segment.appended(header, position, index_interval);
        self.epochs.saw(header.leader_epoch, at.offset);
        let change = self.writer.wrote(header, marker);
        self.transactions.apply(change, at);
        // All that is found counts.
        self.transactions.settle(header.last_offset().next());
        Ok(())
    }
}

/// What a control batch says.
fn marker(header: &Header, batch: &[u8]) -> Option<ControlRecord> {
    let records = header
        .attributes
        .is_control()
        .then(|| Records::of(header, batch));
    let record = records?.ok()?.next()?.ok()?;
    ControlRecord::parse(&record).ok()?
}
