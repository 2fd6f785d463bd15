//! A life of a topic that is compacted, and whose old records go, while it is appended to and read.
//!
//! What is read must be what was appended, in order and once. A record may be missing only where a later one
//! has its key, or it is a tombstone, or the partition begins after it.

use std::collections::BTreeMap;
use std::sync::Arc;

use polity_core::{Rng, SplitMix64};

use super::machine::{End, Machine};
use super::{Check, Outcome, split};
use crate::batch::{BatchBuilder, Compression, HEADER, Records, decompress};
use crate::config::Cleanup;
use crate::disk::simulated::{SimulatedDisk, SimulatedFile};
use crate::{AppendError, Isolation, Offset, Origin, Partition, Slice, TopicConfig};

/// Things that happen in one life.
const STEPS: usize = 120;

/// Few enough that most records are outdated.
const KEYS: usize = 12;

pub(super) struct Compacting {
    machine: Machine,
    /// What was appended, by its offset.
    records: BTreeMap<i64, Record>,
    /// All before it outlives anything, as far as it counts.
    promised: Offset,
    /// All before it may be gone.
    begun: Offset,
    /// Where a reader is that goes on and on.
    reader: Offset,
    /// What it has found, and will read later.
    found: Option<Found>,
    outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq)]
struct Record {
    key: Vec<u8>,
    value: Option<Vec<u8>>,
}

struct Found {
    slice: Slice<SimulatedFile>,
    from: Offset,
}

