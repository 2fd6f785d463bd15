//! A partition's checkpoint: all before it is durable and needs no verifying, and this is what follows
//! from it.
//!
//! It is `OFFSET.checkpoint` in the partition's folder, written whenever a segment is full and when the
//! log is closed, always after all that it vouches for has been synced. A start believes the newest
//! one that is whole, and replays the batches after it.

use std::io;
use std::path::Path;

use crate::disk::{Disk, read_small, write_atomically};
use crate::id::{LeaderEpoch, Offset};
use crate::partition::Mark;
use crate::producer::Producers;

/// What such files' names end in.
pub(crate) const CHECKPOINT: &str = "checkpoint";

const MAGIC: u32 = 0x504c_4350; // "PLCP"
const VERSION: u32 = 2;

/// More than all that is remembered of as many producers as there may be.
const MAX_FILE: usize = 32 << 20;

/// Epochs that are remembered; each is a start that was not after a close.
pub(crate) const MAX_EPOCHS: usize = 1_000;

/// What follows from the batches before a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) at: Mark,
    /// Where the partition began, for good.
    pub(crate) start: Offset,
    /// Of the indexes of its segment: entries that stand for batches before it.
    pub(crate) index_entries: [u32; 2],
    pub(crate) producers: Producers,
    pub(crate) epochs: Epochs,
}

/// The leader's epochs that have batches, and where each begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Epochs(pub(crate) Vec<(LeaderEpoch, Offset)>);

impl Epochs {
    /// Takes note of a batch.
    pub(crate) fn saw(&mut self, epoch: LeaderEpoch, at: Offset) {
        if self.0.last().is_none_or(|(last, _)| epoch > *last) {
            if self.0.len() == MAX_EPOCHS {
                self.0.remove(0);
            }
            self.0.push((epoch, at));
        }
    }

    /// The last epoch up to this one, which is not the latest, and where it ended: where the next began, or
    /// at `end` where nothing came since. An epoch before all that are known has ended where they begin.
    pub(crate) fn end_of(&self, epoch: LeaderEpoch, end: Offset) -> Option<(LeaderEpoch, Offset)> {
        let after = self.0.partition_point(|(begun, _)| *begun <= epoch);
        let next = self.0.get(after).map(|(_, begin)| *begin);
        match after.checked_sub(1).and_then(|at| self.0.get(at)) {
            Some((found, _)) => Some((*found, next.unwrap_or(end))),
            None => next.map(|begin| (epoch, begin)),
        }
    }

    pub(crate) fn last(&self) -> Option<LeaderEpoch> {
        self.0.last().map(|(epoch, _)| *epoch)
    }
}

impl Checkpoint {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = Writer::default();
        body.i64(self.at.offset.0);
        body.i64(self.at.segment.0);
        body.u32(self.at.position);
        body.i64(self.start.0);
        self.index_entries
            .iter()
            .for_each(|entries| body.u32(*entries));
        body.u32(self.epochs.0.len() as u32);
        for (epoch, offset) in &self.epochs.0 {
            body.i32(epoch.0);
            body.i64(offset.0);
        }
        self.producers.encode(&mut body);
        let mut file = Writer::default();
        file.u32(MAGIC);
        file.u32(VERSION);
        file.u32(crc32c::crc32c(&body.0));
        file.0.extend(body.0);
        file.0
    }

    /// None where it is not whole, or of another version.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut from = Reader(bytes);
        let (magic, version, checksum) = (from.u32()?, from.u32()?, from.u32()?);
        if (magic, version, checksum) != (MAGIC, VERSION, crc32c::crc32c(from.0)) {
            return None;
        }
        let (offset, segment) = (Offset(from.i64()?), Offset(from.i64()?));
        let at = Mark {
            offset,
            segment,
            position: from.u32()?,
        };
        let start = Offset(from.i64()?);
        let index_entries = [from.u32()?, from.u32()?];
        let mut epochs = Epochs::default();
        for _ in 0..from.u32().filter(|count| *count as usize <= MAX_EPOCHS)? {
            epochs
                .0
                .push((LeaderEpoch(from.i32()?), Offset(from.i64()?)));
        }
        let producers = Producers::decode(&mut from)?;
        from.0.is_empty().then_some(Self {
            at,
            start,
            index_entries,
            producers,
            epochs,
        })
    }

    pub(crate) fn write<D: Disk>(&self, disk: &D, path: &Path) -> io::Result<()> {
        write_atomically(disk, path, &self.encode())
    }

    /// None where there is none, or it is damaged: all can be had from the batches.
    pub(crate) fn read<D: Disk>(disk: &D, path: &Path) -> io::Result<Option<Self>> {
        let Some(bytes) = read_small(disk, path, MAX_FILE)? else {
            return Ok(None);
        };
        let checkpoint = Self::decode(&bytes);
        if checkpoint.is_none() {
            tracing::warn!("{} is damaged, and goes for not there", path.display());
        }
        Ok(checkpoint)
    }
}

/// Puts numbers one after the other.
#[derive(Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn u32(&mut self, value: u32) {
        self.0.extend(value.to_be_bytes());
    }

    pub(crate) fn i32(&mut self, value: i32) {
        self.0.extend(value.to_be_bytes());
    }

    pub(crate) fn i64(&mut self, value: i64) {
        self.0.extend(value.to_be_bytes());
    }
}

/// Takes numbers one after the other.
#[derive(Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Option<i32> {
        self.take().map(i32::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.take().map(i64::from_be_bytes)
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (value, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{BatchBuilder, Header};
    use crate::{ProducerEpoch, ProducerId};

    fn checkpoint() -> Checkpoint {
        let mut producers = Producers::default();
        for number in 0..20 {
            let (id, epoch) = (ProducerId(number % 3), ProducerEpoch(2));
            let batch = BatchBuilder::new()
                .producer(id, epoch, number as i32)
                .transactional();
            let batch = batch.record(5, None, None).build();
            producers.apply(&Header::parse(&batch).expect("it is one"), None);
        }
        let mut epochs = Epochs::default();
        epochs.saw(LeaderEpoch(3), Offset(7));
        let at = Mark {
            offset: Offset(20),
            segment: Offset(10),
            position: 300,
        };
        Checkpoint {
            at,
            start: Offset(4),
            index_entries: [3, 2],
            producers,
            epochs,
        }
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        assert_eq!(
            Checkpoint::decode(&checkpoint().encode()),
            Some(checkpoint())
        );
    }

    #[test]
    fn an_epoch_ends_where_the_next_begins() {
        let mut epochs = Epochs::default();
        let end_of = |epochs: &Epochs, epoch| {
            let found = epochs.end_of(LeaderEpoch(epoch), Offset(90));
            found.map(|(epoch, end)| (epoch.0, end.0))
        };
        assert_eq!(end_of(&epochs, 0), None);
        epochs.saw(LeaderEpoch(2), Offset(20));
        epochs.saw(LeaderEpoch(5), Offset(50));
        // Before any that is known, at one, between two, and after the last with a batch.
        for (epoch, expected) in [
            (1, (1, 20)),
            (2, (2, 50)),
            (4, (2, 50)),
            (5, (5, 90)),
            (7, (5, 90)),
        ] {
            assert_eq!(end_of(&epochs, epoch), Some(expected), "{epoch}");
        }
    }

    #[test]
    fn any_damage_is_found() {
        let bytes = checkpoint().encode();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert_eq!(Checkpoint::decode(&damaged), None, "byte {at}");
            assert_eq!(Checkpoint::decode(&bytes[..at]), None, "cut off at {at}");
        }
    }
}
