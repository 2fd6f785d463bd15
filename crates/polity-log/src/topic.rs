//! Topics: an id, a configuration, and partitions.

mod file;

use std::sync::{Arc, PoisonError};

use polity_core::TopicName;

pub(crate) use file::{MAX_FILE, TopicFile, ending};

use crate::config::TopicConfig;
use crate::disk::Disk;
use crate::id::TopicId;
use crate::partition::{ConfigCell, Partition};

/// A topic as it was when it was asked for. One with more partitions is another value.
#[derive(Debug)]
pub struct Topic<D: Disk> {
    pub(crate) name: TopicName,
    pub(crate) id: TopicId,
    pub(crate) config: ConfigCell,
    pub(crate) partitions: Vec<Arc<Partition<D>>>,
}

impl<D: Disk> Topic<D> {
    /// What it is called.
    pub fn name(&self) -> &TopicName {
        &self.name
    }

    /// What tells it from an earlier one of the same name.
    pub fn id(&self) -> TopicId {
        self.id
    }

    /// How it is kept, as of now.
    pub fn config(&self) -> Arc<TopicConfig> {
        self.config
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Its partitions, by number.
    pub fn partitions(&self) -> &[Arc<Partition<D>>] {
        &self.partitions
    }

    /// One of its partitions.
    pub fn partition(&self, index: i32) -> Option<&Arc<Partition<D>>> {
        self.partitions.get(usize::try_from(index).ok()?)
    }
}
