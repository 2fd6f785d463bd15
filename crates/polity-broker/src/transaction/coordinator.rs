//! All transactional ids of one partition of `__transaction_state`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use smol_str::SmolStr;

use super::error::Error;
use super::metadata::{Metadata, State};
use super::producer_ids::{IdBlocks, ProducerIds};
use super::record;
use super::settings::{MAX_ID_LENGTH, Settings};
use crate::group::TopicPartition;
use crate::journal::fields::FieldError;
use crate::journal::{Batch, Entry, Journal, ProducerIdentity};
use crate::now::Now;

/// What one call comes with from outside.
pub struct Context<'a> {
    /// The time of the call.
    pub now: Now,
    /// Where what must be remembered goes: this coordinator's partition of `__transaction_state`.
    pub journal: &'a mut dyn Journal,
    /// Where producer ids come from.
    pub id_blocks: &'a mut dyn IdBlocks,
    /// Markers to be written once the journal is durable.
    pub markers: &'a mut Vec<WriteMarkers>,
}

/// The end of a transaction, to be told to every partition it has written to. Told twice it is no
/// different: a partition in which the producer has nothing open may ignore it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteMarkers {
    /// Whose transaction; none where it is hanging: of nobody that the coordinator knows of.
    pub transactional_id: Option<SmolStr>,
    /// The producer and the epoch of the markers, which may be higher than that of any batch; a batch
    /// of a lower epoch is refused from then on.
    pub producer: ProducerIdentity,
    /// Commit, or abort.
    pub is_commit: bool,
    /// Where: partitions of topics, and those of `__consumer_offsets` for groups. One that has been
    /// deleted meanwhile counts as told.
    pub partitions: Vec<TopicPartition>,
}

/// The coordinator of the transactional ids whose records are in one partition.
#[derive(Debug)]
pub struct Coordinator {
    pub(super) settings: Settings,
    pub(super) producer_ids: ProducerIds,
    pub(super) ids: BTreeMap<SmolStr, Transaction>,
    /// When ongoing transactions are aborted.
    pub(super) timers: BTreeSet<(Instant, SmolStr)>,
    /// Producers of transactions that were found hanging, until those are aborted everywhere.
    pub(super) hanging: BTreeSet<ProducerIdentity>,
    /// About how many bytes all ids take with their partitions.
    weight: usize,
}

/// A transactional id.
#[derive(Debug, Clone)]
pub(super) struct Transaction {
    pub(super) metadata: Metadata,
    /// The epoch before the last bump, for a producer that did not hear of it (KIP-360); -1 where
    /// nobody may come with an earlier one. Forgotten in a restart: such a producer is fenced then.
    pub(super) last_epoch: i16,
    timer: Option<Instant>,
}

