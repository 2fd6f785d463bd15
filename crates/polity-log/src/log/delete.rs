//! Deleting topics so that after any crash they are there wholly or on their way out.
//!
//! First the topic's file takes a name that is no topic's: from then on it is deleted. Then its
//! partitions' folders do, which makes room for a new topic of the same name, and only then is
//! anything removed. A start finds by the names what is left to do.

use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use polity_core::TopicName;

use super::{Log, Topics};
use crate::disk::{Disk, Entry, read_small};
use crate::error::{IoError, OpenError, TopicError};
use crate::id::TopicId;
use crate::topic;

/// What the names of what is deleted end in.
pub(super) const DELETED: &str = ".deleted";

/// A topic's name and the number of its partitions fit.
const MAX_NOTE: usize = 512;

impl<D: Disk> Log<D> {
    /// Deletes the topic of that name and id. Once this returns it is gone after any crash, too; who reads it can go on to the
    /// end of what has been found.
    ///
    /// # Errors
    ///
    /// Where there is no such topic, as when it is gone and another has its name, or the disk fails. If it fails before the deletion is written down,
    /// the topic is as it was.
    pub fn delete_topic(&self, name: &TopicName, id: TopicId) -> Result<(), TopicError> {
        let _changing = self.change()?;
        let topic = self.known(name)?;
        if topic.id != id {
            return Err(TopicError::Unknown(name.clone()));
        }
        topic
            .partitions
            .iter()
            .for_each(|partition| partition.mark_deleted());
        let disk = &self.shared.files.disk;
        let count = topic.partitions.len() as u32;
        let deletion = Deletion {
            id: topic.id,
            name,
            partitions: count,
        };
        if let Err(error) = deletion.begin(disk, &self.root) {
            topic
                .partitions
                .iter()
                .for_each(|partition| partition.mark_kept());
            return Err(IoError::at(&self.root)(error).into());
        }
        {
            let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
            Arc::make_mut(&mut topics).remove(name);
        }
        let done = deletion
            .rename_folders(disk, &self.root)
            .and_then(|()| deletion.finish(disk, &self.root));
        Ok(done.map_err(IoError::at(&self.root))?)
    }
}

/// Ends what an entry of the log's folder says was begun.
pub(super) fn finish<D: Disk>(
    disk: &D,
    root: &Path,
    entry: &Entry,
    topics: &Topics<D>,
) -> Result<(), OpenError> {
    let path = root.join(&entry.name);
    let finish = || -> io::Result<()> {
        if entry.is_folder {
            return disk.remove_folder(&path);
        }
        let note = read_small(disk, &path, MAX_NOTE)?.unwrap_or_default();
        // The folders still have a topic's name if there was a crash between. If there is a topic of that
        // name again, they have had theirs changed before it was made.
        if let Some((id, name, partitions)) = parse_note(&entry.name, &note)
            && !topics.contains_key(&name)
        {
            let deletion = Deletion {
                id,
                name: &name,
                partitions,
            };
            deletion.rename_folders(disk, root)?;
            return deletion.finish(disk, root);
        }
        disk.remove(&path)
    };
    Ok(finish().map_err(IoError::at(&path))?)
}

struct Deletion<'a> {
    id: TopicId,
    name: &'a TopicName,
    partitions: u32,
}

impl Deletion<'_> {
    /// Writes down that the topic is deleted, and takes its file away. After an error that is still there.
    fn begin<D: Disk>(&self, disk: &D, root: &Path) -> io::Result<()> {
        let note = root.join(self.note());
        let file = disk.create(&note)?;
        let text = format!("{} {}\n", self.partitions, self.name);
        crate::disk::File::write_at(&file, [text.as_bytes(), &[]], 0)?;
        crate::disk::File::sync(&file)?;
        disk.sync_folder(root)?;
        disk.remove(&root.join(format!("{}{}", self.name, topic::ending())))
    }

    fn rename_folders<D: Disk>(&self, disk: &D, root: &Path) -> io::Result<()> {
        // The topic's file has gone before, whatever happens to these.
        disk.sync_folder(root)?;
        for partition in 0..self.partitions {
            let from = root.join(format!("{}-{partition}", self.name));
            match disk.rename(&from, &root.join(self.folder(partition))) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                renamed => renamed?,
            }
        }
        disk.sync_folder(root)
    }

    fn finish<D: Disk>(&self, disk: &D, root: &Path) -> io::Result<()> {
        for partition in 0..self.partitions {
            match disk.remove_folder(&root.join(self.folder(partition))) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed?,
            }
        }
        disk.remove(&root.join(self.note()))
    }

    fn note(&self) -> String {
        format!("{:032x}{DELETED}", u128::from_be_bytes(self.id.0))
    }

    fn folder(&self, partition: u32) -> String {
        format!(
            "{:032x}-{partition}{DELETED}",
            u128::from_be_bytes(self.id.0)
        )
    }
}

fn parse_note(file: &str, note: &[u8]) -> Option<(TopicId, TopicName, u32)> {
    let id = u128::from_str_radix(file.strip_suffix(DELETED)?, 16).ok()?;
    let (partitions, name) = std::str::from_utf8(note).ok()?.trim_end().split_once(' ')?;
    let name = TopicName::new(name).ok()?;
    Some((TopicId(id.to_be_bytes()), name, partitions.parse().ok()?))
}
