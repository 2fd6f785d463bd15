//! The classic group protocol: members join, one of them assigns the partitions, all fetch their share.
//!
//! ```text
//!              first join                all joined, or the wait is over
//!   Empty ───────────────► PreparingRebalance ─────────────► CompletingRebalance
//!     ▲                      ▲       │ nobody joined              │   leader's SyncGroup,
//!     └──────────────────────┼───────┘                            ▼   written down
//!                            └───────────────────────────────── Stable
//!                join with another subscription, leave, session over
//! ```
//!
//! Sources: the Kafka protocol guide, KIP-62, KIP-134, KIP-345, KIP-389, KIP-394, KIP-429, KIP-559,
//! KIP-814. Only a generation that its leader has assigned is written down; a rebalance that a crash
//! cuts short never was, and its members join again.

mod describe;
mod expire;
mod join;
mod leave;
mod member;
mod protocols;
mod rebalance;
mod statics;
mod store;
mod subscription;
mod sync;
mod weight;

use std::collections::BTreeMap;
use std::time::Instant;

use smol_str::SmolStr;

use super::context::{Answer, Call, Ticket};
use super::error::Error;
use super::id::{GroupId, InstanceId, MemberId};
pub use join::{Join, JoinRefused, Joined, JoinedMember};
pub use leave::Leaving;
pub use member::Client;
use member::Member;
use rebalance::Rebalance;
pub use sync::{Sync, Synced};

/// Where a classic group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// No members; offsets perhaps.
    Empty,
    /// Waiting for the members to join.
    PreparingRebalance,
    /// All have joined; waiting for the leader's assignment.
    CompletingRebalance,
    /// Everyone can have its assignment.
    Stable,
    /// There is no such group.
    Dead,
}

impl State {
    /// Its name in DescribeGroups and ListGroups.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
        }
    }
}

/// Who a request says it comes from.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    /// Its member id.
    pub member: &'a MemberId,
    /// Its `group.instance.id`, if it is static.
    pub instance: Option<&'a InstanceId>,
    /// The generation (KIP-848: the member epoch) it believes in; below 0 for none.
    pub generation: i32,
}

/// A classic group.
#[derive(Debug, Clone)]
pub struct ClassicGroup {
    id: GroupId,
    state: State,
    /// Since when the state is what it is, in ms since the Unix epoch; -1 if it is not known.
    state_since_ms: i64,
    /// Empty while no member ever joined.
    protocol_type: SmolStr,
    generation: i32,
    protocol: Option<SmolStr>,
    leader: Option<MemberId>,
    members: BTreeMap<MemberId, Member>,
    instances: BTreeMap<InstanceId, MemberId>,
    /// Told to join again with an id (KIP-394), and until when they may.
    pending: BTreeMap<MemberId, Instant>,
    /// While preparing.
    rebalance: Option<Rebalance>,
    /// Until when members must have fetched their assignment.
    sync_until: Option<Instant>,
    /// When to try again to write down that the group is empty.
    unsaved_until: Option<Instant>,
}

