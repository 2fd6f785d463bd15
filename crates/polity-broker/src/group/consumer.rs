//! The consumer group protocol of KIP-848: the coordinator assigns, members follow at their own pace.
//!
//! Three epochs follow each other. The *group epoch* is one more whenever members or the topics they
//! subscribe to change; the *target epoch* catches up as soon as anybody heartbeats, with a new target
//! assignment; each *member epoch* catches up once the member has given up what the target takes from
//! it. What a member gets is given to it only when the member before has given it up: no partition
//! ever belongs to two.
//!
//! All of it is records, each of a member or of the group; they are applied in the same way whether
//! they have just been appended or are found at a start. Only sessions are not: they begin anew.
//!
//! A classic group becomes one of these, and the other way round, while it has no members; a rolling
//! upgrade with members of both protocols is refused.

mod assignment;
mod assignor;
mod current;
mod depart;
mod describe;
mod heartbeat;
mod member;
mod request;
mod subscription;
mod weight;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use smol_str::SmolStr;
use uuid::Uuid;

use super::classic::Sender;
use super::context::Call;
use super::error::Error;
use super::id::{GroupId, InstanceId, MemberId};
use super::record::{EpochValue, MemberValue, Record, RegexValue};
use super::settings::Settings;
use crate::journal::AppendError;
use crate::now::Now;
use assignment::Assignment;
use current::{Current, Progress};
pub use describe::{ConsumerDescription, ConsumerMember};
pub use request::{Heartbeat, HeartbeatAnswer};

/// The epoch of a heartbeat that joins.
pub(super) const JOIN: i32 = 0;
/// The epoch of a heartbeat that leaves.
pub(super) const LEAVE: i32 = -1;
/// The epoch of a heartbeat by which a static member leaves for a while.
pub(super) const LEAVE_STATIC: i32 = -2;

/// A KIP-848 group.
#[derive(Debug, Clone)]
pub(super) struct ConsumerGroup {
    id: GroupId,
    epoch: EpochValue,
    target_epoch: i32,
    /// These three are written down each on its own, and in a journal that was compacted in any
    /// order; so they are kept apart.
    members: BTreeMap<MemberId, Arc<MemberValue>>,
    targets: BTreeMap<MemberId, Arc<Assignment>>,
    currents: BTreeMap<MemberId, Arc<Current>>,
    /// What regular expressions stand for.
    regexes: BTreeMap<SmolStr, Arc<RegexValue>>,
    /// Follows from `members`.
    instances: BTreeMap<InstanceId, MemberId>,
    /// Follows from `currents`: who has a partition, or has not given it up yet.
    owners: BTreeMap<(Uuid, i32), MemberId>,
    /// When each member is given up; not written down.
    sessions: BTreeMap<MemberId, Instant>,
    /// When members are given up that do not give up partitions; not written down.
    revocations: BTreeMap<MemberId, Instant>,
    /// The topics' version that the group has seen; not written down.
    topics_seen: Option<u64>,
    /// Since when it has no members, in ms since the Unix epoch; begins anew with each start.
    empty_since_ms: i64,
    /// The weight of `members` and `regexes`.
    said: usize,
}

