//! Finding the topics of a folder.

use std::path::Path;
use std::sync::{Arc, RwLock};

use polity_core::TopicName;

use super::delete::{self, DELETED};
use super::{Opened, Topics, Truncated};
use crate::disk::{Disk, TEMPORARY, read_small};
use crate::error::{IoError, OpenError};
use crate::partition::{ConfigCell, Partition, Place, Shared};
use crate::topic::{self, MAX_FILE, Topic, TopicFile};

/// Opens every topic of which there is a file, and ends deletions that were under way.
pub(super) fn open_topics<D: Disk>(
    shared: &Arc<Shared<D>>,
    root: &Path,
    opened: &mut Opened,
) -> Result<Topics<D>, OpenError> {
    let disk = &shared.files.disk;
    let mut topics = Topics::new();
    let entries = disk.list(root).map_err(IoError::at(root))?;
    let mut names: Vec<_> = entries.iter().map(|entry| entry.name.as_str()).collect();
    names.sort_unstable();
    for file in &names {
        let topic = file.strip_suffix(topic::ending()).map(TopicName::new);
        if let Some(Ok(name)) = topic {
            topics.insert(
                name.clone(),
                Arc::new(open_topic(shared, root, name, opened)?),
            );
        }
    }
    for entry in &entries {
        let path = root.join(&entry.name);
        if entry.name.ends_with(TEMPORARY) && !entry.is_folder {
            disk.remove(&path).map_err(IoError::at(&path))?;
        } else if entry.name.ends_with(DELETED) {
            delete::finish(disk, root, entry, &topics)?;
        }
    }
    Ok(topics)
}

fn open_topic<D: Disk>(
    shared: &Arc<Shared<D>>,
    root: &Path,
    name: TopicName,
    opened: &mut Opened,
) -> Result<Topic<D>, OpenError> {
    let path = root.join(format!("{name}{}", topic::ending()));
    let bytes = read_small(&shared.files.disk, &path, MAX_FILE).map_err(IoError::at(&path))?;
    let file = TopicFile::decode(&bytes.unwrap_or_default());
    let file = file.map_err(|why| OpenError::Topic { path, why })?;
    let config: ConfigCell = Arc::new(RwLock::new(Arc::new(file.config)));
    let mut partitions = Vec::new();
    for index in 0..file.partitions {
        let place = Place {
            shared,
            topic: &name,
            index,
            config: &config,
            root,
        };
        let (partition, recovery) = Partition::open(&place)?;
        opened.verified += recovery.verified;
        if recovery.truncated > 0 {
            opened.truncated.push(Truncated {
                topic: name.clone(),
                partition: index,
                bytes: recovery.truncated,
                why: recovery.why.unwrap_or_default(),
            });
        }
        partitions.push(partition);
    }
    Ok(Topic {
        name,
        id: file.id,
        config,
        partitions,
    })
}
