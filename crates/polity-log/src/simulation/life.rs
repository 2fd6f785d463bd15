//! One life of a log.

use std::path::Path;
use std::sync::Arc;

use polity_core::{ManualClock, Rng, SplitMix64, TopicName};

use super::Outcome;
use super::model;
use crate::batch::Outcome as Ending;
use crate::batch::{BatchBuilder, ControlRecord, Header};
use crate::disk::simulated::SimulatedDisk;
use crate::{
    AppendError, Durability, Isolation, Log, Offset, Origin, Partition, ProducerEpoch, ProducerId,
    Settings, TopicConfig, TopicId,
};

/// Things that happen in one life.
const STEPS: usize = 120;

const ROOT: &str = "events";
const PARTITIONS: usize = 3;
const PRODUCERS: usize = 4;

type Check = Result<(), String>;

pub(super) struct Life {
    rng: SplitMix64,
    disk: SimulatedDisk,
    settings: Settings,
    log: Option<Log<SimulatedDisk>>,
    partitions: Vec<model::Partition>,
    outcome: Outcome,
}

impl Life {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = SplitMix64::new(seed);
        let disk = SimulatedDisk::new(rng.next_u64());
        let durability = if rng.below(5) == 0 {
            Durability::Os
        } else {
            Durability::Fsync
        };
        let settings = Settings {
            durability,
            flush_threads: 0,
            max_open_files: 4,
        };
        let partitions = vec![model::Partition::default(); PARTITIONS];
        Self {
            rng,
            disk,
            settings,
            log: None,
            partitions,
            outcome: Outcome::default(),
        }
    }

    pub(super) fn live(mut self) -> Result<Outcome, String> {
        self.start()?;
        self.create()?;
        for step in 0..STEPS {
            self.step().map_err(|why| format!("step {step}: {why}"))?;
        }
        self.kill()?;
        Ok(self.outcome)
    }

    fn step(&mut self) -> Check {
        match self.rng.below(100) {
            0..50 => self.append(),
            50..56 => self.end_transaction(),
            56..70 => self.flush(),
            70..80 => self.read(),
            80..82 => self.delete(),
            82..84 => self.fill_disk(),
            84..88 => self.free_disk(),
            88..91 => {
                self.disk.fail_sync_after(self.rng.below(4) as u32);
                Ok(())
            }
            91..96 => {
                self.disk.cut_power_after(self.rng.below(60) as u32);
                Ok(())
            }
            96..98 => self.kill(),
            98..99 => self.close(),
            _ => self.power_cut(),
        }
    }

    fn append(&mut self) -> Check {
        let number = self.rng.below(PARTITIONS);
        let producer = self.rng.below(PRODUCERS + 1);
        let records = 1 + self.rng.below(4);
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
        let mut value = vec![0; self.rng.below(700)];
        value
            .iter_mut()
            .for_each(|byte| *byte = self.rng.next_u64() as u8);
        let builder =
            (0..records).fold(builder, |builder, _| builder.record(1, None, Some(&value)));
        let batch = builder.build();
        let Some(partition) = self.partition(number) else {
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
        let number = self.rng.below(PARTITIONS);
        let id = ProducerId(1 + 2 * self.rng.below(PRODUCERS / 2) as i64);
        let outcome = if self.rng.below(2) == 0 {
            Ending::Abort
        } else {
            Ending::Commit
        };
        let Some(partition) = self.partition(number) else {
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

    fn flush(&mut self) -> Check {
        if let Some(log) = &self.log {
            log.flush();
        }
        self.acknowledge();
        Ok(())
    }

    /// Notes what counts now.
    fn acknowledge(&mut self) {
        for number in 0..PARTITIONS {
            let Some(partition) = self.partition(number) else {
                continue;
            };
            // With "os", what counts outlives the process only.
            let promised = match self.settings.durability {
                Durability::Fsync => partition.offsets().high_watermark,
                Durability::Os => continue,
            };
            let new = self.partitions[number].acknowledge(promised);
            self.outcome.acknowledged += new as u64;
        }
    }

    fn read(&mut self) -> Check {
        self.acknowledge();
        let number = self.rng.below(PARTITIONS);
        let Some(partition) = self.partition(number) else {
            return Ok(());
        };
        let model = &self.partitions[number];
        let high_watermark = partition.offsets().high_watermark;
        let start = partition.offsets().start;
        let from = start.plus(self.rng.below((high_watermark.0 - start.0) as usize + 1) as i64);
        let max = self.rng.below(5000);
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
        let number = self.rng.below(PARTITIONS);
        let Some(partition) = self.partition(number) else {
            return Ok(());
        };
        // It flushes first, and what it refuses it refuses by what counts.
        let before = Offset(self.rng.below(partition.offsets().end.0 as usize + 1) as i64);
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

    fn fill_disk(&mut self) -> Check {
        let room = self.rng.below(2000);
        self.disk.leave_room(Some(room));
        Ok(())
    }

    fn free_disk(&mut self) -> Check {
        self.disk.leave_room(None);
        let Some(log) = &self.log else {
            return Ok(());
        };
        if log.poisoned().is_some() {
            return self.kill();
        }
        Ok(())
    }

    fn kill(&mut self) -> Check {
        self.acknowledge();
        self.disk.leave_room(None);
        self.disk = self.disk.restart();
        self.log = None;
        self.start()
    }

    fn power_cut(&mut self) -> Check {
        self.acknowledge();
        self.disk.leave_room(None);
        self.disk = self.disk.power_cut();
        self.log = None;
        self.start()
    }

    fn close(&mut self) -> Check {
        self.acknowledge();
        self.disk.leave_room(None);
        self.log = None;
        self.disk = self.disk.restart();
        self.start()
    }

    /// Starts, sometimes with a power cut in the middle of it, and checks what is there.
    fn start(&mut self) -> Check {
        self.outcome.starts += 1;
        if self.rng.below(3) == 0 {
            self.disk.cut_power_after(self.rng.below(40) as u32);
            let begun = Log::open(self.disk.clone(), Path::new(ROOT), &self.settings, clock());
            self.disk = self.disk.power_cut();
            drop(begun);
        }
        let opened = Log::open(self.disk.clone(), Path::new(ROOT), &self.settings, clock());
        let (log, _) = opened.map_err(|error| format!("a start: {error}"))?;
        self.log = Some(log);
        for number in 0..PARTITIONS {
            let Some(partition) = self.partition(number) else {
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
                self.outcome.fingerprint = crc32c::crc32c_append(self.outcome.fingerprint, bytes);
            }
        }
        Ok(())
    }

    fn create(&mut self) -> Check {
        let log = self.log.as_ref().ok_or("the log is not open")?;
        let segment_bytes = 1024 + self.rng.below(5000) as u32;
        let config = TopicConfig {
            segment_bytes,
            index_interval_bytes: 300,
            ..TopicConfig::default()
        };
        let made = log.create_topic(&topic(), TopicId([1; 16]), PARTITIONS as u32, config);
        made.map(|_| ()).map_err(|error| error.to_string())
    }

    fn partition(&self, number: usize) -> Option<Arc<Partition<SimulatedDisk>>> {
        let topic = self.log.as_ref()?.topic(topic().as_str())?;
        topic.partitions().get(number).cloned()
    }
}

impl Outcome {
    fn note(&mut self, happened: bool) {
        self.fingerprint = crc32c::crc32c_append(self.fingerprint, &[u8::from(happened)]);
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

fn split(mut bytes: &[u8]) -> Result<Vec<(Header, Vec<u8>)>, String> {
    let mut batches = Vec::new();
    while !bytes.is_empty() {
        let header = Header::parse_checked(bytes).map_err(|error| format!("a read: {error}"))?;
        let (batch, rest) = bytes.split_at(header.length);
        batches.push((header, batch.to_vec()));
        bytes = rest;
    }
    Ok(batches)
}

fn expect<T: PartialEq + std::fmt::Display>(what: &str, is: T, should: T) -> Check {
    match is == should {
        true => Ok(()),
        false => Err(format!("{what} is {is} and should be {should}")),
    }
}

fn topic() -> TopicName {
    TopicName::new("orders").expect("it is a topic's")
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new())
}