impl ClassicGroup {
    pub(super) fn new(id: GroupId) -> Self {
        Self {
            id,
            state: State::Empty,
            state_since_ms: -1,
            protocol_type: SmolStr::default(),
            generation: 0,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            instances: BTreeMap::new(),
            pending: BTreeMap::new(),
            rebalance: None,
            sync_until: None,
            unsaved_until: None,
        }
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// Such as `consumer`; empty of a group that only ever committed offsets.
    pub fn protocol_type(&self) -> &SmolStr {
        &self.protocol_type
    }

    /// The current generation.
    pub fn generation(&self) -> i32 {
        self.generation
    }

    pub(super) fn state_since_ms(&self) -> i64 {
        self.state_since_ms
    }

    /// Whether nobody is in it or about to be.
    pub(super) fn is_vacant(&self) -> bool {
        self.members.is_empty() && self.pending.is_empty()
    }

    fn set_state(&mut self, call: &Call, state: State) {
        self.state = state;
        self.state_since_ms = call.now().unix_ms;
    }

    /// Who sends a request must be a member, and the one its instance id now belongs to.
    fn validate(&self, sender: Sender) -> Result<(), Error> {
        if let Some(instance) = sender.instance {
            match self.instances.get(instance) {
                None => return Err(Error::UnknownMemberId),
                Some(current) if current != sender.member => return Err(Error::FencedInstanceId),
                Some(_) => {}
            }
        }
        match self.members.contains_key(sender.member) {
            true => Ok(()),
            false => Err(Error::UnknownMemberId),
        }
    }

    fn validate_generation(&self, sender: Sender) -> Result<(), Error> {
        self.validate(sender)?;
        match sender.generation == self.generation {
            true => Ok(()),
            false => Err(Error::IllegalGeneration),
        }
    }

    /// Heartbeat.
    ///
    /// # Errors
    /// `RebalanceInProgress` is a success that asks for a join.
    pub(super) fn heartbeat(&mut self, call: &Call, sender: Sender) -> Result<(), Error> {
        self.validate_generation(sender)?;
        self.touch(call, sender.member);
        match self.state {
            State::PreparingRebalance => Err(Error::RebalanceInProgress),
            // In CompletingRebalance too: a member may heartbeat before its SyncGroup is answered.
            _ => Ok(()),
        }
    }

    /// Whether an offset may be committed by this sender, in a transaction or not.
    pub(super) fn validate_commit(
        &mut self,
        call: &Call,
        sender: Sender,
        in_transaction: bool,
    ) -> Result<(), Error> {
        let anonymous =
            sender.generation < 0 && sender.member.is_empty() && sender.instance.is_none();
        if anonymous {
            // Producers before KIP-447 commit for a group without saying who consumes for them.
            let allowed = self.state == State::Empty || in_transaction;
            return if allowed {
                Ok(())
            } else {
                Err(Error::UnknownMemberId)
            };
        }
        if sender.generation < 0 && self.state == State::Empty {
            return Ok(());
        }
        self.validate_generation(sender)?;
        if self.state == State::CompletingRebalance && !in_transaction {
            // The member has joined a generation whose partitions it does not know yet.
            return Err(Error::RebalanceInProgress);
        }
        self.touch(call, sender.member);
        Ok(())
    }

    /// A sign of life.
    fn touch(&mut self, call: &Call, member: &MemberId) {
        if let Some(member) = self.members.get_mut(member) {
            member.touch(call.now().instant);
        }
    }

    /// Takes a member out; whatever it waited for is answered with that error.
    fn remove_member(&mut self, call: &mut Call, id: &MemberId, reason: Error) {
        let Some(mut member) = self.members.remove(id) else {
            return;
        };
        if let Some(ticket) = member.awaiting_join.take() {
            let refused = JoinRefused::new(reason, id.clone());
            call.answer(ticket, Answer::Joined(Err(refused)));
        }
        if let Some(ticket) = member.awaiting_sync.take() {
            call.answer(ticket, Answer::Synced(Err(reason)));
        }
        if let Some(instance) = &member.instance
            && self.instances.get(instance) == Some(id)
        {
            self.instances.remove(instance);
        }
        if self.leader.as_ref() == Some(id) {
            self.leader = self.members.keys().next().cloned();
        }
    }

    fn is_leader(&self, id: &MemberId) -> bool {
        self.leader.as_ref() == Some(id)
    }

    /// Lets a request wait; a request of the same member that waited before gives way.
    fn await_join(&mut self, call: &mut Call, id: &MemberId, ticket: Ticket) {
        let before = self
            .members
            .get_mut(id)
            .and_then(|it| it.awaiting_join.replace(ticket));
        if let Some(before) = before {
            let refused = JoinRefused::new(Error::RebalanceInProgress, id.clone());
            call.answer(before, Answer::Joined(Err(refused)));
        }
    }

    fn await_sync(&mut self, call: &mut Call, id: &MemberId, ticket: Ticket) {
        let before = self
            .members
            .get_mut(id)
            .and_then(|it| it.awaiting_sync.replace(ticket));
        if let Some(before) = before {
            call.answer(before, Answer::Synced(Err(Error::RebalanceInProgress)));
        }
    }
}
