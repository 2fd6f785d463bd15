//! All groups of one partition of `__consumer_offsets`.

mod commit;
mod delete;
mod describe;
mod replay;
mod weight;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::classic::{ClassicGroup, Join, JoinRefused, Leaving, Sender, Sync};
use super::consumer::{ConsumerGroup, Heartbeat, HeartbeatAnswer};
use super::context::{Answer, Call, Context, Ticket};
use super::error::Error;
use super::id::GroupId;
use super::offsets::Offsets;
use super::record::Record;
use super::settings::{MAX_ID_LENGTH, Settings};
use crate::journal::Batch;
pub use commit::{Commit, NewOffset};
pub use describe::{DescribedMember, Description, GroupType, Listed};
use weight::Weight;

/// The coordinator of the groups whose records are in one partition.
#[derive(Debug)]
pub struct Coordinator {
    settings: Settings,
    groups: BTreeMap<GroupId, Group>,
    /// When each group has something to do, at the earliest.
    timers: BTreeSet<(Instant, GroupId)>,
    /// Which groups an open transaction of a producer has offsets of.
    transactions: BTreeMap<i64, BTreeSet<GroupId>>,
    /// About how many bytes all groups take.
    weight: usize,
}

#[derive(Debug)]
struct Group {
    kind: Kind,
    offsets: Offsets,
    /// Its entry in `timers`.
    timer: Option<Instant>,
    /// Its part of the coordinator's weight.
    weight: Weight,
}

#[derive(Debug)]
enum Kind {
    Classic(ClassicGroup),
    Consumer(ConsumerGroup),
}

impl Group {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            offsets: Offsets::default(),
            timer: None,
            weight: Weight::default(),
        }
    }

    /// Whether nothing tells it from a group that never was.
    fn is_blank(&self) -> bool {
        let is_new = match &self.kind {
            Kind::Classic(group) => group.is_vacant() && group.generation() == 0,
            Kind::Consumer(group) => group.is_new(),
        };
        is_new && self.offsets.is_empty()
    }

    fn next_deadline(&self) -> Option<Instant> {
        match &self.kind {
            Kind::Classic(group) => group.next_deadline(),
            Kind::Consumer(group) => group.next_deadline(),
        }
    }
}

