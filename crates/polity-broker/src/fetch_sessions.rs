//! Fetch sessions (KIP-227): what a consumer reads is remembered, and it tells and is told only changes.
//!
//! A session is its consumer's own, and lives until it says so, or until another needs its place. That a
//! session is gone costs its consumer one request: it begins a new one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::FetchPartition;
use kafka_protocol::protocol::StrBytes;
use polity_core::{Rng, SplitMix64};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio::time::Instant;
use uuid::Uuid;

/// Sessions at once (Kafka's `max.incremental.fetch.session.cache.slots`). Consumers beyond do without.
const MAX_SESSIONS: usize = 1000;

/// Partitions of all sessions together; each takes some 150 bytes.
const MAX_PARTITIONS: usize = 200_000;

/// A session used within this time is not given up for another
/// (Kafka's `min.incremental.fetch.session.eviction.ms`).
const KEPT: Duration = Duration::from_secs(120);

/// Epochs that say something else than which request of its session this is.
mod epoch {
    /// No session, or the end of one.
    pub(super) const NONE: i32 = -1;
    /// Begin one.
    pub(super) const BEGIN: i32 = 0;
}

/// All sessions.
#[derive(Debug, Default)]
pub(crate) struct FetchSessions {
    cache: Mutex<HashMap<i32, Kept>>,
    partitions: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Kept {
    session: Arc<AsyncMutex<Session>>,
    used: Instant,
}

/// What one consumer reads.
#[derive(Debug)]
pub(crate) struct Session {
    /// 0 where nothing is remembered.
    pub(crate) id: i32,
    /// Whether only changes are told.
    pub(crate) is_incremental: bool,
    /// What is read, in the order it is answered; a place that is none was given up.
    pub(crate) partitions: Vec<Tracked>,
    /// Where the next read begins, so that each partition has its turn when not all fit.
    pub(crate) first: usize,
    places: HashMap<(TopicKey, i32), usize>,
    epoch: i32,
    all_partitions: Arc<AtomicUsize>,
}

/// A topic as a client names it: by name up to version 12, by id from 13 on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum TopicKey {
    Name(Arc<str>),
    Id(Uuid),
}

/// One partition that is read.
#[derive(Debug, Clone)]
pub(crate) struct Tracked {
    pub(crate) topic: TopicKey,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) max_bytes: i32,
    pub(crate) leader_epoch: i32,
    /// The high watermark and first offset that were told last.
    pub(crate) told: Option<(i64, i64)>,
}

impl FetchSessions {
    /// The session that a request is part of, changed by what the request says, for as long as the
    /// request is handled.
    ///
    /// # Errors
    /// When the session is not there, or the request is not its next.
    pub(crate) fn begin(
        &self,
        request: &FetchRequest,
    ) -> Result<OwnedMutexGuard<Session>, ResponseError> {
        match request.session_epoch {
            epoch::NONE | epoch::BEGIN => {
                self.lock().remove(&request.session_id);
                let mut session = Session::new(&self.partitions);
                session.change(request);
                let session = Arc::new(AsyncMutex::new(session));
                let mut guard = session
                    .clone()
                    .try_lock_owned()
                    .map_err(|_| ResponseError::UnknownServerError)?;
                if request.session_epoch == epoch::BEGIN {
                    guard.id = self.keep(session);
                }
                Ok(guard)
            }
            epoch => self.go_on(request, epoch),
        }
    }

    fn go_on(
        &self,
        request: &FetchRequest,
        epoch: i32,
    ) -> Result<OwnedMutexGuard<Session>, ResponseError> {
        let session = {
            let mut cache = self.lock();
            let kept = cache.get_mut(&request.session_id);
            let kept = kept.ok_or(ResponseError::FetchSessionIdNotFound)?;
            kept.used = Instant::now();
            kept.session.clone()
        };
        // Two requests of one session at once: one of them is not its next.
        let session = session.try_lock_owned();
        let mut session = session.map_err(|_| ResponseError::InvalidFetchSessionEpoch)?;
        if session.epoch != epoch {
            return Err(ResponseError::InvalidFetchSessionEpoch);
        }
        session.epoch = epoch.checked_add(1).unwrap_or(1);
        session.is_incremental = true;
        session.change(request);
        if self.partitions.load(Ordering::Relaxed) > MAX_PARTITIONS {
            self.lock().remove(&request.session_id);
            return Err(ResponseError::FetchSessionIdNotFound);
        }
        Ok(session)
    }

