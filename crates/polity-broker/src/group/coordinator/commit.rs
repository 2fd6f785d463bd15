//! OffsetCommit and TxnOffsetCommit, OffsetFetch, and the ends of transactions.

use bytes::Bytes;
use smol_str::SmolStr;

use super::{Coordinator, Kind, validate_group_id};
use crate::group::classic::Sender;
use crate::group::context::Context;
use crate::group::error::Error;
use crate::group::id::{GroupId, InstanceId, MemberId, TopicPartition};
use crate::group::offsets::Offsets;
use crate::group::record::{OffsetValue, Record};
use crate::journal::{AppendError, Batch, ProducerIdentity};

/// What a commit says.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The group.
    pub group: GroupId,
    /// Who commits; empty for a client that is no member.
    pub member: MemberId,
    /// Its `group.instance.id`.
    pub instance: Option<InstanceId>,
    /// The generation or, for KIP-848, the member epoch; below 0 for none.
    pub generation: i32,
    /// How long the offsets live (OffsetCommit v2 to v4); `None` is as long as others.
    pub retention_ms: Option<i64>,
    /// What to commit. That the partitions exist is for the caller to check.
    pub offsets: Vec<NewOffset>,
}

/// An offset to commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOffset {
    /// Of which partition.
    pub at: TopicPartition,
    /// The next offset to consume.
    pub offset: i64,
    /// The leader epoch of the last record consumed; -1 if it is not known.
    pub leader_epoch: i32,
    /// To be kept with it.
    pub metadata: SmolStr,
}

impl Coordinator {
    /// OffsetCommit: what became of each offset, in order. Offsets that are refused do not keep the
    /// others from being committed.
    ///
    /// # Errors
    /// Nothing is committed.
    pub fn commit(
        &mut self,
        outside: &mut Context,
        commit: Commit,
    ) -> Result<Vec<Result<(), Error>>, Error> {
        self.commit_as(outside, None, commit)
    }

    /// TxnOffsetCommit: as [`Coordinator::commit`], but it counts from the commit marker on.
    ///
    /// # Errors
    /// Nothing is committed. That the producer's transaction is open, and has the group in it, is for
    /// the transaction coordinator to know.
    pub fn commit_in_transaction(
        &mut self,
        outside: &mut Context,
        producer: ProducerIdentity,
        commit: Commit,
    ) -> Result<Vec<Result<(), Error>>, Error> {
        self.commit_as(outside, Some(producer), commit)
    }

    fn commit_as(
        &mut self,
        outside: &mut Context,
        producer: Option<ProducerIdentity>,
        commit: Commit,
    ) -> Result<Vec<Result<(), Error>>, Error> {
        let id = commit.group.clone();
        let result = self.try_commit(outside, producer, commit);
        // Even a refused commit may have made a group that is nothing.
        self.weigh_offsets(&id);
        result
    }

    fn try_commit(
        &mut self,
        outside: &mut Context,
        producer: Option<ProducerIdentity>,
        commit: Commit,
    ) -> Result<Vec<Result<(), Error>>, Error> {
        self.validate_commit(outside, &commit, producer.is_some())?;
        let most = self.settings.max_offset_metadata;
        let verdict = |offset: &NewOffset| match offset.metadata.len() > most {
            true => Err(Error::OffsetMetadataTooLarge),
            false => Ok(()),
        };
        let results: Vec<_> = commit.offsets.iter().map(verdict).collect();
        let expires_at_ms = commit
            .retention_ms
            .map(|it| outside.now.unix_ms.saturating_add(it));
        let accepted = commit
            .offsets
            .into_iter()
            .zip(&results)
            .filter(|(_, it)| it.is_ok());
        let records: Vec<Record> = accepted
            .map(|(offset, _)| {
                let value = OffsetValue {
                    offset: offset.offset,
                    leader_epoch: offset.leader_epoch,
                    metadata: offset.metadata,
                    committed_at_ms: outside.now.unix_ms,
                    expires_at_ms,
                };
                Record::Offset(commit.group.clone(), offset.at, Some(value))
            })
            .collect();
        if records.is_empty() {
            return Ok(results);
        }
        let entries = records.iter().map(Record::encode).collect();
        let batch = Batch { producer, entries };
        self.bear(
            batch
                .entries
                .iter()
                .filter_map(|it| it.value.as_ref())
                .map(Bytes::len)
                .sum(),
        )?;
        let first = outside.journal.append(batch).map_err(|error| match error {
            AppendError::TooLarge => Error::InvalidCommitOffsetSize,
            AppendError::Unavailable => Error::CoordinatorNotAvailable,
        })?;
        for (position, record) in (first..).zip(records) {
            self.apply(position, producer.map(|it| it.id), record, outside.now);
        }
        Ok(results)
    }

    /// Afterwards there is a group to commit to.
    fn validate_commit(
        &mut self,
        outside: &mut Context,
        commit: &Commit,
        in_transaction: bool,
    ) -> Result<(), Error> {
        validate_group_id(&commit.group)?;
        let sender = Sender {
            member: &commit.member,
            instance: commit.instance.as_ref(),
            generation: commit.generation,
        };
        let Some((group, call)) = self.call(outside, &commit.group) else {
            // A group of nobody: somebody who assigns partitions without Kafka's help.
            return match commit.generation < 0 {
                true => self.classic_or_new(outside, &commit.group),
                false => Err(Error::IllegalGeneration),
            };
        };
        match &mut group.kind {
            Kind::Classic(group) => group.validate_commit(&call, sender, in_transaction),
            Kind::Consumer(group) => group.validate_commit(sender, in_transaction),
        }
    }

    /// The offsets of a group; `None` where there is no such group, which has none.
    pub fn offsets(&self, id: &GroupId) -> Option<&Offsets> {
        self.groups.get(id).map(|group| &group.offsets)
    }

    /// OffsetFetch since v9: whether the member that asks is one, if it says who it is.
    ///
    /// # Errors
    /// It is not one, or its epoch is not the current one. Classic groups do not ask.
    pub fn validate_fetch(&self, id: &GroupId, member: &MemberId, epoch: i32) -> Result<(), Error> {
        match self.groups.get(id).map(|group| &group.kind) {
            Some(Kind::Consumer(group)) if !member.is_empty() || epoch >= 0 => {
                group.validate_fetch(member, epoch)
            }
            _ => Ok(()),
        }
    }

    /// A marker is in the journal: the producer's transaction is over, and its offsets count or are
    /// gone.
    pub fn complete_transaction(&mut self, producer_id: i64, is_committed: bool) {
        for id in self.transactions.remove(&producer_id).unwrap_or_default() {
            if let Some(group) = self.groups.get_mut(&id) {
                group.offsets.complete(producer_id, is_committed);
            }
            self.weigh_offsets(&id);
        }
    }
}

impl Offsets {
    /// OffsetFetch: what is committed. A client that asks for what is stable is told to come again
    /// while a transaction may still change it.
    ///
    /// # Errors
    /// `UnstableOffsetCommit`.
    pub fn fetch(
        &self,
        at: &TopicPartition,
        require_stable: bool,
    ) -> Result<Option<&OffsetValue>, Error> {
        match require_stable && self.is_pending(at) {
            true => Err(Error::UnstableOffsetCommit),
            false => Ok(self.get(at)),
        }
    }
}
