//! The log: all topics in one folder.

mod delete;
#[cfg(test)]
mod failing_tests;
#[cfg(test)]
mod interleaved_tests;
mod open;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use polity_core::{Clock, TopicName};

use crate::config::TopicConfig;
use crate::disk::{Disk, Files, RealDisk, write_atomically};
use crate::error::{IoError, OpenError, TopicError};
use crate::flusher::{FlushQueue, Flusher};
use crate::id::TopicId;
use crate::partition::{ConfigCell, Durability, Partition, Place, Shared};
use crate::poison::Poison;
use crate::producer::Everybody;
use crate::topic::{self, Topic, TopicFile};

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;

/// The most partitions a topic may have.
pub const MAX_PARTITIONS: u32 = 10_000;

/// How a log is run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// When an append counts.
    pub durability: Durability,
    /// Threads that wait for the disk. Without any, nothing is made durable but by [`Log::flush`], and
    /// partitions are opened one after the other.
    pub flush_threads: usize,
    /// Files that may be open at the same time, roughly: those with bytes to make durable stay open.
    pub max_open_files: usize,
    /// Bytes of a partition after which a checkpoint is made: a start after a kill verifies as much of each
    /// at most, and what came while the checkpoint was being made. All before it is made durable for it, with
    /// [`Durability::Os`] too, where nobody waits for that.
    pub checkpoint_bytes: u64,
    /// The most partitions that all topics may have together: each takes memory and files whether or not
    /// anybody uses it, and a start looks at each. Those that are there are opened, however many they are.
    pub max_partitions: u32,
    /// The most idempotent producers that all partitions may know together; each takes some 400 bytes. Beyond
    /// that, a partition to which another comes forgets those that were silent there the longest: what they send
    /// again is not known for the same any more.
    pub max_producers: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            durability: Durability::default(),
            flush_threads: 8,
            max_open_files: 512,
            checkpoint_bytes: 128 << 20,
            max_partitions: 20_000,
            max_producers: 100_000,
        }
    }
}

/// What was found when a log was opened.
#[derive(Debug, Clone, Default)]
pub struct Opened {
    /// Bytes that were verified because nobody had vouched for them.
    pub verified: u64,
    /// Ends of partitions that were no whole batches, and were cut off.
    pub truncated: Vec<Truncated>,
}

/// The end of a partition that was no whole batch.
#[derive(Debug, Clone)]
pub struct Truncated {
    /// Of the partition.
    pub topic: TopicName,
    /// Of the partition.
    pub partition: u32,
    /// How many were cut off.
    pub bytes: u64,
    /// What was wrong with them.
    pub why: String,
}

type Topics<D> = BTreeMap<TopicName, Arc<Topic<D>>>;

/// All topics in one folder, which nobody else may write to meanwhile.
///
/// Dropping it makes all durable, and notes that nothing has to be verified at the next start. Appends
/// are refused from then on.
#[derive(Debug)]
pub struct Log<D: Disk = RealDisk> {
    root: PathBuf,
    shared: Arc<Shared<D>>,
    topics: RwLock<Arc<Topics<D>>>,
    max_partitions: u32,
    /// Who makes, changes or deletes a topic.
    changing: Mutex<()>,
    /// Until it is closed.
    flusher: Option<Flusher<D>>,
}