    /// Remembers a session; gives its id, or 0 when there is no room.
    fn keep(&self, session: Arc<AsyncMutex<Session>>) -> i32 {
        if self.partitions.load(Ordering::Relaxed) > MAX_PARTITIONS {
            return 0;
        }
        let mut cache = self.lock();
        let now = Instant::now();
        if cache.len() >= MAX_SESSIONS {
            let oldest = cache.iter().min_by_key(|(_, kept)| kept.used);
            match oldest.map(|(id, kept)| (*id, kept.used)) {
                Some((id, used)) if now.duration_since(used) >= KEPT => cache.remove(&id),
                _ => return 0,
            };
        }
        let mut rng = SplitMix64::from_system();
        let id = loop {
            // Positive, as Kafka's are, and nobody else's.
            let id = (rng.next_u64() >> 33) as i32;
            if id != 0 && !cache.contains_key(&id) {
                break id;
            }
        };
        cache.insert(id, Kept { session, used: now });
        id
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<i32, Kept>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn new(all_partitions: &Arc<AtomicUsize>) -> Self {
        Self {
            id: 0,
            is_incremental: false,
            partitions: Vec::new(),
            first: 0,
            places: HashMap::new(),
            epoch: 1,
            all_partitions: all_partitions.clone(),
        }
    }

    fn change(&mut self, request: &FetchRequest) {
        let before = self.partitions.len();
        for topic in &request.forgotten_topics_data {
            let key = TopicKey::new(&topic.topic, topic.topic_id);
            for partition in &topic.partitions {
                self.forget(&key, *partition);
            }
        }
        for topic in &request.topics {
            let key = TopicKey::new(&topic.topic, topic.topic_id);
            for partition in &topic.partitions {
                self.want(&key, partition);
            }
        }
        let after = self.partitions.len();
        if after >= before {
            self.all_partitions
                .fetch_add(after - before, Ordering::Relaxed);
        } else {
            self.all_partitions
                .fetch_sub(before - after, Ordering::Relaxed);
        }
        self.first = self.first.checked_rem(after).unwrap_or(0);
    }

    fn want(&mut self, topic: &TopicKey, wanted: &FetchPartition) {
        let tracked = Tracked {
            topic: topic.clone(),
            partition: wanted.partition,
            offset: wanted.fetch_offset,
            max_bytes: wanted.partition_max_bytes,
            leader_epoch: wanted.current_leader_epoch,
            told: None,
        };
        let next = self.partitions.len();
        let place = *self
            .places
            .entry((topic.clone(), wanted.partition))
            .or_insert(next);
        match self.partitions.get_mut(place) {
            Some(known) => {
                let told = known.told;
                *known = Tracked { told, ..tracked };
            }
            None => self.partitions.push(tracked),
        }
    }

    fn forget(&mut self, topic: &TopicKey, partition: i32) {
        let Some(place) = self.places.remove(&(topic.clone(), partition)) else {
            return;
        };
        self.partitions.swap_remove(place);
        if let Some(moved) = self.partitions.get(place) {
            self.places
                .insert((moved.topic.clone(), moved.partition), place);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.all_partitions
            .fetch_sub(self.partitions.len(), Ordering::Relaxed);
    }
}

impl TopicKey {
    /// The name is copied: it is kept far longer than the request that it is part of.
    fn new(name: &StrBytes, id: Uuid) -> Self {
        if name.is_empty() {
            Self::Id(id)
        } else {
            Self::Name(Arc::from(name.as_str()))
        }
    }
}

#[cfg(test)]
#[path = "fetch_sessions_tests.rs"]
mod tests;
