//! How offsets and groups go: by request, with their topic, or by time.

use std::collections::BTreeSet;

use smol_str::SmolStr;

use super::{Coordinator, Group, Kind, validate_group_id};
use crate::group::classic::State;
use crate::group::context::Context;
use crate::group::error::Error;
use crate::group::id::{GroupId, TopicPartition};
use crate::group::offsets::Offsets;
use crate::group::record::{OffsetValue, Record};
use crate::group::settings::TOMBSTONES_PER_BATCH;
use crate::journal::{AppendError, Batch};
use crate::now::Now;

impl Group {
    /// Whether it may be deleted.
    fn is_empty(&self) -> bool {
        match &self.kind {
            Kind::Classic(group) => group.is_vacant(),
            Kind::Consumer(group) => group.is_empty(),
        }
    }

    /// The topics that members consume now; `None` where that cannot be known.
    fn subscribed_topics(&self) -> Option<BTreeSet<SmolStr>> {
        match &self.kind {
            Kind::Classic(group) => group.subscribed_topics(),
            Kind::Consumer(group) => Some(group.subscribed_topics()),
        }
    }

    /// The tombstones of what is written down of the group itself.
    fn tombstones(&self, id: &GroupId) -> Vec<Record> {
        match &self.kind {
            Kind::Classic(group) if group.generation() == 0 => Vec::new(),
            Kind::Classic(_) => vec![Record::Classic(id.clone(), None)],
            Kind::Consumer(group) if group.is_new() => Vec::new(),
            Kind::Consumer(group) => group.tombstones(),
        }
    }

    /// KIP-211: offsets live while they are in use, and for a while after.
    fn expired(&self, now: Now, retention_ms: i64) -> Vec<TopicPartition> {
        let (since_ms, subscribed) = match &self.kind {
            Kind::Consumer(group) if group.is_empty() => (group.empty_since_ms(), None),
            Kind::Consumer(group) => (i64::MIN, Some(group.subscribed_topics())),
            Kind::Classic(group) if group.protocol_type().is_empty() => (i64::MIN, None),
            Kind::Classic(group) => match group.state() {
                State::Empty => (group.state_since_ms(), None),
                State::Stable => match group.subscribed_topics() {
                    Some(topics) => (i64::MIN, Some(topics)),
                    None => return Vec::new(),
                },
                _ => return Vec::new(),
            },
        };
        let is_over = |value: &OffsetValue| match value.expires_at_ms {
            Some(expires) => expires <= now.unix_ms,
            None => {
                let base = value.committed_at_ms.max(since_ms);
                now.unix_ms.saturating_sub(base) >= retention_ms
            }
        };
        let in_use = |at: &TopicPartition| {
            let subscribes = |topics: &BTreeSet<SmolStr>| topics.contains(&at.topic);
            subscribed.as_ref().is_some_and(subscribes) || self.offsets.is_pending(at)
        };
        let over = self
            .offsets
            .iter()
            .filter(|(at, value)| is_over(value) && !in_use(at));
        over.map(|(at, _)| at.clone()).collect()
    }
}

impl Coordinator {
    /// OffsetDelete (KIP-496): what became of each, in order.
    ///
    /// # Errors
    /// There is no such group, or what its members consume cannot be known.
    pub fn delete_offsets(
        &mut self,
        outside: &mut Context,
        id: &GroupId,
        all: &[TopicPartition],
    ) -> Result<Vec<Result<(), Error>>, Error> {
        validate_group_id(id)?;
        let group = self.groups.get(id).ok_or(Error::GroupIdNotFound)?;
        let topics = group.subscribed_topics().ok_or(Error::NonEmptyGroup)?;
        let verdict = |at: &TopicPartition| match topics.contains(&at.topic) {
            true => Err(Error::GroupSubscribedToTopic),
            false => Ok(()),
        };
        let results: Vec<_> = all.iter().map(verdict).collect();
        let mut gone: Vec<TopicPartition> = group.offsets.partitions();
        gone.retain(|at| all.contains(at) && !topics.contains(&at.topic));
        self.bury(outside, offset_tombstones(id, gone))?;
        self.weigh_offsets(id);
        Ok(results)
    }

