//! A life of a log whose records all stay, but for what is deleted from the beginning.

use polity_core::{Rng, SplitMix64};

use super::machine::{End, Machine};
use super::{Check, Outcome, expect, model, split};
use crate::batch::Outcome as Ending;
use crate::batch::{BatchBuilder, ControlRecord, Header};
use crate::disk::simulated::SimulatedDisk;
use crate::{
    AppendError, Durability, Isolation, Offset, Origin, Partition, ProducerEpoch, ProducerId,
    TopicConfig,
};

/// Things that happen in one life.
const STEPS: usize = 120;

const PARTITIONS: usize = 3;
const PRODUCERS: usize = 4;

pub(super) struct Life {
    machine: Machine,
    partitions: Vec<model::Partition>,
    outcome: Outcome,
}

impl Life {
    pub(super) fn new(seed: u64) -> Self {
        let mut machine = Machine::new(SplitMix64::new(seed));
        if machine.rng.below(5) == 0 {
            machine.settings.durability = Durability::Os;
        }
        Self {
            machine,
            partitions: vec![model::Partition::default(); PARTITIONS],
            outcome: Outcome::default(),
        }
    }

    pub(super) fn live(mut self) -> Result<Outcome, String> {
        self.machine.start()?;
        self.check_start()?;
        let config = TopicConfig {
            segment_bytes: 1024 + self.machine.rng.below(5000) as u32,
            index_interval_bytes: 300,
            ..TopicConfig::default()
        };
        self.machine.create(PARTITIONS, config)?;
        for step in 0..STEPS {
            self.step().map_err(|why| format!("step {step}: {why}"))?;
        }
        self.restart(End::Kill)?;
        Ok(self.outcome)
    }

    fn step(&mut self) -> Check {
        match self.machine.rng.below(100) {
            0..50 => return self.append(),
            50..56 => return self.end_transaction(),
            56..70 => {
                self.machine.flush();
                self.acknowledge();
            }
            70..80 => return self.read(),
            80..82 => return self.delete(),
            82..84 => self.machine.fill_disk(),
            84..88 => {
                if self.machine.free_disk() {
                    return self.restart(End::Kill);
                }
            }
            88..91 => self.machine.fail_a_sync(),
            91..96 => self.machine.cut_power_soon(),
            96..98 => return self.restart(End::Kill),
            98..99 => return self.restart(End::Close),
            _ => return self.restart(End::PowerCut),
        }
        Ok(())
    }

    fn append(&mut self) -> Check {
        let number = self.machine.rng.below(PARTITIONS);
        let producer = self.machine.rng.below(PRODUCERS + 1);
        let records = 1 + self.machine.rng.below(4);
        let id = ProducerId(producer as i64);
        let (epoch, next) = *self.partitions[number].producers.entry(id.0).or_default();
        let builder = match producer {
            PRODUCERS => BatchBuilder::new(),
            // Half of them write in transactions.
            0 | 2 => BatchBuilder::new().producer(id, ProducerEpoch(epoch), next),
            _ => BatchBuilder::new()
                .producer(id, ProducerEpoch(epoch), next)
                .transactional(),
        };
        let mut value = vec![0; self.machine.rng.below(700)];
        value
            .iter_mut()
            .for_each(|byte| *byte = self.machine.rng.next_u64() as u8);
        let builder =
            (0..records).fold(builder, |builder, _| builder.record(1, None, Some(&value)));
        let batch = builder.build();
        let Some(partition) = self.machine.partition(number) else {
            return Ok(());
        };
        let appended = partition.append(&batch, Origin::Client);
        let model = &mut self.partitions[number];
        self.outcome.note(appended.is_ok());
        match appended {
            Ok(appended) => {
                expect("the offset", appended.base_offset, model.end())?;
                let header = Header::parse(&batch).map_err(|error| error.to_string())?;
                model.appended(appended.base_offset, &batch, header);
                if producer < PRODUCERS {
                    model.producers.insert(id.0, (epoch, next + records as i32));
                    let again = partition.append(&batch, Origin::Client);
                    let again = again.map_err(|error| format!("a duplicate: {error}"))?;
                    expect(
                        "a duplicate's offset",
                        again.base_offset,
                        appended.base_offset,
                    )?;
                }
                Ok(())
            }
            Err(AppendError::DiskFull | AppendError::Poisoned(_)) => expect(
                "the end after a refusal",
                partition.offsets().end,
                model.end(),
            ),
            Err(error) => Err(format!("an append: {error}")),
        }
    }

