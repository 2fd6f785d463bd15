//! From one generation to the next.

use std::time::{Duration, Instant};

use super::{ClassicGroup, State};
use crate::group::context::{Answer, Call};
use crate::group::error::Error;
use crate::group::id::MemberId;
use crate::group::settings::STORE_RETRY;

/// A rebalance that waits for members.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rebalance {
    /// When it goes on with those who have come.
    pub(super) until: Instant,
    /// The wait of a group that was empty (KIP-134), which does not end when all are there.
    initial: Option<Initial>,
}

#[derive(Debug, Clone, Copy)]
struct Initial {
    /// It is prolonged by each new member, but not beyond this.
    latest: Instant,
    has_new_member: bool,
}

impl Rebalance {
    pub(super) fn note_new_member(&mut self) {
        if let Some(initial) = &mut self.initial {
            initial.has_new_member = true;
        }
    }
}

impl ClassicGroup {
    /// Asks all members to join again, unless they are being asked already.
    pub(super) fn prepare_rebalance(&mut self, call: &mut Call) {
        match self.state {
            State::PreparingRebalance | State::Dead => return,
            State::CompletingRebalance => self.drop_syncs(call, Error::RebalanceInProgress),
            State::Empty | State::Stable => {}
        }
        let now = call.now().instant;
        let latest = now + self.rebalance_timeout();
        let delay = call.settings.initial_rebalance_delay;
        let is_initial = self.state == State::Empty && !delay.is_zero();
        self.rebalance = Some(match is_initial {
            true => Rebalance {
                until: (now + delay).min(latest),
                initial: Some(Initial {
                    latest,
                    has_new_member: false,
                }),
            },
            false => Rebalance {
                until: latest,
                initial: None,
            },
        });
        self.sync_until = None;
        self.set_state(call, State::PreparingRebalance);
    }

    /// The longest that a member asks a rebalance to wait for it.
    fn rebalance_timeout(&self) -> Duration {
        let timeouts = self.members.values().map(|member| member.rebalance_timeout);
        timeouts.max().unwrap_or_default()
    }

    /// Members that wait for an assignment hear that there will be none.
    pub(super) fn drop_syncs(&mut self, call: &mut Call, error: Error) {
        for member in self.members.values_mut() {
            if let Some(ticket) = member.awaiting_sync.take() {
                member.touch(call.now().instant);
                call.answer(ticket, Answer::Synced(Err(error)));
            }
        }
    }

    /// Goes on if everyone is there.
    pub(super) fn try_complete_join(&mut self, call: &mut Call) {
        let waits_on = self.rebalance.is_some_and(|it| it.initial.is_some());
        let all_joined = self.members.values().all(|it| it.awaiting_join.is_some());
        if self.state == State::PreparingRebalance
            && !waits_on
            && all_joined
            && self.pending.is_empty()
        {
            self.complete_join(call);
        }
    }

    /// The wait is over: prolonged if it was the first and somebody new has come, else done.
    pub(super) fn end_wait(&mut self, call: &mut Call) {
        let delay = call.settings.initial_rebalance_delay;
        if let Some(rebalance) = &mut self.rebalance
            && let Some(initial) = &mut rebalance.initial
            && initial.has_new_member
            && rebalance.until < initial.latest
        {
            initial.has_new_member = false;
            rebalance.until = (rebalance.until + delay).min(initial.latest);
            return;
        }
        self.complete_join(call);
    }

    fn complete_join(&mut self, call: &mut Call) {
        let is_gone =
            |member: &super::Member| member.awaiting_join.is_none() && member.instance.is_none();
        let gone: Vec<MemberId> = self
            .members
            .iter()
            .filter(|(_, member)| is_gone(member))
            .map(|(id, _)| id.clone())
            .collect();
        for id in gone {
            self.remove_member(call, &id, Error::UnknownMemberId);
        }
        if self.members.is_empty() {
            self.become_empty(call);
        } else if self.elect_leader() {
            self.begin_generation(call);
        } else {
            // Static members all, and none has come back yet: their sessions decide.
            let until = call.now().instant + self.rebalance_timeout();
            self.rebalance = Some(Rebalance {
                until,
                initial: None,
            });
        }
    }

    /// A leader must be here to assign. Whether there is one.
    fn elect_leader(&mut self) -> bool {
        let has_joined = |(_, member): &(&MemberId, &super::Member)| member.awaiting_join.is_some();
        let stays = |it: &(&MemberId, &super::Member)| self.is_leader(it.0) && has_joined(it);
        if self.members.iter().any(|it| stays(&it)) {
            return true;
        }
        let joined = self.members.iter().find(has_joined);
        let Some(id) = joined.map(|(id, _)| id.clone()) else {
            return false;
        };
        self.leader = Some(id);
        true
    }

    fn next_generation(&mut self) {
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        self.rebalance = None;
        self.sync_until = None;
    }

    fn become_empty(&mut self, call: &mut Call) {
        self.next_generation();
        self.protocol = None;
        self.leader = None;
        self.set_state(call, State::Empty);
        self.save_empty(call);
    }

    /// Writes down that the group is empty; tried again until it is done.
    pub(super) fn save_empty(&mut self, call: &mut Call) {
        self.unsaved_until = match self.save(call) {
            Ok(()) => None,
            Err(_) => Some(call.now().instant + STORE_RETRY),
        };
    }

    fn begin_generation(&mut self, call: &mut Call) {
        self.next_generation();
        self.protocol = self.select_protocol();
        self.set_state(call, State::CompletingRebalance);
        // The next thing written down is this generation.
        self.unsaved_until = None;
        let now = call.now().instant;
        self.sync_until = Some(now + self.rebalance_timeout());
        let ids: Vec<MemberId> = self.members.keys().cloned().collect();
        for id in ids {
            let joined = self.joined(&id);
            let Some(member) = self.members.get_mut(&id) else {
                continue;
            };
            let ticket = member.awaiting_join.take();
            // Who is not here cannot be late; its session decides.
            member.has_synced = ticket.is_none();
            member.is_new = false;
            if let Some(ticket) = ticket {
                member.touch(now);
                call.answer(ticket, Answer::Joined(Ok(joined)));
            }
        }
    }
}
