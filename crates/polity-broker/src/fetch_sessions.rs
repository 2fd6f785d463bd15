//! Fetch sessions (KIP-227): what a consumer reads is remembered, and it tells and is told only changes.
//!
//! A session is its consumer's own, and lives until it says so, or until another needs its place. That a
//! session is gone costs its consumer one request: it begins a new one.

mod ready;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::FetchPartition;
use kafka_protocol::protocol::StrBytes;
use polity_core::{Rng, SplitMix64};
use polity_log::{Offsets, Watch};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio::time::Instant;
use uuid::Uuid;

pub(crate) use ready::{Place, Ready};

/// Sessions at once (Kafka's `max.incremental.fetch.session.cache.slots`). Consumers beyond do without.
const MAX_SESSIONS: usize = 1000;

/// Partitions of all sessions together; each takes some 300 bytes.
const MAX_PARTITIONS: usize = 200_000;

/// All partitions of a session are looked at so often, whether or not they seem to have moved.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);

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
    /// What is read, in the order it is answered.
    pub(crate) partitions: Vec<Tracked>,
    /// Which of them may have something to tell.
    pub(crate) ready: Ready,
    looked: Instant,
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
#[derive(Debug)]
pub(crate) struct Tracked {
    pub(crate) topic: TopicKey,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) max_bytes: i32,
    pub(crate) leader_epoch: i32,
    /// The high watermark and first offset that were told last.
    pub(crate) told: Option<(i64, i64)>,
    pub(crate) place: Arc<Place>,
    /// Makes it ready when it moves on.
    pub(crate) watch: Option<Watch>,
    /// While its consumer waits for more: the bytes found here.
    pub(crate) found: Option<usize>,
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
        if self.is_full() {
            self.lock().remove(&request.session_id);
            return Err(ResponseError::FetchSessionIdNotFound);
        }
        session.look_at_all_if_due();
        Ok(session)
    }

    /// Whether more partitions are read than may be: those who begin now are neither remembered nor
    /// may they wait.
    pub(crate) fn is_full(&self) -> bool {
        self.partitions.load(Ordering::Relaxed) > MAX_PARTITIONS
    }

    /// Remembers a session; gives its id, or 0 when there is no room.
    fn keep(&self, session: Arc<AsyncMutex<Session>>) -> i32 {
        if self.is_full() {
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
            ready: Ready::default(),
            looked: Instant::now(),
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
        if !request.forgotten_topics_data.is_empty() {
            self.ready.sweep();
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
    }

    fn want(&mut self, topic: &TopicKey, wanted: &FetchPartition) {
        let next = self.partitions.len();
        let place = *self
            .places
            .entry((topic.clone(), wanted.partition))
            .or_insert(next);
        match self.partitions.get_mut(place) {
            Some(known) => {
                known.want(wanted);
                known.place.set_ready();
            }
            None => {
                let place = self.ready.place(next);
                self.partitions
                    .push(Tracked::new(topic.clone(), wanted, place));
            }
        }
    }

    fn forget(&mut self, topic: &TopicKey, partition: i32) {
        let Some(place) = self.places.remove(&(topic.clone(), partition)) else {
            return;
        };
        self.partitions.swap_remove(place).place.remove();
        if let Some(moved) = self.partitions.get(place) {
            moved.place.move_to(place);
            self.places
                .insert((moved.topic.clone(), moved.partition), place);
        }
    }

    /// A topic may have been deleted and made again between a look for it and its watch.
    fn look_at_all_if_due(&mut self) {
        let now = Instant::now();
        if now.duration_since(self.looked) >= LOOK_INTERVAL {
            self.looked = now;
            for tracked in &mut self.partitions {
                tracked.watch = None;
                tracked.place.look_again();
            }
        }
    }
}

impl Tracked {
    fn new(topic: TopicKey, wanted: &FetchPartition, place: Arc<Place>) -> Self {
        let mut tracked = Self {
            topic,
            partition: wanted.partition,
            offset: 0,
            max_bytes: 0,
            leader_epoch: -1,
            told: None,
            place,
            watch: None,
            found: None,
        };
        tracked.want(wanted);
        tracked
    }

    /// Whether it is not what was told last.
    pub(crate) fn is_news(&self, offsets: &Offsets) -> bool {
        self.told != Some(marks(offsets))
    }

    fn want(&mut self, wanted: &FetchPartition) {
        self.offset = wanted.fetch_offset;
        self.max_bytes = wanted.partition_max_bytes;
        self.leader_epoch = wanted.current_leader_epoch;
    }
}

/// What is told of a partition besides records: its high watermark and its first offset.
pub(crate) fn marks(offsets: &Offsets) -> (i64, i64) {
    (offsets.high_watermark.0, offsets.start.0)
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
