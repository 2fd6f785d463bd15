//! The topics there are, by id and as coordinators see them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use polity_core::TopicName;
use polity_log::TopicId;
use smol_str::SmolStr;
use uuid::Uuid;

use crate::api;
use crate::group::{Topic as GroupTopic, Topics};
use crate::node::{Log, Topic};
use crate::topics;

/// Finds topics by id, and knows when any came or went.
#[derive(Debug)]
pub(crate) struct TopicIndex {
    log: Arc<Log>,
    names: RwLock<HashMap<TopicId, TopicName>>,
    version: AtomicU64,
}

impl TopicIndex {
    pub(crate) fn new(log: Arc<Log>) -> Self {
        let topics = log.topics();
        let names = topics
            .values()
            .map(|topic| (topic.id(), topic.name().clone()));
        let names = RwLock::new(names.collect());
        Self {
            log,
            names,
            version: AtomicU64::new(0),
        }
    }

    /// A topic by its id.
    pub(crate) fn by_id(&self, id: Uuid) -> Option<Arc<Topic>> {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        let topic = self
            .log
            .topic(names.get(&TopicId(id.into_bytes()))?.as_str())?;
        // The name may be another topic's by now.
        (topic.id().0 == id.into_bytes()).then_some(topic)
    }

    /// A topic was made, or has more partitions.
    pub(crate) fn changed(&self, topic: &Topic) {
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        names.insert(topic.id(), topic.name().clone());
        self.version.fetch_add(1, Ordering::Release);
    }

    /// A topic is gone.
    pub(crate) fn removed(&self, id: TopicId) {
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        names.remove(&id);
        self.version.fetch_add(1, Ordering::Release);
    }
}

impl Topics for TopicIndex {
    fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    fn find(&self, name: &str) -> Option<GroupTopic> {
        let topic = self.log.topic(name)?;
        Some(GroupTopic {
            id: Uuid::from_bytes(topic.id().0),
            partitions: api::number(topic.partitions().len()),
        })
    }

    fn each(&self, visit: &mut dyn FnMut(&SmolStr)) {
        for name in self.log.topics().keys() {
            if !topics::is_internal(name.as_str()) {
                visit(&SmolStr::new(name.as_str()));
            }
        }
    }
}
