//! What a log runs on: a disk that fails, and a process that is killed.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use polity_core::{ManualClock, Rng, SplitMix64, TopicName};

use super::Check;
use crate::disk::simulated::SimulatedDisk;
use crate::{Durability, Log, Partition, Settings, TopicConfig, TopicId};

const ROOT: &str = "events";

pub(super) struct Machine {
    pub(super) rng: SplitMix64,
    pub(super) disk: SimulatedDisk,
    pub(super) settings: Settings,
    pub(super) log: Option<Log<SimulatedDisk>>,
    clock: Arc<ManualClock>,
}

/// How a process ends.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    Kill,
    PowerCut,
    Close,
}

impl Machine {
    pub(super) fn new(mut rng: SplitMix64) -> Self {
        let disk = SimulatedDisk::new(rng.next_u64());
        let settings = Settings {
            durability: Durability::Fsync,
            flush_threads: 0,
            max_open_files: 4,
            // Sometimes in the middle of segments, sometimes only at their ends.
            checkpoint_bytes: 500 + 500 * rng.below(20) as u64,
            ..Settings::default()
        };
        Self {
            rng,
            disk,
            settings,
            log: None,
            clock: Arc::new(ManualClock::new()),
        }
    }

    pub(super) fn create(&self, partitions: usize, config: TopicConfig) -> Check {
        let log = self.log.as_ref().ok_or("the log is not open")?;
        let made = log.create_topic(&topic(), TopicId([1; 16]), partitions as u32, config);
        made.map(|_| ()).map_err(|error| error.to_string())
    }

    pub(super) fn partition(&self, number: usize) -> Option<Arc<Partition<SimulatedDisk>>> {
        let topic = self.log.as_ref()?.topic(topic().as_str())?;
        topic.partitions().get(number).cloned()
    }

    pub(super) fn flush(&self) {
        self.log.iter().for_each(Log::flush);
    }

    /// Some hours later.
    pub(super) fn housekeep(&mut self) {
        let hours = self.rng.below(30) as u64;
        self.clock.advance(Duration::from_secs(3600 * hours));
        self.log.iter().for_each(Log::housekeep);
    }

    pub(super) fn now_ms(&self) -> i64 {
        let since = polity_core::Clock::wall(&*self.clock).duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |since| since.as_millis() as i64)
    }

    pub(super) fn fill_disk(&mut self) {
        let room = self.rng.below(2000);
        self.disk.leave_room(Some(room));
    }

    /// Says whether the log has to be opened anew.
    pub(super) fn free_disk(&mut self) -> bool {
        self.disk.leave_room(None);
        let log = self.log.as_ref();
        log.is_some_and(|log| log.poisoned().is_some())
    }

    pub(super) fn fail_a_sync(&mut self) {
        self.disk.fail_sync_after(self.rng.below(4) as u32);
    }

    pub(super) fn cut_power_soon(&mut self) {
        self.disk.cut_power_after(self.rng.below(60) as u32);
    }

    /// Ends the process and starts another, sometimes with a power cut in the middle of that.
    pub(super) fn restart(&mut self, end: End) -> Check {
        self.disk.leave_room(None);
        match end {
            End::Close => {
                self.log = None;
                self.disk = self.disk.restart();
            }
            End::Kill => self.disk = self.disk.restart(),
            End::PowerCut => self.disk = self.disk.power_cut(),
        }
        self.log = None;
        self.start()
    }

    pub(super) fn start(&mut self) -> Check {
        if self.rng.below(3) == 0 {
            self.disk.cut_power_after(self.rng.below(40) as u32);
            let begun = self.open();
            self.disk = self.disk.power_cut();
            drop(begun);
        }
        let opened = self.open();
        self.log = Some(opened.map_err(|error| format!("a start: {error}"))?);
        Ok(())
    }

    fn open(&self) -> Result<Log<SimulatedDisk>, crate::OpenError> {
        let (disk, clock) = (self.disk.clone(), self.clock.clone());
        let opened = Log::open(disk, Path::new(ROOT), &self.settings, clock);
        opened.map(|(log, _)| log)
    }
}

fn topic() -> TopicName {
    TopicName::new("orders").expect("it is a topic's")
}