impl Compacting {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            machine: Machine::new(SplitMix64::new(!seed)),
            records: BTreeMap::new(),
            promised: Offset::ZERO,
            begun: Offset::ZERO,
            reader: Offset::ZERO,
            found: None,
            outcome: Outcome::default(),
        }
    }

    pub(super) fn live(mut self) -> Result<Outcome, String> {
        self.machine.start()?;
        let rng = &mut self.machine.rng;
        let cleanup = Cleanup {
            compact: true,
            delete: rng.below(2) == 0,
        };
        let config = TopicConfig {
            cleanup,
            segment_bytes: 1024 + rng.below(2000) as u32,
            retention_bytes: (rng.below(2) == 0).then_some(6000),
            index_interval_bytes: 300,
            min_cleanable_dirty_ratio: 0.0,
            ..TopicConfig::default()
        };
        self.machine.create(1, config)?;
        for step in 0..STEPS {
            self.step().map_err(|why| format!("step {step}: {why}"))?;
        }
        self.restart(End::Kill)?;
        Ok(self.outcome)
    }

    fn step(&mut self) -> Check {
        match self.machine.rng.below(100) {
            0..45 => return self.append(),
            45..54 => {
                self.machine.flush();
                self.promise();
            }
            54..64 => {
                self.machine.flush();
                self.machine.housekeep();
                self.promise();
            }
            64..82 => return self.read(),
            82..83 => return self.delete(),
            83..85 => self.machine.fill_disk(),
            85..89 => {
                if self.machine.free_disk() {
                    return self.restart(End::Kill);
                }
            }
            89..91 => self.machine.fail_a_sync(),
            91..95 => self.machine.cut_power_soon(),
            95..97 => return self.restart(End::Kill),
            97..98 => return self.restart(End::Close),
            _ => return self.restart(End::PowerCut),
        }
        Ok(())
    }

    fn append(&mut self) -> Check {
        let Some(partition) = self.partition() else {
            return Ok(());
        };
        let timestamp_ms = self.machine.now_ms();
        let rng = &mut self.machine.rng;
        let (mut builder, mut records) = (BatchBuilder::new(), Vec::new());
        for _ in 0..1 + rng.below(5) {
            let key = vec![rng.below(KEYS) as u8];
            let value = (rng.below(8) > 0).then(|| {
                let byte = rng.next_u64() as u8;
                vec![byte; rng.below(250)]
            });
            builder = builder.record(timestamp_ms, Some(&key), value.as_deref());
            records.push(Record { key, value });
        }
        let batch = match rng.below(9) {
            0 => builder.build_compressed(Compression::Gzip),
            1 => builder.build_compressed(Compression::Snappy),
            2 => builder.build_compressed(Compression::Lz4),
            3 => builder.build_compressed(Compression::Zstd),
            _ => builder.build(),
        };
        let appended = partition.append(&batch, Origin::Client);
        self.outcome.note(appended.is_ok());
        match appended {
            Ok(appended) => {
                let offsets = appended.base_offset.0..;
                self.records.extend(offsets.zip(records));
                Ok(())
            }
            Err(AppendError::DiskFull | AppendError::Poisoned(_) | AppendError::Exhausted(_)) => {
                Ok(())
            }
            Err(error) => Err(format!("an append: {error}")),
        }
    }

    /// Notes what counts now, and what may be gone.
    fn promise(&mut self) {
        let Some(partition) = self.partition() else {
            return;
        };
        let offsets = partition.offsets();
        self.outcome.acknowledged += (offsets.high_watermark.0 - self.promised.0).max(0) as u64;
        self.promised = self.promised.max(offsets.high_watermark);
        self.begun = self.begun.max(offsets.start);
    }

    /// Goes on reading; what was found may be read some time later only, whatever has become of it.
    fn read(&mut self) -> Check {
        self.promise();
        if let Some(found) = self.found.take() {
            // The power may be off.
            return found.slice.bytes().map_or(Ok(()), |bytes| {
                let next = self.check(&bytes, found.from)?;
                self.reader = next;
                Ok(())
            });
        }
        let Some(partition) = self.partition() else {
            return Ok(());
        };
        let offsets = partition.offsets();
        let from = match self.machine.rng.below(4) {
            0 => offsets.start,
            _ => self.reader.clamp(offsets.start, offsets.high_watermark),
        };
        let max = self.machine.rng.below(2000);
        let Ok(read) = partition.read(from, Isolation::ReadUncommitted, max) else {
            return Ok(());
        };
        match read.slice {
            Some(slice) => {
                self.found = Some(Found { slice, from });
                Ok(())
            }
            None => self.check_missing(from, offsets.high_watermark),
        }
    }

    fn delete(&mut self) -> Check {
        let Some(partition) = self.partition() else {
            return Ok(());
        };
        let end = partition.offsets().high_watermark.0 as usize;
        let before = Offset(self.machine.rng.below(end + 1) as i64);
        // Done or not, nobody may expect them any more.
        self.begun = self.begun.max(before);
        drop(partition.delete_records(Some(before)));
        self.promise();
        Ok(())
    }

    fn restart(&mut self, end: End) -> Check {
        self.promise();
        self.found = None;
        self.machine.restart(end)?;
        self.outcome.starts += 1;
        let Some(partition) = self.partition() else {
            return Err("the topic is gone".to_owned());
        };
        let offsets = partition.offsets();
        if offsets.end < self.promised {
            let (end, promised) = (offsets.end, self.promised);
            return Err(format!("it ends at {end}, and {promised} was promised"));
        }
        self.outcome.lost += self.records.split_off(&offsets.end.0).len() as u64;
        let mut next = offsets.start;
        let mut left = 0;
        loop {
            let read = partition.read(next, Isolation::ReadUncommitted, 1000);
            let Some(slice) = read.map_err(|error| error.to_string())?.slice else {
                break;
            };
            let bytes = slice.bytes().map_err(|error| error.to_string())?;
            self.outcome.note_bytes(&bytes);
            left += records(&bytes)?.len();
            next = self.check(&bytes, next)?;
        }
        self.check_missing(next, offsets.end)?;
        self.outcome.compacted += self
            .records
            .range(offsets.start.0..)
            .count()
            .saturating_sub(left) as u64;
        self.promise();
        Ok(())
    }

    /// Checks what was read from an offset on, and says what comes next.
    fn check(&self, bytes: &[u8], from: Offset) -> Result<Offset, String> {
        let mut next = from;
        for (offset, record) in records(bytes)? {
            if offset < from {
                continue;
            }
            if offset < next {
                return Err(format!("{offset} comes after {next}"));
            }
            if self.records.get(&offset.0) != Some(&record) {
                return Err(format!("the record at {offset} is not the one of there"));
            }
            self.check_missing(next, offset)?;
            next = offset.next();
        }
        let last = split(bytes)?.last().map(|(header, _)| header.last_offset());
        let end = last.map_or(next, |last| last.next().max(next));
        self.check_missing(next, end)?;
        Ok(end)
    }

    /// Checks that records may be missing from one offset to before another.
    fn check_missing(&self, from: Offset, to: Offset) -> Check {
        let from = from.max(self.begun);
        let missing = self.records.range(from.0..to.0.max(from.0));
        for (offset, record) in missing {
            let mut later = self.records.range(offset + 1..);
            let is_outdated = later.any(|(_, other)| other.key == record.key);
            if !is_outdated && record.value.is_some() {
                return Err(format!(
                    "the record at {offset}, the last of its key, is gone"
                ));
            }
        }
        Ok(())
    }

    fn partition(&self) -> Option<Arc<Partition<SimulatedDisk>>> {
        self.machine.partition(0)
    }
}

/// The records of whole batches, with their offsets.
fn records(bytes: &[u8]) -> Result<Vec<(Offset, Record)>, String> {
    let mut all = Vec::new();
    for (header, batch) in split(bytes)? {
        let compression = header.attributes.compression().ok_or("an unknown codec")?;
        let mut plain = Vec::new();
        decompress(compression, &batch[HEADER..])
            .and_then(|mut reader| reader.read_to_end(&mut plain))
            .map_err(|error| format!("a batch that was read: {error}"))?;
        for record in Records::new(&plain, header.count) {
            let record = record.map_err(|error| format!("a record that was read: {error}"))?;
            let key = record.key.unwrap_or_default().to_vec();
            let value = record.value.map(<[u8]>::to_vec);
            all.push((record.offset(&header), Record { key, value }));
        }
    }
    Ok(all)
}