    /// DeleteGroups, of one group.
    ///
    /// # Errors
    /// It has members, or there is no such group. Where the journal refuses, what is gone is gone and
    /// the rest stays.
    pub fn delete(&mut self, outside: &mut Context, id: &GroupId) -> Result<(), Error> {
        validate_group_id(id)?;
        let group = self.groups.get(id).ok_or(Error::GroupIdNotFound)?;
        if !group.is_empty() {
            return Err(Error::NonEmptyGroup);
        }
        let mut records = offset_tombstones(id, group.offsets.partitions());
        // The group itself last: until then it can be deleted again.
        records.extend(group.tombstones(id));
        self.bury(outside, records)?;
        self.forget(id);
        Ok(())
    }

    /// Lets offsets go in topics that there are not: nobody will ever need them, and the next topic of
    /// such a name must not begin with them. Those in topics that there are stay.
    ///
    /// # Errors
    /// The journal refuses; offsets are left.
    pub fn forget_topics(
        &mut self,
        outside: &mut Context,
        mut topics: BTreeSet<SmolStr>,
    ) -> Result<(), Error> {
        topics.retain(|topic| outside.topics.find(topic).is_none());
        let of = |(id, group): (&GroupId, &Group)| {
            let mut gone = group.offsets.partitions();
            gone.retain(|at| topics.contains(&at.topic));
            offset_tombstones(id, gone)
        };
        let records: Vec<Record> = self.groups.iter().flat_map(of).collect();
        let touched: BTreeSet<GroupId> = records.iter().map(|it| it.group().clone()).collect();
        self.bury(outside, records)?;
        touched.iter().for_each(|id| self.weigh_offsets(id));
        Ok(())
    }

    /// The topics that any group has offsets in.
    pub fn topics_with_offsets(&self) -> BTreeSet<SmolStr> {
        let offsets = self.groups.values().map(|group| &group.offsets);
        offsets
            .flat_map(Offsets::partitions)
            .map(|at| at.topic)
            .collect()
    }

    /// Lets offsets go that nobody has used for long, and groups that have none left. To be called
    /// every [`SWEEP_INTERVAL`](crate::group::settings::SWEEP_INTERVAL).
    ///
    /// # Errors
    /// The journal refuses; the next sweep tries again.
    pub fn sweep(&mut self, outside: &mut Context) -> Result<(), Error> {
        let retention = self.settings.offsets_retention.as_millis();
        let retention_ms = i64::try_from(retention).unwrap_or(i64::MAX);
        let now = outside.now;
        let of = |(id, group): (&GroupId, &Group)| {
            offset_tombstones(id, group.expired(now, retention_ms))
        };
        let records: Vec<Record> = self.groups.iter().flat_map(of).collect();
        let touched: BTreeSet<GroupId> = records.iter().map(|it| it.group().clone()).collect();
        self.bury(outside, records)?;
        touched.iter().for_each(|id| self.weigh_offsets(id));
        let is_over = |group: &Group| group.is_empty() && group.offsets.is_empty();
        let over = self.groups.iter().filter(|(_, group)| is_over(group));
        let over: Vec<GroupId> = over.map(|(id, _)| id.clone()).collect();
        for id in over {
            let records = self.groups.get(&id).map(|group| group.tombstones(&id));
            self.bury(outside, records.unwrap_or_default())?;
            self.forget(&id);
        }
        Ok(())
    }

    /// Appends tombstones, a batch at a time, each in force as soon as it is there. The group's own is
    /// for the caller to put in force.
    fn bury(&mut self, outside: &mut Context, records: Vec<Record>) -> Result<(), AppendError> {
        for records in records.chunks(TOMBSTONES_PER_BATCH) {
            let entries = records.iter().map(Record::encode).collect();
            let first = outside.journal.append(Batch::plain(entries))?;
            for (position, record) in (first..).zip(records) {
                if matches!(record, Record::Offset(..)) {
                    self.apply(position, None, record.clone(), outside.now);
                }
            }
        }
        Ok(())
    }
}

fn offset_tombstones(id: &GroupId, partitions: Vec<TopicPartition>) -> Vec<Record> {
    let tombstone = |at| Record::Offset(id.clone(), at, None);
    partitions.into_iter().map(tombstone).collect()
}
