//! What the log should have.

use std::collections::BTreeMap;

use crate::batch::Header;
use crate::id::Offset;

/// A batch that was appended.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    pub(super) first: Offset,
    pub(super) last: Offset,
    /// All from its checksum on: the rest is the log's to write.
    pub(super) bytes: Vec<u8>,
    pub(super) header: Header,
}

/// One partition.
#[derive(Debug, Clone, Default)]
pub(super) struct Partition {
    /// All that was appended and can be there, in order.
    pub(super) batches: Vec<Batch>,
    /// Where it was told to begin.
    pub(super) start: Offset,
    /// And since then, without an answer.
    pub(super) tried: Vec<Offset>,
    /// How many of them were acknowledged, or seen by a reader.
    pub(super) acknowledged: usize,
    /// Of each producer, its epoch and the next sequence.
    pub(super) producers: BTreeMap<i64, (i16, i32)>,
}

/// Where what is checked begins in a batch.
pub(super) const CHECKED: usize = 17;

impl Partition {
    pub(super) fn end(&self) -> Offset {
        self.batches
            .last()
            .map_or(Offset::ZERO, |batch| batch.last.next())
    }

    pub(super) fn appended(&mut self, first: Offset, bytes: &[u8], header: Header) {
        let header = Header {
            base_offset: first,
            ..header
        };
        let last = header.last_offset();
        let bytes = bytes[CHECKED..].to_vec();
        self.batches.push(Batch {
            first,
            last,
            bytes,
            header,
        });
    }

    /// All below the high watermark is promised. Returns how many batches are so newly.
    pub(super) fn acknowledge(&mut self, high_watermark: Offset) -> usize {
        let promised = self
            .batches
            .iter()
            .filter(|batch| batch.last < high_watermark)
            .count();
        let new = promised.saturating_sub(self.acknowledged);
        self.acknowledged += new;
        new
    }

    /// After a start: what was read must be what was appended, and all that was promised. Returns how
    /// many batches were lost.
    pub(super) fn survive(&mut self, read: &[(Header, Vec<u8>)]) -> Result<usize, String> {
        let gone = self.first_from(self.start);
        let there = gone + read.len();
        if there < self.acknowledged {
            return Err(format!(
                "{there} batches of {} promised are left",
                self.acknowledged
            ));
        }
        if there > self.batches.len() {
            return Err(format!(
                "{there} batches are there of {} appended",
                self.batches.len()
            ));
        }
        self.compare(read, gone)?;
        let lost = self.batches.len() - there;
        self.batches.truncate(there);
        self.replay();
        Ok(lost)
    }

    /// The number of the batch with an offset.
    pub(super) fn first_from(&self, offset: Offset) -> usize {
        self.batches
            .iter()
            .take_while(|batch| batch.last < offset)
            .count()
    }

    /// After a start: where it begins must be where it was told to.
    pub(super) fn begins(&mut self, start: Offset) -> Result<(), String> {
        if start != self.start && !self.tried.contains(&start) {
            let (told, tried) = (self.start, &self.tried);
            return Err(format!(
                "it begins at {start}, and was told {told}, or {tried:?}"
            ));
        }
        self.start = start;
        self.tried.clear();
        Ok(())
    }

    /// Batches that were read must be those from this one on.
    pub(super) fn compare(&self, read: &[(Header, Vec<u8>)], from: usize) -> Result<(), String> {
        for (number, (header, bytes)) in read.iter().enumerate() {
            let Some(batch) = self.batches.get(from + number) else {
                return Err(format!(
                    "a batch at {} was never appended",
                    header.base_offset
                ));
            };
            if header.base_offset != batch.first || bytes[CHECKED..] != batch.bytes {
                let (is, should) = (header.base_offset, batch.first);
                return Err(format!(
                    "the batch at {is} is not the one that should be at {should}"
                ));
            }
        }
        Ok(())
    }

    /// What producers will send next, given what is there.
    fn replay(&mut self) {
        for (id, (epoch, next)) in &mut self.producers {
            let of_it = |batch: &&Batch| {
                let header = &batch.header;
                header.producer_id.0 == *id && !header.attributes.is_control()
            };
            // A producer that was restarted has a higher epoch, if anybody knows.
            let last = self
                .batches
                .iter()
                .rev()
                .find(of_it)
                .map(|batch| batch.header);
            match last.filter(|last| last.producer_epoch.0 == *epoch) {
                Some(last) => *next = crate::batch::sequence_after(last.last_sequence(), 1),
                None => *next = 0,
            }
        }
    }
}