impl Coordinator {
    /// A coordinator that knows of no transactional id yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            producer_ids: ProducerIds::default(),
            ids: BTreeMap::new(),
            timers: BTreeSet::new(),
            hanging: BTreeSet::new(),
            weight: 0,
        }
    }

    /// A record found in the journal. All are replayed in order, before any request; then the caller
    /// writes what markers are [`Coordinator::unfinished`].
    ///
    /// # Errors
    /// The record is damaged, or newer than this broker; the state is without it.
    pub fn replay(&mut self, entry: Entry, now: Now) -> Result<(), FieldError> {
        let (id, metadata) = record::decode(entry)?;
        match metadata {
            Some(metadata) => self.apply(id, metadata, -1, now),
            None => self.forget(&id),
        }
        Ok(())
    }

    /// The markers of transactions that are being ended: after a start, those that a crash may have
    /// kept from being written.
    pub fn unfinished(&self) -> Vec<WriteMarkers> {
        let ending = self
            .ids
            .iter()
            .filter_map(|(id, it)| it.metadata.markers(id));
        ending.collect()
    }

    /// Writes down what is known of the id from now on, and only then believes it. Where it is the
    /// beginning of the end, markers are to be written.
    pub(super) fn change(
        &mut self,
        outside: &mut Context,
        id: &SmolStr,
        mut metadata: Metadata,
        last_epoch: i16,
    ) -> Result<(), Error> {
        metadata.updated_at_ms = outside.now.unix_ms;
        let entry = record::encode(id, Some(&metadata));
        outside.journal.append(Batch::plain(vec![entry]))?;
        outside.markers.extend(metadata.markers(id));
        self.apply(id.clone(), metadata, last_epoch, outside.now);
        Ok(())
    }

    fn apply(&mut self, id: SmolStr, metadata: Metadata, last_epoch: i16, now: Now) {
        // The time of a transaction that goes on is counted on, whatever becomes of the wall clock.
        let goes_on = |it: &&Transaction| {
            let before = &it.metadata;
            (before.state, before.started_at_ms) == (metadata.state, metadata.started_at_ms)
        };
        let before = self.ids.get(&id).filter(goes_on).and_then(|it| it.timer);
        let timer = before.or_else(|| metadata.deadline(now));
        self.forget(&id);
        if let Some(at) = timer {
            self.timers.insert((at, id.clone()));
        }
        self.weight += weight(&id, &metadata);
        let transaction = Transaction {
            metadata,
            last_epoch,
            timer,
        };
        self.ids.insert(id, transaction);
    }

    /// Tries again later what could not be written down.
    pub(super) fn postpone(&mut self, id: &SmolStr, until: Instant) {
        let Some(transaction) = self.ids.get_mut(id) else {
            return;
        };
        if let Some(at) = transaction.timer.replace(until) {
            self.timers.remove(&(at, id.clone()));
        }
        self.timers.insert((until, id.clone()));
    }

    pub(super) fn forget(&mut self, id: &SmolStr) {
        let Some(transaction) = self.ids.remove(id) else {
            return;
        };
        self.weight -= weight(id, &transaction.metadata);
        if let Some(at) = transaction.timer {
            self.timers.remove(&(at, id.clone()));
        }
    }

    /// Whether there is room for what is to be known of the id, besides all else that is.
    pub(super) fn bear(&self, id: &SmolStr, metadata: &Metadata) -> Result<(), Error> {
        let before = self.ids.get(id).map(|it| weight(id, &it.metadata));
        let after = self.weight - before.unwrap_or(0) + weight(id, metadata);
        match after <= self.settings.max_memory {
            true => Ok(()),
            false => Err(Error::TooMuchMemory),
        }
    }

    /// The transaction of that id, if it belongs to that producer.
    pub(super) fn of_producer(
        &self,
        id: &str,
        producer: ProducerIdentity,
    ) -> Result<&Transaction, Error> {
        validate_id(id)?;
        let transaction = self.ids.get(id).ok_or(Error::InvalidProducerIdMapping)?;
        let metadata = &transaction.metadata;
        let is_early = metadata.state.prepared().is_some() && metadata.successor() == producer;
        if is_early && metadata.producer != producer {
            // It has been given its next id, and goes on before the end of its transaction.
            return Err(Error::ConcurrentTransactions);
        }
        if metadata.producer.id != producer.id {
            return Err(Error::InvalidProducerIdMapping);
        }
        if metadata.producer.epoch != producer.epoch {
            return Err(Error::ProducerFenced);
        }
        match self.hangs(producer.id) {
            true => Err(Error::ConcurrentTransactions),
            false => Ok(transaction),
        }
    }
}

impl Metadata {
    fn markers(&self, id: &SmolStr) -> Option<WriteMarkers> {
        self.state.prepared().map(|is_commit| WriteMarkers {
            transactional_id: Some(id.clone()),
            producer: self.producer,
            is_commit,
            partitions: self.partitions.iter().cloned().collect(),
        })
    }

    /// When it has taken too long. The time since its beginning is counted by the wall clock over a
    /// restart, and monotonically from then on.
    fn deadline(&self, now: Now) -> Option<Instant> {
        let left = self
            .started_at_ms
            .saturating_add(i64::from(self.timeout_ms))
            .saturating_sub(now.unix_ms);
        // A clock that was set back must not make it last longer than it may.
        let left = u64::try_from(left.clamp(0, i64::from(self.timeout_ms.max(0)))).unwrap_or(0);
        (self.state == State::Ongoing).then(|| now.instant + Duration::from_millis(left))
    }
}

/// About how many bytes an id takes with what is known of it, partitions apart.
const ID_WEIGHT: usize = 256;

/// The same of a partition: its place in a set, and the topic's name, which is not shared if it is long.
const PARTITION_WEIGHT: usize = 64;

fn weight(id: &SmolStr, metadata: &Metadata) -> usize {
    let partitions = metadata.partitions.iter();
    let partitions = partitions.map(|at| PARTITION_WEIGHT + at.topic.len());
    ID_WEIGHT + id.len() + partitions.sum::<usize>()
}

#[cfg(test)]
impl Coordinator {
    /// The sum that is kept up to date is the sum.
    pub(crate) fn check_weight(&self) {
        let each = self.ids.iter().map(|(id, it)| weight(id, &it.metadata));
        assert_eq!(self.weight, each.sum::<usize>());
    }
}

pub(super) fn validate_id(id: &str) -> Result<(), Error> {
    match id.len() {
        1..=MAX_ID_LENGTH => Ok(()),
        _ => Err(Error::InvalidRequest),
    }
}
