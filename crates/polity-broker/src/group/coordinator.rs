//! All groups of one partition of `__consumer_offsets`.

mod commit;
mod delete;
mod describe;
mod replay;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::classic::{ClassicGroup, Join, JoinRefused, Leaving, Sender, Sync};
use super::context::{Answer, Call, Context, Ticket};
use super::error::Error;
use super::id::GroupId;
use super::offsets::Offsets;
use super::settings::{MAX_ID_LENGTH, Settings};
pub use commit::{Commit, NewOffset};
pub use describe::{DescribedMember, Description, GroupType, Listed};

/// The coordinator of the groups whose records are in one partition.
#[derive(Debug)]
pub struct Coordinator {
    settings: Settings,
    groups: BTreeMap<GroupId, Group>,
    /// When each group has something to do, at the earliest.
    timers: BTreeSet<(Instant, GroupId)>,
    /// Which groups an open transaction of a producer has offsets of.
    transactions: BTreeMap<i64, BTreeSet<GroupId>>,
}

#[derive(Debug)]
struct Group {
    kind: Kind,
    offsets: Offsets,
    /// Its entry in `timers`.
    timer: Option<Instant>,
}

#[derive(Debug)]
enum Kind {
    Classic(ClassicGroup),
}

impl Group {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            offsets: Offsets::default(),
            timer: None,
        }
    }

    /// Whether nothing tells it from a group that never was.
    fn is_blank(&self) -> bool {
        let Kind::Classic(group) = &self.kind;
        self.offsets.is_empty() && group.is_vacant() && group.generation() == 0
    }

    fn next_deadline(&self) -> Option<Instant> {
        match &self.kind {
            Kind::Classic(group) => group.next_deadline(),
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
        if let Some((group, mut call)) = self.call(outside, &id) {
            match &mut group.kind {
                Kind::Classic(group) => group.join(&mut call, ticket, join),
            }
        }
        self.settle(&id);
    }

    /// Afterwards there is a classic group to join.
    fn admit(&mut self, outside: &mut Context, join: &Join) -> Result<(), Error> {
        join.validate(&self.settings)?;
        if !self.groups.contains_key(&join.group) {
            validate_group_id(&join.group)?;
            if !join.member.is_empty() {
                return Err(Error::UnknownMemberId);
            }
        }
        self.classic_or_new(outside, &join.group).map(drop)
    }

    /// The classic group of that name, made if there is none.
    fn classic_or_new(
        &mut self,
        _outside: &mut Context,
        id: &GroupId,
    ) -> Result<&mut Group, Error> {
        validate_group_id(id)?;
        if self.groups.len() >= self.settings.max_groups && !self.groups.contains_key(id) {
            return Err(Error::TooManyGroups);
        }
        let new = || Group::new(Kind::Classic(ClassicGroup::new(id.clone())));
        Ok(self.groups.entry(id.clone()).or_insert_with(new))
    }

    /// SyncGroup. The answer is among [`Context::answers`], of this call or of a later one.
    pub fn sync(&mut self, outside: &mut Context, ticket: Ticket, sync: Sync) {
        let id = sync.group.clone();
        match self.call(outside, &id) {
            Some((group, mut call)) => match &mut group.kind {
                Kind::Classic(group) => group.sync(&mut call, ticket, sync),
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
        if group.is_blank() {
            self.forget(id);
        }
    }

    fn forget(&mut self, id: &GroupId) {
        if let Some(Group {
            timer: Some(at), ..
        }) = self.groups.remove(id)
        {
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
