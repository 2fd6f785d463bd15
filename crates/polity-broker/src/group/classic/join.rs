//! JoinGroup: how a client becomes a member, or says that it wants another share.

use std::time::Duration;

use bytes::Bytes;
use smol_str::SmolStr;

use super::member::{Client, Member};
use super::{ClassicGroup, Sender, State};
use crate::group::context::{Answer, Call, Ticket};
use crate::group::error::Error;
use crate::group::id::{GroupId, InstanceId, MemberId};
use crate::group::settings::{MAX_ID_LENGTH, MAX_PROTOCOLS, MIN_REBALANCE_TIMEOUT, Settings};

/// Since which version a new member must join a second time with the id it is given (KIP-394).
const MEMBER_ID_REQUIRED_SINCE: i16 = 4;

/// A JoinGroup request.
#[derive(Debug, Clone)]
pub struct Join {
    /// Its version: what the client understands of the answer.
    pub version: i16,
    /// The group.
    pub group: GroupId,
    /// The member's id; empty at first.
    pub member: MemberId,
    /// `group.instance.id` of a static member.
    pub instance: Option<InstanceId>,
    /// Who sends it.
    pub client: Client,
    /// How long the member is kept without a heartbeat.
    pub session_timeout: Duration,
    /// How long a rebalance waits for it (v0: the session timeout).
    pub rebalance_timeout: Duration,
    /// Such as `consumer`.
    pub protocol_type: SmolStr,
    /// The protocols (assignors) it knows, best first, each with what it has to say to the leader.
    pub protocols: Vec<(SmolStr, Bytes)>,
}

/// A member, as the leader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinedMember {
    /// Its id.
    pub id: MemberId,
    /// Its `group.instance.id`.
    pub instance: Option<InstanceId>,
    /// What it says for the protocol chosen.
    pub metadata: Bytes,
}

/// The answer to who has joined a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The generation.
    pub generation: i32,
    /// The group's protocol type.
    pub protocol_type: SmolStr,
    /// The protocol chosen.
    pub protocol: Option<SmolStr>,
    /// Who is to assign the partitions.
    pub leader: MemberId,
    /// The leader need not assign anything (KIP-814, v9).
    pub skip_assignment: bool,
    /// The member's own id.
    pub member: MemberId,
    /// All members, for the leader; for others none.
    pub members: Vec<JoinedMember>,
}

/// Why a join was refused, and the member id to answer with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinRefused {
    /// Why.
    pub error: Error,
    /// The id given (`MemberIdRequired`), or the one that came.
    pub member: MemberId,
}

impl JoinRefused {
    pub(in crate::group) fn new(error: Error, member: MemberId) -> Self {
        Self { error, member }
    }
}

impl Join {
    /// What is wrong with it whatever the group is.
    pub(in crate::group) fn validate(&self, settings: &Settings) -> Result<(), Error> {
        let sessions = settings.min_session_timeout..=settings.max_session_timeout;
        if !sessions.contains(&self.session_timeout) {
            return Err(Error::InvalidSessionTimeout);
        }
        let instance_length = self.instance.as_ref().map_or(0, |id| id.as_str().len());
        if instance_length > MAX_ID_LENGTH || self.protocol_type.len() > MAX_ID_LENGTH {
            return Err(Error::InvalidRequest);
        }
        let sizes = self
            .protocols
            .iter()
            .map(|(name, data)| name.len() + data.len());
        let too_long = self
            .protocols
            .iter()
            .any(|(name, _)| name.len() > MAX_ID_LENGTH);
        if self.protocols.len() > MAX_PROTOCOLS
            || sizes.sum::<usize>() > settings.max_member_metadata
            || too_long
        {
            return Err(Error::InconsistentGroupProtocol);
        }
        Ok(())
    }

    fn sender(&self) -> Sender<'_> {
        Sender {
            member: &self.member,
            instance: self.instance.as_ref(),
            generation: -1,
        }
    }

    pub(super) fn into_member(self, call: &Call) -> Member {
        let now = call.now().instant;
        let mut member = Member {
            instance: self.instance,
            client: self.client,
            rebalance_timeout: self
                .rebalance_timeout
                .clamp(MIN_REBALANCE_TIMEOUT, call.settings.max_rebalance_timeout),
            session_timeout: self.session_timeout,
            protocols: self.protocols,
            assignment: Bytes::new(),
            awaiting_join: None,
            awaiting_sync: None,
            is_new: false,
            has_synced: true,
            session_until: now,
        };
        member.touch(now);
        member
    }
}

impl ClassicGroup {
    /// Takes the request in; its answer comes with others', now or later.
    pub(in crate::group) fn join(&mut self, call: &mut Call, ticket: Ticket, join: Join) {
        let member = join.member.clone();
        if let Err((error, given)) = self.try_join(call, ticket, join) {
            let refused = JoinRefused::new(error, given.unwrap_or(member));
            call.answer(ticket, Answer::Joined(Err(refused)));
        }
    }

