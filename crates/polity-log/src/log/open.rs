//! Finding the topics of a folder.

use std::panic::resume_unwind;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use std::thread;

use polity_core::TopicName;

use super::delete::{self, DELETED};
use super::{Opened, Topics, Truncated};
use crate::disk::{Disk, TEMPORARY, read_small};
use crate::error::{IoError, OpenError};
use crate::id::TopicId;
use crate::partition::{ConfigCell, Partition, Place, Recovery, Shared};
use crate::topic::{self, MAX_FILE, Topic, TopicFile};

/// Opens every topic of which there is a file, and ends deletions that were under way.
pub(super) fn open_topics<D: Disk>(
    shared: &Arc<Shared<D>>,
    root: &Path,
    threads: usize,
) -> Result<(Topics<D>, Opened), OpenError> {
    let disk = &shared.files.disk;
    let entries = disk.list(root).map_err(IoError::at(root))?;
    let mut names: Vec<_> = entries.iter().map(|entry| entry.name.as_str()).collect();
    names.sort_unstable();
    let mut found = Vec::new();
    for file in names {
        let topic = file.strip_suffix(topic::ending()).map(TopicName::new);
        if let Some(Ok(name)) = topic {
            found.push(FoundTopic::read(disk, root, name)?);
        }
    }
    let places: Vec<_> = found
        .iter()
        .flat_map(|topic| topic.places(shared, root))
        .collect();
    let (mut opened, mut topics) = (Opened::default(), Topics::new());
    let mut partitions = open_partitions(&places, threads)?.into_iter();
    for topic in &found {
        let partitions = partitions.by_ref().take(topic.partitions as usize);
        let partitions = partitions.map(|(partition, recovery)| {
            opened.note(&partition, recovery);
            partition
        });
        let topic = Topic {
            name: topic.name.clone(),
            id: topic.id,
            config: topic.config.clone(),
            partitions: partitions.collect(),
        };
        topics.insert(topic.name.clone(), Arc::new(topic));
    }
    for entry in &entries {
        let path = root.join(&entry.name);
        if entry.name.ends_with(TEMPORARY) && !entry.is_folder {
            disk.remove(&path).map_err(IoError::at(&path))?;
        } else if entry.name.ends_with(DELETED) {
            delete::finish(disk, root, entry, &topics)?;
        }
    }
    Ok((topics, opened))
}

/// A topic whose partitions are still to be opened.
struct FoundTopic {
    name: TopicName,
    id: TopicId,
    config: ConfigCell,
    partitions: u32,
}

impl FoundTopic {
    fn read<D: Disk>(disk: &D, root: &Path, name: TopicName) -> Result<Self, OpenError> {
        let path = root.join(format!("{name}{}", topic::ending()));
        let bytes = read_small(disk, &path, MAX_FILE).map_err(IoError::at(&path))?;
        let file = TopicFile::decode(&bytes.unwrap_or_default());
        let file = file.map_err(|why| OpenError::Topic { path, why })?;
        Ok(Self {
            name,
            id: file.id,
            config: Arc::new(RwLock::new(Arc::new(file.config))),
            partitions: file.partitions,
        })
    }

    fn places<'a, D: Disk>(
        &'a self,
        shared: &'a Arc<Shared<D>>,
        root: &'a Path,
    ) -> impl Iterator<Item = Place<'a, D>> {
        (0..self.partitions).map(move |index| Place {
            shared,
            topic: &self.name,
            index,
            config: &self.config,
            root,
        })
    }
}

type Recovered<D> = (Arc<Partition<D>>, Recovery);

/// Opens partitions, in their order, on so many threads: most of it is waiting for the disk.
fn open_partitions<D: Disk>(
    places: &[Place<'_, D>],
    threads: usize,
) -> Result<Vec<Recovered<D>>, OpenError> {
    let next = AtomicUsize::new(0);
    let work = || {
        let numbers = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
        let taken = numbers.map_while(|number| Some((number, places.get(number)?)));
        let opened = taken.map(|(number, place)| Ok((number, Partition::open(place)?)));
        opened.collect::<Result<Vec<_>, OpenError>>()
    };
    let mut opened = thread::scope(|scope| {
        let others = 1..threads.min(places.len());
        let others: Vec<_> = others.map(|_| scope.spawn(work)).collect();
        let mut opened = work()?;
        for other in others {
            let more = other.join().unwrap_or_else(|panic| resume_unwind(panic));
            opened.extend(more?);
        }
        Ok::<_, OpenError>(opened)
    })?;
    opened.sort_unstable_by_key(|(number, _)| *number);
    Ok(opened.into_iter().map(|(_, opened)| opened).collect())
}

impl Opened {
    fn note<D: Disk>(&mut self, partition: &Partition<D>, recovery: Recovery) {
        self.verified += recovery.verified;
        if recovery.truncated > 0 {
            self.truncated.push(Truncated {
                topic: partition.topic().clone(),
                partition: partition.index(),
                bytes: recovery.truncated,
                why: recovery.why.unwrap_or_default(),
            });
        }
    }
}