impl<D: Disk> Log<D> {
    /// Opens the log in a folder, or begins one there; the folder above must exist.
    ///
    /// # Errors
    ///
    /// Where the disk fails, or a topic's own file is damaged. Batches that were not written to their end are
    /// cut off and reported, not an error.
    pub fn open(
        disk: D,
        root: &Path,
        settings: &Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Opened), OpenError> {
        disk.create_folder(root).map_err(IoError::at(root))?;
        let above = root
            .parent()
            .filter(|it| !it.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        disk.sync_folder(above).map_err(IoError::at(above))?;
        let shared = Arc::new(Shared {
            files: Arc::new(Files::new(disk, settings.max_open_files)),
            durability: settings.durability,
            checkpoint_bytes: settings.checkpoint_bytes,
            producers: Everybody::new(settings.max_producers),
            poison: Poison::default(),
            queue: FlushQueue::default(),
            clock,
        });
        let threads = settings.flush_threads;
        let (topics, opened) = open::open_topics(&shared, root, threads)?;
        let flusher = Flusher::start(&shared, settings.flush_threads);
        let flusher = flusher.map_err(IoError::at(root))?;
        let log = Self {
            root: root.to_owned(),
            shared,
            topics: RwLock::new(Arc::new(topics)),
            max_partitions: settings.max_partitions,
            changing: Mutex::new(()),
            flusher: Some(flusher),
        };
        Ok((log, opened))
    }

    /// All topics, by name, as of now.
    pub fn topics(&self) -> Arc<BTreeMap<TopicName, Arc<Topic<D>>>> {
        self.topics
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// A topic, as of now.
    pub fn topic(&self, name: &str) -> Option<Arc<Topic<D>>> {
        self.topics
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned()
    }

    /// Makes a topic. Once it is returned it is there after any crash, too.
    ///
    /// # Errors
    ///
    /// Where there is one of that name, there are too many partitions, or the disk fails.
    pub fn create_topic(
        &self,
        name: &TopicName,
        id: TopicId,
        partitions: u32,
        config: TopicConfig,
    ) -> Result<Arc<Topic<D>>, TopicError> {
        let _changing = self.change()?;
        if self.topic(name.as_str()).is_some() {
            return Err(TopicError::Exists(name.clone()));
        }
        check_partitions(partitions, 1)?;
        self.check_room(partitions)?;
        let cell: ConfigCell = Arc::new(RwLock::new(Arc::new(config.clone())));
        let made = self.create_partitions(name, &cell, 0..partitions)?;
        // The topic is there from here on.
        self.write_topic(
            name,
            &TopicFile {
                id,
                partitions,
                config,
            },
        )?;
        let topic = Topic {
            name: name.clone(),
            id,
            config: cell,
            partitions: made,
        };
        Ok(self.publish(topic))
    }

    /// Gives a topic more partitions.
    ///
    /// # Errors
    ///
    /// Where there is no such topic, it has as many, there are too many in all, or the disk fails.
    pub fn add_partitions(&self, name: &TopicName, to: u32) -> Result<Arc<Topic<D>>, TopicError> {
        let _changing = self.change()?;
        let topic = self.known(name)?;
        let has = topic.partitions.len() as u32;
        check_partitions(to, has + 1)?;
        self.check_room(to - has)?;
        let mut partitions = topic.partitions.clone();
        partitions.extend(self.create_partitions(name, &topic.config, has..to)?);
        let config = TopicConfig::clone(&topic.config());
        self.write_topic(
            name,
            &TopicFile {
                id: topic.id,
                partitions: to,
                config,
            },
        )?;
        let (name, config) = (name.clone(), topic.config.clone());
        Ok(self.publish(Topic {
            name,
            id: topic.id,
            config,
            partitions,
        }))
    }

    /// Keeps a topic another way from now on.
    ///
    /// # Errors
    ///
    /// Where there is no such topic, or the disk fails; all is then as before.
    pub fn configure_topic(&self, name: &TopicName, config: TopicConfig) -> Result<(), TopicError> {
        let _changing = self.change()?;
        let topic = self.known(name)?;
        let partitions = topic.partitions.len() as u32;
        self.write_topic(
            name,
            &TopicFile {
                id: topic.id,
                partitions,
                config: config.clone(),
            },
        )?;
        *topic.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
        Ok(())
    }

    /// Makes durable, on this thread, what was appended so far; with [`Durability::Os`] too.
    pub fn flush(&self) {
        for topic in self.topics().values() {
            topic
                .partitions
                .iter()
                .for_each(|partition| partition.flush());
        }
        // What is queued is durable now, or new.
        self.shared.queue.drain();
    }

    /// Does what time makes due: to be called every few minutes, from a thread that may wait for the disk.
    pub fn housekeep(&self) {
        for topic in self.topics().values() {
            topic
                .partitions
                .iter()
                .for_each(|partition| partition.housekeep());
        }
    }

    /// Why the log takes no more writes, if so: its disk failed.
    pub fn poisoned(&self) -> Option<&str> {
        self.shared.poison.get()
    }

    fn change(&self) -> Result<std::sync::MutexGuard<'_, ()>, TopicError> {
        match self.shared.poison.get() {
            Some(why) => Err(TopicError::Poisoned(why.to_owned())),
            None => Ok(self.changing.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    fn known(&self, name: &TopicName) -> Result<Arc<Topic<D>>, TopicError> {
        self.topic(name.as_str())
            .ok_or_else(|| TopicError::Unknown(name.clone()))
    }

    fn check_room(&self, more: u32) -> Result<(), TopicError> {
        let topics = self.topics();
        let has: usize = topics.values().map(|topic| topic.partitions.len()).sum();
        let (has, most) = (has as u32, self.max_partitions);
        match has.saturating_add(more) <= most {
            true => Ok(()),
            false => Err(TopicError::Full { more, has, most }),
        }
    }

    fn create_partitions(
        &self,
        topic: &TopicName,
        config: &ConfigCell,
        numbers: std::ops::Range<u32>,
    ) -> Result<Vec<Arc<Partition<D>>>, IoError> {
        let (shared, root) = (&self.shared, self.root.as_path());
        let made = numbers
            .map(|index| {
                Partition::create(&Place {
                    shared,
                    topic,
                    index,
                    config,
                    root,
                })
            })
            .collect::<Result<_, _>>()?;
        // Before the topic's file says that they are there: one that is missing then was lost.
        shared
            .files
            .disk
            .sync_folder(root)
            .map_err(IoError::at(root))?;
        Ok(made)
    }

    fn write_topic(&self, name: &TopicName, file: &TopicFile) -> Result<(), IoError> {
        let path = self.root.join(format!("{name}{}", topic::ending()));
        let written = write_atomically(&self.shared.files.disk, &path, file.encode().as_bytes());
        written.map_err(IoError::at(&path))
    }

    fn publish(&self, topic: Topic<D>) -> Arc<Topic<D>> {
        let topic = Arc::new(topic);
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut topics).insert(topic.name.clone(), topic.clone());
        topic
    }
}

impl<D: Disk> Drop for Log<D> {
    fn drop(&mut self) {
        self.flusher = None;
        for topic in self.topics().values() {
            topic
                .partitions
                .iter()
                .for_each(|partition| partition.close());
        }
    }
}

fn check_partitions(asked: u32, least: u32) -> Result<(), TopicError> {
    let most = MAX_PARTITIONS;
    match (least..=most).contains(&asked) {
        true => Ok(()),
        false => Err(TopicError::Partitions { asked, least, most }),
    }
}