impl Coordinator {
    /// A coordinator that knows of no group yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            groups: BTreeMap::new(),
            timers: BTreeSet::new(),
            transactions: BTreeMap::new(),
            weight: 0,
        }
    }

    /// When [`Coordinator::expire`] has something to do, at the earliest.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Does what is due: sessions end, rebalances go on with those who came.
    pub fn expire(&mut self, outside: &mut Context) {
        let now = outside.now.instant;
        let due = self.timers.iter().take_while(|(at, _)| *at <= now);
        let due: Vec<GroupId> = due.map(|(_, id)| id.clone()).collect();
        for id in due {
            if let Some((group, mut call)) = self.call(outside, &id) {
                match &mut group.kind {
                    Kind::Classic(group) => group.expire(&mut call),
                    Kind::Consumer(group) => group.expire(&mut call),
                }
            }
            self.settle(&id);
        }
    }

    /// JoinGroup. The answer is among [`Context::answers`], of this call or of a later one.
    pub fn join(&mut self, outside: &mut Context, ticket: Ticket, join: Join) {
        let id = join.group.clone();
        if let Err(error) = self.admit(outside, &join) {
            let refused = JoinRefused::new(error, join.member);
            let answer = Answer::Joined(Err(refused));
            outside.answers.push((ticket, answer));
            return;
        }
        if let Some((group, mut call)) = self.call(outside, &id)
            && let Kind::Classic(group) = &mut group.kind
        {
            group.join(&mut call, ticket, join);
        }
        self.settle(&id);
    }

    /// Afterwards there is a classic group to join.
    fn admit(&mut self, outside: &mut Context, join: &Join) -> Result<(), Error> {
        join.validate(&self.settings)?;
        self.bear(join.weight())?;
        if !self.groups.contains_key(&join.group) {
            validate_group_id(&join.group)?;
            if !join.member.is_empty() {
                return Err(Error::UnknownMemberId);
            }
        }
        self.classic_or_new(outside, &join.group)
    }

    /// The classic group of that name, made if there is none, or of a KIP-848 group without members.
    fn classic_or_new(&mut self, outside: &mut Context, id: &GroupId) -> Result<(), Error> {
        self.has_room(id)?;
        if let Some(Kind::Consumer(group)) = self.groups.get(id).map(|group| &group.kind) {
            if !group.is_empty() {
                return Err(Error::InconsistentGroupProtocol);
            }
            let tombstones = group.tombstones();
            self.append_all(outside, tombstones)?;
        }
        let new = || Group::new(Kind::Classic(ClassicGroup::new(id.clone())));
        self.groups.entry(id.clone()).or_insert_with(new);
        Ok(())
    }

    /// The KIP-848 group of that name, made if there is none, or of a classic group without members.
    fn consumer_or_new(&mut self, outside: &mut Context, id: &GroupId) -> Result<(), Error> {
        self.has_room(id)?;
        if let Some(Kind::Classic(group)) = self.groups.get(id).map(|group| &group.kind) {
            if !group.is_vacant() {
                return Err(Error::GroupIdNotFound);
            }
            if group.generation() > 0 {
                self.append_all(outside, vec![Record::Classic(id.clone(), None)])?;
            }
        }
        let new = || Kind::Consumer(ConsumerGroup::new(id.clone(), outside.now));
        let group = self
            .groups
            .entry(id.clone())
            .or_insert_with(|| Group::new(new()));
        if let Kind::Classic(_) = group.kind {
            group.kind = new();
        }
        Ok(())
    }

    fn has_room(&self, id: &GroupId) -> Result<(), Error> {
        validate_group_id(id)?;
        match self.groups.len() < self.settings.max_groups || self.groups.contains_key(id) {
            true => Ok(()),
            false => Err(Error::TooManyGroups),
        }
    }

    /// Appends records as one batch and puts them in force.
    fn append_all(&mut self, outside: &mut Context, records: Vec<Record>) -> Result<(), Error> {
        let entries = records.iter().map(Record::encode).collect();
        let first = outside.journal.append(Batch::plain(entries))?;
        for (position, record) in (first..).zip(records) {
            self.apply(position, None, record, outside.now);
        }
        Ok(())
    }

    /// ConsumerGroupHeartbeat (KIP-848).
    ///
    /// # Errors
    /// `FencedMemberEpoch` and `UnknownMemberId` ask the member to give up all it has and to join anew.
    pub fn consumer_heartbeat(
        &mut self,
        outside: &mut Context,
        request: Heartbeat,
    ) -> Result<HeartbeatAnswer, Error> {
        let id = request.group.clone();
        request.validate()?;
        validate_group_id(&id)?;
        self.bear(request.weight())?;
        if request.epoch == super::consumer::JOIN {
            self.consumer_or_new(outside, &id)?;
        }
        let (group, mut call) = self.call(outside, &id).ok_or(Error::GroupIdNotFound)?;
        let (is_quiet, answer) = match &mut group.kind {
            Kind::Consumer(group) => {
                let goes_on = request.epoch > super::consumer::JOIN;
                let is_quiet = goes_on && group.is_settled(&request, call.outside.topics);
                (is_quiet, group.heartbeat(&mut call, request))
            }
            Kind::Classic(_) => (true, Err(Error::GroupIdNotFound)),
        };
        // A heartbeat that changes nothing leaves the group's timer too early, which does no harm.
        if !is_quiet {
            self.settle(&id);
        }
        answer
    }

    /// SyncGroup. The answer is among [`Context::answers`], of this call or of a later one.
    pub fn sync(&mut self, outside: &mut Context, ticket: Ticket, sync: Sync) {
        let id = sync.group.clone();
        if let Err(error) = self.bear(sync.weight()) {
            outside.answers.push((ticket, Answer::Synced(Err(error))));
            return;
        }
        match self.call(outside, &id) {
            Some((group, mut call)) => match &mut group.kind {
                Kind::Classic(group) => group.sync(&mut call, ticket, sync),
                Kind::Consumer(_) => {
                    call.answer(ticket, Answer::Synced(Err(Error::UnknownMemberId)));
                }
            },
            None => {
                let answer = Answer::Synced(Err(unknown_member(&id)));
                outside.answers.push((ticket, answer));
            }
        }
        self.settle(&id);
    }

    /// Heartbeat.
    ///
    /// # Errors
    /// `RebalanceInProgress` keeps the session alive too, and asks for a join.
    pub fn heartbeat(
        &mut self,
        outside: &mut Context,
        id: &GroupId,
        sender: Sender,
    ) -> Result<(), Error> {
        // The group's timer may stand too early now, which does no harm: it is set anew when it fires.
        let (group, call) = self.call(outside, id).ok_or_else(|| unknown_member(id))?;
        match &mut group.kind {
            Kind::Classic(group) => group.heartbeat(&call, sender),
            Kind::Consumer(_) => Err(Error::UnknownMemberId),
        }
    }

    /// LeaveGroup: what became of each, in order.
    ///
    /// # Errors
    /// The group id is empty; for a group that there is not each is told that it is no member.
    pub fn leave(
        &mut self,
        outside: &mut Context,
        id: &GroupId,
        all: &[Leaving],
    ) -> Result<Vec<Result<(), Error>>, Error> {
        validate_group_id(id)?;
        let results = match self.call(outside, id) {
            Some((group, mut call)) => match &mut group.kind {
                Kind::Classic(group) => group.leave(&mut call, all),
                Kind::Consumer(_) => vec![Err(Error::UnknownMemberId); all.len()],
            },
            None => vec![Err(Error::UnknownMemberId); all.len()],
        };
        self.settle(id);
        Ok(results)
    }

    fn call<'a, 'b>(
        &'a mut self,
        outside: &'a mut Context<'b>,
        id: &GroupId,
    ) -> Option<(&'a mut Group, Call<'a, 'b>)> {
        let group = self.groups.get_mut(id)?;
        let settings = &self.settings;
        Some((group, Call { outside, settings }))
    }

    /// After a change: the group's timer is set, and a group that is nothing any more is forgotten.
    fn settle(&mut self, id: &GroupId) {
        let Some(group) = self.groups.get_mut(id) else {
            return;
        };
        let next = group.next_deadline();
        if group.timer != next {
            if let Some(before) = group.timer {
                self.timers.remove(&(before, id.clone()));
            }
            if let Some(next) = next {
                self.timers.insert((next, id.clone()));
            }
            group.timer = next;
        }
        self.weigh(id);
    }

    fn forget(&mut self, id: &GroupId) {
        let Some(group) = self.groups.remove(id) else {
            return;
        };
        self.weight = self.weight.saturating_sub(group.weight.total());
        if let Some(at) = group.timer {
            self.timers.remove(&(at, id.clone()));
        }
    }
}

/// Kafka's answer where members are asked for in a group that there is not.
fn unknown_member(id: &GroupId) -> Error {
    match validate_group_id(id) {
        Ok(()) => Error::UnknownMemberId,
        Err(error) => error,
    }
}

fn validate_group_id(id: &GroupId) -> Result<(), Error> {
    match id.as_str().len() {
        1..=MAX_ID_LENGTH => Ok(()),
        _ => Err(Error::InvalidGroupId),
    }
}
