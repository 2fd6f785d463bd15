//! One member of a classic group.

use std::time::{Duration, Instant};

use bytes::Bytes;
use smol_str::SmolStr;

use crate::group::context::Ticket;
use crate::group::id::InstanceId;
use crate::group::settings::NEW_MEMBER_JOIN_TIMEOUT;

/// The client behind a member, for people to read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Client {
    /// Its `client.id`.
    pub id: SmolStr,
    /// Its address.
    pub host: SmolStr,
}

impl Client {
    pub(in crate::group) fn weight(&self) -> usize {
        self.id.len() + self.host.len()
    }
}

#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) instance: Option<InstanceId>,
    pub(super) client: Client,
    pub(super) rebalance_timeout: Duration,
    pub(super) session_timeout: Duration,
    /// In the order it prefers them: name and what it says to the leader.
    pub(super) protocols: Vec<(SmolStr, Bytes)>,
    pub(super) assignment: Bytes,
    pub(super) awaiting_join: Option<Ticket>,
    pub(super) awaiting_sync: Option<Ticket>,
    /// In its first JoinGroup, before it can heartbeat.
    pub(super) is_new: bool,
    /// It has come for its assignment, or it was not there when the generation began.
    pub(super) has_synced: bool,
    pub(super) session_until: Instant,
}

impl Member {
    /// A sign of life: its session begins anew.
    pub(super) fn touch(&mut self, now: Instant) {
        self.session_until = now + self.session_timeout;
    }

    /// It waits in its first JoinGroup, and may do so for a while.
    pub(super) fn begin(&mut self, now: Instant) {
        self.is_new = true;
        self.session_until = now + NEW_MEMBER_JOIN_TIMEOUT;
    }

    /// When it is given up; never while it waits for us.
    pub(super) fn expires(&self) -> Option<Instant> {
        let is_waiting = self.awaiting_join.is_some() || self.awaiting_sync.is_some();
        (!is_waiting || self.is_new).then_some(self.session_until)
    }

    pub(super) fn metadata(&self, protocol: &str) -> Option<&Bytes> {
        let mut named = self.protocols.iter().filter(|(name, _)| name == protocol);
        named.next().map(|(_, metadata)| metadata)
    }
}
