//! The transaction coordinator at work: its machine behind a lock, with a journal, a clock and those
//! who write markers.
//!
//! A batch of a transaction is appended under the same lock that its end is decided under: so none can
//! slip in after the marker that ends it.

mod markers;

use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use polity_log::Offset;
use tokio::sync::Notify;
use tokio::time::{timeout, timeout_at};

use crate::group::TopicPartition;
use crate::internal_topic::{JournalError, Replayed, TopicJournal, unix_ms};
use crate::journal::ProducerIdentity;
use crate::node::Log;
use crate::now::Now;
use crate::producer_ids::IdFile;
use crate::topics::TRANSACTIONS_TOPIC;
use crate::transaction::settings::SWEEP_INTERVAL;
use crate::transaction::{Context, Coordinator, Error, Settings, WriteMarkers};

pub(crate) use markers::run;

/// How long the answer to an end may be held back until the end has been told: a disk that is full holds up
/// what is told for longer.
const TELL_PATIENCE: Duration = Duration::from_secs(1);

/// All transactions.
#[derive(Debug)]
pub(crate) struct Transactions {
    machine: Mutex<Machine>,
    journal: TopicJournal,
    /// The next deadline may have changed, or markers are to be written.
    rescheduled: Notify,
    /// Some end has been told everywhere.
    told: Notify,
}

#[derive(Debug)]
struct Machine {
    coordinator: Coordinator,
    ids: IdFile,
    /// Transactions whose end is decided: one for each transactional id at most.
    endings: Vec<Ending>,
}

/// An end to be told, once the journal has it.
#[derive(Debug)]
struct Ending {
    markers: WriteMarkers,
    decided: Offset,
}

impl Transactions {
    /// The transactions as the journal has them; those whose end is decided are ended by [`run`].
    ///
    /// # Errors
    /// When the journal can be neither made nor read.
    pub(crate) fn open(log: &Log, ids: IdFile) -> Result<Self, JournalError> {
        let journal = TopicJournal::open(log, TRANSACTIONS_TOPIC)?;
        let mut coordinator = Coordinator::new(Settings::default());
        let now = now();
        journal.replay(|found| {
            if let Replayed::Entry { offset, entry, .. } = found
                && let Err(error) = coordinator.replay(entry, now)
            {
                tracing::warn!(%error, "a record of {TRANSACTIONS_TOPIC} at {offset} is left out");
            }
        })?;
        let decided = journal.end();
        let hanging = coordinator.abort_hanging(open_transactions(log));
        for markers in &hanging {
            let (id, at) = (markers.producer.id, &markers.partitions);
            tracing::warn!(
                "the transaction that producer {id} has open in {at:?} is not in {TRANSACTIONS_TOPIC}: it is aborted"
            );
        }
        let endings = coordinator.unfinished().into_iter().chain(hanging);
        let endings = endings.map(|markers| Ending { markers, decided }).collect();
        let machine = Machine {
            coordinator,
            ids,
            endings,
        };
        Ok(Self {
            machine: Mutex::new(machine),
            journal,
            rescheduled: Notify::new(),
            told: Notify::new(),
        })
    }

    /// Asks the coordinator something, and waits until what it says lasts.
    ///
    /// # Errors
    /// When the coordinator refuses, or what it says cannot be made to last.
    pub(crate) async fn ask<T>(
        &self,
        act: impl FnOnce(&mut Coordinator, &mut Context<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let (said, end) = self.act(act);
        let said = said?;
        self.settled(end).await?;
        Ok(said)
    }

    /// Does something under the coordinator's lock. What it says may go on only when all before the
    /// offset returned is [`Transactions::settled`].
    pub(crate) fn act<T>(
        &self,
        act: impl FnOnce(&mut Coordinator, &mut Context<'_>) -> T,
    ) -> (T, Offset) {
        let mut machine = self.lock();
        let before = machine.coordinator.next_deadline();
        let mut journal = self.journal.clone();
        let mut markers = Vec::new();
        let Machine {
            coordinator, ids, ..
        } = &mut *machine;
        let mut outside = Context {
            now: now(),
            journal: &mut journal,
            id_blocks: ids,
            markers: &mut markers,
        };
        let said = act(coordinator, &mut outside);
        let decided = self.journal.end();
        let is_rescheduled = !markers.is_empty() || before != machine.coordinator.next_deadline();
        let endings = markers
            .into_iter()
            .map(|markers| Ending { markers, decided });
        machine.endings.extend(endings);
        drop(machine);
        if is_rescheduled {
            self.rescheduled.notify_one();
        }
        (said, decided)
    }

    /// Waits until all before `end` outlives what it has to.
    ///
    /// # Errors
    /// When it never will.
    pub(crate) async fn settled(&self, end: Offset) -> Result<(), Error> {
        Ok(self.journal.settled(end).await?)
    }

    /// Waits until the end of the id's transaction has been told everywhere, for a while at most.
    /// Cancelling it loses nothing.
    pub(crate) async fn told(&self, id: &str) {
        let told = async {
            loop {
                let mut told = pin!(self.told.notified());
                // Before the look, so that what comes after it is not missed.
                told.as_mut().enable();
                let is_ending = self.lock().coordinator.is_ending(id);
                if !is_ending {
                    return;
                }
                told.await;
            }
        };
        // The decision stands in any case, and clients know how to wait for the rest.
        let _ = timeout(TELL_PATIENCE, told).await;
    }

    /// Waits for ends to be told, and does what is due meanwhile. Cancelling it loses nothing.
    async fn endings(&self) -> Vec<Ending> {
        let mut sweep = tokio::time::Instant::now() + SWEEP_INTERVAL;
        loop {
            let deadline = {
                let mut machine = self.lock();
                if !machine.endings.is_empty() {
                    return std::mem::take(&mut machine.endings);
                }
                machine.coordinator.next_deadline()
            };
            let next = deadline.map_or(sweep, |deadline| sweep.min(deadline.into()));
            if timeout_at(next, self.rescheduled.notified()).await.is_ok() {
                continue;
            }
            self.act(Coordinator::expire);
            if tokio::time::Instant::now() >= sweep {
                sweep += SWEEP_INTERVAL;
                if let Err(error) = self.act(Coordinator::sweep).0 {
                    tracing::warn!(%error, "transactional ids that nobody uses could not be let go");
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every transaction that is open in a partition.
fn open_transactions(log: &Log) -> Vec<(ProducerIdentity, TopicPartition)> {
    let mut open = Vec::new();
    for topic in log.topics().values() {
        for partition in topic.partitions() {
            let offsets = partition.offsets();
            if offsets.last_stable == offsets.end {
                continue;
            }
            let index = crate::api::number(partition.index());
            let at = TopicPartition::new(topic.name().as_str(), index);
            let producers = partition.producers().into_iter();
            open.extend(
                producers
                    .filter(|producer| producer.transaction_start.is_some())
                    .map(|producer| {
                        let identity = ProducerIdentity {
                            id: producer.id.0,
                            epoch: producer.epoch.0,
                        };
                        (identity, at.clone())
                    }),
            );
        }
    }
    open
}

pub(crate) fn now() -> Now {
    Now {
        instant: Instant::now(),
        unix_ms: unix_ms(),
    }
}