    fn try_join(
        &mut self,
        call: &mut Call,
        ticket: Ticket,
        join: Join,
    ) -> Result<(), (Error, Option<MemberId>)> {
        let by_instance = join
            .instance
            .as_ref()
            .and_then(|it| self.instances.get(it))
            .cloned();
        let same = match join.member.is_empty() {
            true => by_instance.as_ref(),
            false => Some(&join.member),
        };
        if !self.accepts(same, &join.protocol_type, &join.protocols) {
            return Err((Error::InconsistentGroupProtocol, None));
        }
        if !join.member.is_empty() {
            return self
                .join_known(call, ticket, join)
                .map_err(|error| (error, None));
        }
        match (&join.instance, by_instance) {
            (Some(_), Some(before)) => self
                .replace_static(call, ticket, join, &before)
                .map_err(|error| (error, None)),
            (Some(instance), None) => {
                let id = call.new_member_id(instance.as_str());
                self.add_member(call, ticket, id, join)
                    .map_err(|error| (error, None))
            }
            (None, _) => self.join_unknown(call, ticket, join),
        }
    }

    /// A dynamic member without an id gets one; newer clients then join with it, so that a client
    /// that gives up on a slow answer does not leave a member behind at each attempt.
    fn join_unknown(
        &mut self,
        call: &mut Call,
        ticket: Ticket,
        join: Join,
    ) -> Result<(), (Error, Option<MemberId>)> {
        let id = call.new_member_id(&join.client.id);
        if join.version < MEMBER_ID_REQUIRED_SINCE {
            return self
                .add_member(call, ticket, id, join)
                .map_err(|error| (error, None));
        }
        self.has_room(call).map_err(|error| (error, None))?;
        let until = call.now().instant + join.session_timeout;
        self.pending.insert(id.clone(), until);
        Err((Error::MemberIdRequired, Some(id)))
    }

    fn join_known(&mut self, call: &mut Call, ticket: Ticket, join: Join) -> Result<(), Error> {
        let id = join.member.clone();
        if self.pending.contains_key(&id) {
            if join.instance.is_some() {
                return Err(Error::UnknownMemberId);
            }
            self.pending.remove(&id);
            return self.add_member(call, ticket, id, join);
        }
        self.validate(join.sender())?;
        let same = self
            .members
            .get(&id)
            .is_some_and(|member| member.protocols == join.protocols);
        match self.state {
            State::Empty | State::Dead => Err(Error::UnknownMemberId),
            // The answer before was lost.
            State::CompletingRebalance if same => {
                self.answer_current(call, ticket, &id);
                Ok(())
            }
            // A follower that only missed an answer; a leader that joins wants a rebalance, for what
            // only it can see, such as new partitions.
            State::Stable if same && !self.is_leader(&id) => {
                self.answer_current(call, ticket, &id);
                Ok(())
            }
            State::PreparingRebalance | State::CompletingRebalance | State::Stable => {
                self.rejoin(call, ticket, &id, join);
                Ok(())
            }
        }
    }

    /// A member that joins again, with another subscription perhaps.
    fn rejoin(&mut self, call: &mut Call, ticket: Ticket, id: &MemberId, join: Join) {
        let news = join.into_member(call);
        if let Some(member) = self.members.get_mut(id) {
            member.client = news.client;
            member.protocols = news.protocols;
            member.rebalance_timeout = news.rebalance_timeout;
            member.session_timeout = news.session_timeout;
            // Its first join still, if it is that: the bound on it is not put off.
            if !member.is_new {
                member.session_until = news.session_until;
            }
        }
        self.await_join(call, id, ticket);
        self.prepare_rebalance(call);
        self.try_complete_join(call);
    }

    fn has_room(&self, call: &Call) -> Result<(), Error> {
        match self.members.len() + self.pending.len() < call.settings.max_group_size {
            true => Ok(()),
            false => Err(Error::GroupMaxSizeReached),
        }
    }

    fn add_member(
        &mut self,
        call: &mut Call,
        ticket: Ticket,
        id: MemberId,
        join: Join,
    ) -> Result<(), Error> {
        self.has_room(call)?;
        if self.members.is_empty() {
            self.protocol_type = join.protocol_type.clone();
            self.leader = Some(id.clone());
        }
        let mut member = join.into_member(call);
        member.begin(call.now().instant);
        if let Some(instance) = member.instance.clone() {
            self.instances.insert(instance, id.clone());
        }
        self.members.insert(id.clone(), member);
        self.await_join(call, &id, ticket);
        self.prepare_rebalance(call);
        if let Some(rebalance) = &mut self.rebalance {
            rebalance.note_new_member();
        }
        self.try_complete_join(call);
        Ok(())
    }

    /// Answers with the generation as it is.
    pub(super) fn answer_current(&mut self, call: &mut Call, ticket: Ticket, id: &MemberId) {
        self.touch(call, id);
        let joined = self.joined(id);
        call.answer(ticket, Answer::Joined(Ok(joined)));
    }

    pub(super) fn joined(&self, id: &MemberId) -> Joined {
        let members = match self.is_leader(id) {
            true => self.joined_members(),
            false => Vec::new(),
        };
        Joined {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_default(),
            skip_assignment: false,
            member: id.clone(),
            members,
        }
    }

    pub(super) fn joined_members(&self) -> Vec<JoinedMember> {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let member = |(id, member): (&MemberId, &Member)| JoinedMember {
            id: id.clone(),
            instance: member.instance.clone(),
            metadata: member.metadata(protocol).cloned().unwrap_or_default(),
        };
        self.members.iter().map(member).collect()
    }
}
