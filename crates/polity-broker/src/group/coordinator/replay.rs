//! From the journal back to the state.

#[cfg(test)]
use std::collections::{BTreeMap, BTreeSet};

#[cfg(test)]
use uuid::Uuid;

use super::{Coordinator, Group, Kind};
use crate::group::classic::ClassicGroup;
use crate::group::consumer::ConsumerGroup;
#[cfg(test)]
use crate::group::consumer::Stored;
use crate::group::id::GroupId;
#[cfg(test)]
use crate::group::id::MemberId;
use crate::group::id::TopicPartition;
#[cfg(test)]
use crate::group::offsets::Offsets;
use crate::group::record::{ClassicValue, OffsetValue, Record};
use crate::journal::Entry;
use crate::journal::fields::FieldError;
use crate::now::Now;

/// What a record found in the journal is to its group.
#[derive(Debug, Clone, Copy)]
enum Replayed {
    Offset,
    /// A classic group, whole.
    Group,
    /// One of the many records of a KIP-848 group.
    Part,
}

impl Coordinator {
    /// A record found in the journal at that offset, of that producer's transaction if of any. All
    /// are replayed in order, with [`Coordinator::complete_transaction`] for each marker, before any
    /// request; what an aborted transaction wrote may be left out.
    ///
    /// # Errors
    /// The record is damaged, or newer than this broker; the state is without it.
    pub fn replay(
        &mut self,
        offset: i64,
        producer_id: Option<i64>,
        entry: Entry,
        now: Now,
    ) -> Result<(), FieldError> {
        if let Some(record) = Record::decode(entry)? {
            let id = record.group().clone();
            let kind = match &record {
                Record::Offset(..) => Replayed::Offset,
                Record::Classic(..) => Replayed::Group,
                _ => Replayed::Part,
            };
            self.apply(offset, producer_id, record, now);
            self.settle_replayed(&id, kind);
        }
        Ok(())
    }

    /// A large group is many records, of which none should cost by the member: a timer that is too
    /// early does no harm.
    fn settle_replayed(&mut self, id: &GroupId, kind: Replayed) {
        let is_timed = |group: &Group| group.timer.is_some() && !group.is_blank();
        match kind {
            Replayed::Offset => self.weigh_offsets(id),
            Replayed::Part if self.groups.get(id).is_some_and(is_timed) => self.weigh(id),
            Replayed::Part | Replayed::Group => self.settle(id),
        }
    }

    /// Puts a record in force that is in the journal.
    pub(super) fn apply(
        &mut self,
        position: i64,
        producer_id: Option<i64>,
        record: Record,
        now: Now,
    ) {
        match record {
            Record::Offset(id, at, value) => {
                self.apply_offset(position, producer_id, id, (at, value));
            }
            Record::Classic(id, value) => self.apply_classic(id, value, now),
            record => self.apply_consumer(record, now),
        }
    }

    fn apply_offset(
        &mut self,
        position: i64,
        producer_id: Option<i64>,
        id: GroupId,
        (at, value): (TopicPartition, Option<OffsetValue>),
    ) {
        if let (Some(producer), Some(_)) = (producer_id, &value) {
            self.transactions
                .entry(producer)
                .or_default()
                .insert(id.clone());
        }
        let group = self.group_or_blank(id);
        group.offsets.apply(position, producer_id, at, value);
    }

    fn apply_classic(&mut self, id: GroupId, value: Option<ClassicValue>, now: Now) {
        let is_tombstone = value.is_none();
        let classic = match value {
            Some(value) => ClassicGroup::restore(id.clone(), value, now),
            None => ClassicGroup::new(id.clone()),
        };
        let group = self.group_or_blank(id);
        // A tombstone of what the group was before it became another kind.
        if is_tombstone && matches!(group.kind, Kind::Consumer(_)) {
            return;
        }
        group.kind = Kind::Classic(classic);
    }

    fn apply_consumer(&mut self, record: Record, now: Now) {
        let id = record.group().clone();
        let settings = self.settings.clone();
        let group = self.group_or_blank(id.clone());
        if matches!(group.kind, Kind::Classic(_)) {
            if record.is_tombstone() {
                return;
            }
            group.kind = Kind::Consumer(ConsumerGroup::new(id.clone(), now));
        }
        if let Record::Epoch(_, None) = record {
            group.kind = Kind::Classic(ClassicGroup::new(id));
        } else if let Kind::Consumer(group) = &mut group.kind {
            group.apply(record, now, &settings);
        }
    }

    fn group_or_blank(&mut self, id: GroupId) -> &mut Group {
        let new = || Group::new(Kind::Classic(ClassicGroup::new(id.clone())));
        self.groups.entry(id.clone()).or_insert_with(new)
    }
}

#[cfg(test)]
impl Coordinator {
    /// What must come back from the journal. A classic group that is between two generations, or could
    /// not be written down, has no value here.
    pub(crate) fn snapshot(&self) -> BTreeMap<GroupId, (Option<ClassicValue>, Offsets)> {
        let of = |(id, group): (&GroupId, &Group)| {
            let classic = match &group.kind {
                Kind::Classic(group) => group.stored(),
                Kind::Consumer(_) => None,
            };
            (id.clone(), (classic, group.offsets.clone()))
        };
        self.groups.iter().map(of).collect()
    }

    /// The same of a KIP-848 group.
    pub(crate) fn consumer_snapshot(&self, id: &GroupId) -> Option<Stored> {
        match &self.groups.get(id)?.kind {
            Kind::Classic(_) => None,
            Kind::Consumer(group) => Some(group.stored()),
        }
    }

    /// What each member of a KIP-848 group has or has still to give up.
    pub(crate) fn held(&self, id: &GroupId) -> BTreeMap<MemberId, BTreeSet<(Uuid, i32)>> {
        match self.groups.get(id).map(|group| &group.kind) {
            Some(Kind::Consumer(group)) => group.held(),
            _ => BTreeMap::new(),
        }
    }
}