    fn end_transaction(&mut self) -> Check {
        let number = self.machine.rng.below(PARTITIONS);
        let id = ProducerId(1 + 2 * self.machine.rng.below(PRODUCERS / 2) as i64);
        let outcome = if self.machine.rng.below(2) == 0 {
            Ending::Abort
        } else {
            Ending::Commit
        };
        let Some(partition) = self.machine.partition(number) else {
            return Ok(());
        };
        let model = &mut self.partitions[number];
        let epoch = ProducerEpoch(model.producers.entry(id.0).or_default().0);
        let marker = ControlRecord {
            outcome,
            coordinator_epoch: 0,
        };
        match partition.append_marker(id, epoch, marker) {
            Ok(appended) => {
                let bytes = marker.batch(id, epoch, 0);
                let header = Header::parse(&bytes).map_err(|error| error.to_string())?;
                model.appended(appended.base_offset, &bytes, header);
                Ok(())
            }
            Err(AppendError::DiskFull | AppendError::Poisoned(_)) => Ok(()),
            Err(error) => Err(format!("a marker: {error}")),
        }
    }

    /// Notes what counts now.
    fn acknowledge(&mut self) {
        for number in 0..PARTITIONS {
            let Some(partition) = self.machine.partition(number) else {
                continue;
            };
            // With "os", what counts outlives the process only.
            let promised = match self.machine.settings.durability {
                Durability::Fsync => partition.offsets().high_watermark,
                Durability::Os => continue,
            };
            let new = self.partitions[number].acknowledge(promised);
            self.outcome.acknowledged += new as u64;
        }
    }

    fn read(&mut self) -> Check {
        self.acknowledge();
        let number = self.machine.rng.below(PARTITIONS);
        let Some(partition) = self.machine.partition(number) else {
            return Ok(());
        };
        let model = &self.partitions[number];
        let high_watermark = partition.offsets().high_watermark;
        let start = partition.offsets().start;
        let from = start.plus(
            self.machine
                .rng
                .below((high_watermark.0 - start.0) as usize + 1) as i64,
        );
        let max = self.machine.rng.below(5000);
        let Ok(read) = partition.read(from, Isolation::ReadUncommitted, max) else {
            return Ok(()); // The power is off.
        };
        let Some(slice) = read.slice else {
            return expect("the end of what can be read", from, high_watermark);
        };
        let Ok(bytes) = slice.bytes() else {
            return Ok(());
        };
        let batches = split(&bytes)?;
        let first = model.batches.iter().position(|batch| batch.last >= from);
        model.compare(
            &batches,
            first.ok_or("something is read that was never appended")?,
        )?;
        match batches
            .last()
            .is_some_and(|(header, _)| header.last_offset() < high_watermark)
        {
            true => Ok(()),
            false => Err("more is read than counts".to_owned()),
        }
    }

    fn delete(&mut self) -> Check {
        let number = self.machine.rng.below(PARTITIONS);
        let Some(partition) = self.machine.partition(number) else {
            return Ok(());
        };
        // It flushes first, and what it refuses it refuses by what counts.
        let before = Offset(
            self.machine
                .rng
                .below(partition.offsets().end.0 as usize + 1) as i64,
        );
        let deleted = partition.delete_records(Some(before));
        self.acknowledge();
        let model = &mut self.partitions[number];
        model.tried.push(before.max(model.start));
        match deleted {
            // What was tried before and may have been done is undone only by what is done now.
            Ok(start) if start > model.start => model.begins(start),
            Ok(start) => expect("the start", start, model.start),
            Err(_) => Ok(()),
        }
    }

    fn restart(&mut self, end: End) -> Check {
        self.acknowledge();
        self.machine.restart(end)?;
        self.check_start()
    }

    /// Checks what is there after a start.
    fn check_start(&mut self) -> Check {
        self.outcome.starts += 1;
        for number in 0..PARTITIONS {
            let Some(partition) = self.machine.partition(number) else {
                match self.partitions[number].batches.is_empty() {
                    true => continue,
                    false => return Err("the topic is gone".to_owned()),
                }
            };
            let read = read_all(&partition)?;
            let model = &mut self.partitions[number];
            model.begins(partition.offsets().start)?;
            let lost = model
                .survive(&read)
                .map_err(|why| format!("partition {number}: {why}"))?;
            self.outcome.lost += lost as u64;
            expect("the end", partition.offsets().end, model.end())?;
            // What is read after a start is promised, whoever appended it.
            model.acknowledge(partition.offsets().high_watermark);
            for (_, bytes) in &read {
                self.outcome.note_bytes(bytes);
            }
        }
        Ok(())
    }
}

fn read_all(partition: &Partition<SimulatedDisk>) -> Result<Vec<(Header, Vec<u8>)>, String> {
    let (mut at, mut batches) = (partition.offsets().start, Vec::new());
    loop {
        let read = partition.read(at, Isolation::ReadUncommitted, 1000);
        let Some(slice) = read.map_err(|error| error.to_string())?.slice else {
            return Ok(batches);
        };
        batches.extend(split(&slice.bytes().map_err(|error| error.to_string())?)?);
        at = batches
            .last()
            .map_or(at, |(header, _)| header.last_offset().next());
    }
}
