//! The group coordinator at work: its machine behind a lock, with a journal, a clock and those who wait.
//!
//! Nothing that the coordinator says leaves before all that it may be about is in the journal for good.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use polity_core::SplitMix64;
use polity_log::batch::Outcome;
use polity_log::{AppendError, Offset};
use tokio::sync::{Notify, oneshot};
use tokio::time::{sleep_until, timeout_at};

use crate::group::settings::SWEEP_INTERVAL;
use crate::group::{
    Answer, Context, Coordinator, Error, Join, JoinRefused, Joined, Settings, Sync, Synced, Ticket,
};
use crate::internal_topic::{JournalError, Replayed, TopicJournal};
use crate::node::{Log, Partition};
use crate::topic_index::TopicIndex;
use crate::topics::OFFSETS_TOPIC;
use crate::transaction::WriteMarkers;
use crate::transactions::now;

/// All consumer groups.
#[derive(Debug)]
pub(crate) struct Groups {
    machine: Mutex<Machine>,
    journal: TopicJournal,
    topics: Arc<TopicIndex>,
    /// The next deadline may have changed.
    rescheduled: Notify,
}

#[derive(Debug)]
struct Machine {
    coordinator: Coordinator,
    rng: SplitMix64,
    waiting: HashMap<Ticket, oneshot::Sender<Said<Answer>>>,
    next_ticket: u64,
}

/// What the coordinator says, and the end of the journal when it said it.
#[derive(Debug)]
struct Said<T> {
    what: T,
    end: Offset,
}

impl Groups {
    /// The groups as the journal has them.
    ///
    /// # Errors
    /// When the journal can be neither made nor read.
    pub(crate) fn open(log: &Log, topics: Arc<TopicIndex>) -> Result<Self, JournalError> {
        let journal = TopicJournal::open(log, OFFSETS_TOPIC)?;
        let mut coordinator = Coordinator::new(Settings::default());
        let now = now();
        journal.replay(|found| match found {
            Replayed::Entry {
                offset,
                producer,
                entry,
            } => {
                let producer = producer.map(|producer| producer.id);
                if let Err(error) = coordinator.replay(offset.0, producer, entry, now) {
                    tracing::warn!(%error, "a record of {OFFSETS_TOPIC} at {offset} is left out");
                }
            }
            Replayed::Marker { producer, outcome } => {
                coordinator.complete_transaction(producer.id, outcome == Outcome::Commit);
            }
        })?;
        let mut machine = Machine {
            coordinator,
            rng: SplitMix64::from_system(),
            waiting: HashMap::new(),
            next_ticket: 0,
        };
        // A broker that dies while it deletes a topic leaves them.
        let forgotten = machine.act(&journal, &topics, |groups, outside| {
            groups.forget_topics(outside, groups.topics_with_offsets())
        });
        if let Err(error) = forgotten.what {
            tracing::warn!(%error, "offsets in topics that there are not could not be let go");
        }
        Ok(Self {
            machine: Mutex::new(machine),
            journal,
            topics,
            rescheduled: Notify::new(),
        })
    }