impl ConsumerGroup {
    pub(super) fn new(id: GroupId, now: Now) -> Self {
        Self {
            id,
            epoch: EpochValue {
                epoch: 0,
                metadata_hash: 0,
            },
            target_epoch: 0,
            members: BTreeMap::new(),
            targets: BTreeMap::new(),
            currents: BTreeMap::new(),
            regexes: BTreeMap::new(),
            instances: BTreeMap::new(),
            owners: BTreeMap::new(),
            sessions: BTreeMap::new(),
            revocations: BTreeMap::new(),
            topics_seen: None,
            empty_since_ms: now.unix_ms,
            said: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether nothing of it has been written down. While a journal is replayed any part of it may be
    /// the first to be found.
    pub(super) fn is_new(&self) -> bool {
        self.epoch.epoch == 0
            && self.target_epoch == 0
            && self.members.is_empty()
            && self.targets.is_empty()
            && self.currents.is_empty()
            && self.regexes.is_empty()
    }

    pub(super) fn empty_since_ms(&self) -> i64 {
        self.empty_since_ms
    }

    /// Puts a record in force. Those of other groups and kinds are not for here.
    pub(super) fn apply(&mut self, record: Record, now: Now, settings: &Settings) {
        match record {
            Record::Epoch(_, Some(value)) => self.epoch = value,
            Record::TargetEpoch(_, epoch) => self.target_epoch = epoch.unwrap_or(0),
            Record::Member(_, id, value) => self.apply_member(id, value, now, settings),
            Record::TargetMember(_, id, Some(parts)) => {
                let target = assignment::from_parts(&parts);
                self.targets.insert(id, Arc::new(target));
            }
            Record::TargetMember(_, id, None) => drop(self.targets.remove(&id)),
            Record::Current(_, id, value) => {
                self.apply_current(id, value.map(Current::from_value), now);
            }
            Record::Regex(_, regex, value) => self.apply_regex(regex, value),
            Record::Epoch(_, None) | Record::Classic(..) | Record::Offset(..) => {}
        }
    }

    fn apply_regex(&mut self, regex: SmolStr, value: Option<RegexValue>) {
        if let Some(before) = self.regexes.remove(&regex) {
            self.said -= weight::of_regex(&before);
        }
        if let Some(value) = value {
            self.said += weight::of_regex(&value);
            self.regexes.insert(regex, Arc::new(value));
        }
    }

    fn apply_member(
        &mut self,
        id: MemberId,
        value: Option<MemberValue>,
        now: Now,
        settings: &Settings,
    ) {
        let before = self.members.remove(&id);
        self.said -= before.as_deref().map_or(0, weight::of_member);
        if let Some(instance) = before.and_then(|before| before.instance.clone())
            && self.instances.get(&instance) == Some(&id)
        {
            self.instances.remove(&instance);
        }
        let Some(value) = value else {
            self.sessions.remove(&id);
            self.revocations.remove(&id);
            if self.members.is_empty() {
                self.empty_since_ms = now.unix_ms;
            }
            return;
        };
        if let Some(instance) = value.instance.clone() {
            self.instances.insert(instance, id.clone());
        }
        let until = now.instant + settings.consumer_session_timeout;
        self.sessions.entry(id.clone()).or_insert(until);
        self.said += weight::of_member(&value);
        self.members.insert(id, Arc::new(value));
    }

    fn apply_current(&mut self, id: MemberId, current: Option<Current>, now: Now) {
        let before = self.currents.remove(&id);
        for at in before.iter().flat_map(|before| before.held()) {
            if self.owners.get(&at) == Some(&id) {
                self.owners.remove(&at);
            }
        }
        let Some(current) = current else {
            return;
        };
        for at in current.held() {
            self.owners.insert(at, id.clone());
        }
        let revokes = current.progress == Progress::Unrevoked;
        let same = before.is_some_and(|before| {
            before.progress == current.progress && before.revoking == current.revoking
        });
        if !revokes {
            self.revocations.remove(&id);
        } else if !same || !self.revocations.contains_key(&id) {
            let until = now.instant + self.rebalance_timeout(&id);
            self.revocations.insert(id.clone(), until);
        }
        self.currents.insert(id, Arc::new(current));
    }

    fn rebalance_timeout(&self, id: &MemberId) -> Duration {
        let timeout = self
            .members
            .get(id)
            .map(|member| member.rebalance_timeout_ms);
        let timeout = timeout.and_then(|ms| u64::try_from(ms).ok());
        Duration::from_millis(timeout.unwrap_or(request::DEFAULT_REBALANCE_TIMEOUT_MS))
    }

    /// Whether an offset may be committed by this sender, in a transaction or not.
    pub(super) fn validate_commit(
        &self,
        sender: Sender,
        in_transaction: bool,
    ) -> Result<(), Error> {
        let anonymous =
            sender.generation < 0 && sender.member.is_empty() && sender.instance.is_none();
        if (sender.generation < 0 && self.is_empty()) || (anonymous && in_transaction) {
            return Ok(());
        }
        let stale = match in_transaction {
            // Producers do not know of member epochs.
            true => Error::IllegalGeneration,
            false => Error::StaleMemberEpoch,
        };
        self.validate_epoch(sender.member, sender.generation, stale)
    }

    /// Whether offsets may be fetched by this member.
    pub(super) fn validate_fetch(&self, member: &MemberId, epoch: i32) -> Result<(), Error> {
        self.validate_epoch(member, epoch, Error::StaleMemberEpoch)
    }

    fn validate_epoch(&self, member: &MemberId, epoch: i32, stale: Error) -> Result<(), Error> {
        if !self.members.contains_key(member) {
            return Err(Error::UnknownMemberId);
        }
        let current = self.currents.get(member).map(|current| current.epoch);
        match current == Some(epoch) {
            true => Ok(()),
            false => Err(stale),
        }
    }

    /// The topics that members subscribe to.
    pub(super) fn subscribed_topics(&self) -> BTreeSet<SmolStr> {
        let all = self
            .members
            .values()
            .flat_map(|member| self.topics_of(member));
        all.cloned().collect()
    }

    /// The tombstones of what is written down of a group without members.
    pub(super) fn tombstones(&self) -> Vec<Record> {
        let regex = |regex: &SmolStr| Record::Regex(self.id.clone(), regex.clone(), None);
        let mut records: Vec<Record> = self.regexes.keys().map(regex).collect();
        records.push(Record::TargetEpoch(self.id.clone(), None));
        records.push(Record::Epoch(self.id.clone(), None));
        records
    }
}

/// A change of a group that is being worked out: the group as it will be, and the records that make it
/// so. It is the group's state once they are in the journal.
struct Change<'a> {
    group: ConsumerGroup,
    records: Vec<Record>,
    now: Now,
    settings: &'a Settings,
}

impl<'a> Change<'a> {
    fn of(group: &ConsumerGroup, call: &Call<'a, '_>) -> Self {
        Self {
            group: group.clone(),
            records: Vec::new(),
            now: call.now(),
            settings: call.settings,
        }
    }