    /// Asks the coordinator something that it answers at once.
    ///
    /// # Errors
    /// When what it says cannot be made to last.
    pub(crate) async fn ask<T>(
        &self,
        act: impl FnOnce(&mut Coordinator, &mut Context<'_>) -> T,
    ) -> Result<T, Error> {
        let said = self.call(|machine, journal| machine.act(journal, &self.topics, act));
        self.settle(said).await
    }

    /// Asks the coordinator something at once. What it says may go on only when it is
    /// [`Groups::settled`].
    pub(crate) fn act<T>(
        &self,
        act: impl FnOnce(&mut Coordinator, &mut Context<'_>) -> T,
    ) -> (T, Offset) {
        let said = self.call(|machine, journal| machine.act(journal, &self.topics, act));
        (said.what, said.end)
    }

    /// Waits until all before `end` outlives what it has to.
    ///
    /// # Errors
    /// When it never will.
    pub(crate) async fn settled(&self, end: Offset) -> Result<(), Error> {
        Ok(self.journal.settled(end).await?)
    }

    /// Ends a transaction in the journal by `append`, and with it the offsets committed in it. Gives
    /// the marker's place.
    ///
    /// # Errors
    /// When the marker cannot be appended; nothing has changed then.
    pub(crate) fn end_transaction(
        &self,
        append: impl FnOnce(&Arc<Partition>) -> Result<Option<Offset>, AppendError>,
        markers: &WriteMarkers,
    ) -> Result<Option<(Arc<Partition>, Offset)>, AppendError> {
        // Under the lock, so that what is committed is in the same order here as in the journal.
        let mut machine = self.lock();
        let partition = self.journal.partition();
        let last = append(partition)?;
        machine
            .coordinator
            .complete_transaction(markers.producer.id, markers.is_commit);
        Ok(last.map(|last| (partition.clone(), last)))
    }

    /// JoinGroup, which waits for other members.
    ///
    /// # Errors
    /// When the member is refused.
    pub(crate) async fn join(&self, join: Join) -> Result<Joined, JoinRefused> {
        let member = join.member.clone();
        let answer =
            self.wait(|coordinator, outside, ticket| coordinator.join(outside, ticket, join));
        match answer.await {
            Ok(Answer::Joined(joined)) => joined,
            Ok(Answer::Synced(_)) => Err(JoinRefused {
                error: Error::InvalidRequest,
                member,
            }),
            Err(error) => Err(JoinRefused { error, member }),
        }
    }

    /// SyncGroup, which waits for the leader's assignment.
    ///
    /// # Errors
    /// When the member is refused.
    pub(crate) async fn sync(&self, sync: Sync) -> Result<Synced, Error> {
        let answer =
            self.wait(|coordinator, outside, ticket| coordinator.sync(outside, ticket, sync));
        match answer.await? {
            Answer::Synced(synced) => synced,
            Answer::Joined(_) => Err(Error::InvalidRequest),
        }
    }

    /// Does what the coordinator has to do in time; never ends.
    pub(crate) async fn run(&self) {
        let mut sweep = tokio::time::Instant::now() + SWEEP_INTERVAL;
        loop {
            let deadline = self.lock().coordinator.next_deadline();
            let next = deadline.map_or(sweep, |deadline| sweep.min(deadline.into()));
            // Cancelling the wait loses nothing: the deadline is asked for again.
            if timeout_at(next, self.rescheduled.notified()).await.is_ok() {
                continue;
            }
            sleep_until(next).await;
            self.call(|machine, journal| machine.act(journal, &self.topics, Coordinator::expire));
            if tokio::time::Instant::now() >= sweep {
                sweep += SWEEP_INTERVAL;
                let swept = self.call(|machine, journal| {
                    machine.act(journal, &self.topics, Coordinator::sweep)
                });
                if let Err(error) = swept.what {
                    tracing::warn!(%error, "offsets that nobody uses could not be let go");
                }
            }
        }
    }

    async fn wait(
        &self,
        act: impl FnOnce(&mut Coordinator, &mut Context<'_>, Ticket),
    ) -> Result<Answer, Error> {
        let (sender, receiver) = oneshot::channel();
        self.call(|machine, journal| {
            let ticket = Ticket(machine.next_ticket);
            machine.next_ticket += 1;
            machine.waiting.insert(ticket, sender);
            machine.act(journal, &self.topics, |coordinator, outside| {
                act(coordinator, outside, ticket)
            })
        });
        // Every ticket is answered once.
        let said = receiver.await.map_err(|_| Error::CoordinatorNotAvailable)?;
        self.settle(said).await
    }

    async fn settle<T>(&self, said: Said<T>) -> Result<T, Error> {
        self.journal.settled(said.end).await?;
        Ok(said.what)
    }

    fn call<T>(&self, act: impl FnOnce(&mut Machine, &TopicJournal) -> Said<T>) -> Said<T> {
        let mut machine = self.lock();
        let before = machine.coordinator.next_deadline();
        let said = act(&mut machine, &self.journal);
        let after = machine.coordinator.next_deadline();
        drop(machine);
        if after != before {
            self.rescheduled.notify_one();
        }
        said
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Machine {
    fn act<T>(
        &mut self,
        journal: &TopicJournal,
        topics: &TopicIndex,
        act: impl FnOnce(&mut Coordinator, &mut Context<'_>) -> T,
    ) -> Said<T> {
        let mut answers = Vec::new();
        let mut appended = journal.clone();
        let mut outside = Context {
            now: now(),
            rng: &mut self.rng,
            journal: &mut appended,
            topics,
            answers: &mut answers,
        };
        let what = act(&mut self.coordinator, &mut outside);
        let end = journal.end();
        for (ticket, what) in answers {
            if let Some(sender) = self.waiting.remove(&ticket) {
                // A client that has gone away learns it when it joins again.
                let _ = sender.send(Said { what, end });
            }
        }
        Said { what, end }
    }
}