    fn put(&mut self, record: impl FnOnce(GroupId) -> Record) {
        let record = record(self.group.id.clone());
        self.group.apply(record.clone(), self.now, self.settings);
        self.records.push(record);
    }

    /// A new epoch, because members or topics are others.
    fn next_epoch(&mut self, metadata_hash: i64) {
        let epoch = self.group.epoch.epoch.saturating_add(1);
        let value = EpochValue {
            epoch,
            metadata_hash,
        };
        self.put(|group| Record::Epoch(group, Some(value)));
    }

    fn commit(self, group: &mut ConsumerGroup, call: &mut Call) -> Result<(), AppendError> {
        call.append(&self.records)?;
        *group = self.group;
        Ok(())
    }
}

/// All that is written down of a group, and what follows from it.
#[cfg(test)]
#[derive(Debug, PartialEq)]
pub(crate) struct Stored {
    epochs: (EpochValue, i32),
    members: BTreeMap<MemberId, Arc<MemberValue>>,
    targets: BTreeMap<MemberId, Arc<Assignment>>,
    currents: BTreeMap<MemberId, Arc<Current>>,
    topics: BTreeMap<SmolStr, Arc<RegexValue>>,
    instances: BTreeMap<InstanceId, MemberId>,
    owners: BTreeMap<(Uuid, i32), MemberId>,
}

#[cfg(test)]
impl ConsumerGroup {
    pub(super) fn stored(&self) -> Stored {
        Stored {
            epochs: (self.epoch, self.target_epoch),
            members: self.members.clone(),
            targets: self.targets.clone(),
            currents: self.currents.clone(),
            topics: self.regexes.clone(),
            instances: self.instances.clone(),
            owners: self.owners.clone(),
        }
    }

    /// What each member has or has still to give up.
    pub(super) fn held(&self) -> BTreeMap<MemberId, BTreeSet<(Uuid, i32)>> {
        let held =
            |(id, current): (&MemberId, &Arc<Current>)| (id.clone(), current.held().collect());
        self.currents.iter().map(held).collect()
    }
}
