//! The services that run now: where each one's board is, and how it is told what to do.

use std::collections::BTreeMap;
use std::sync::Arc;

use polity_core::ServiceName;
use polity_runtime::Published;
use tokio::sync::{Semaphore, mpsc, watch};

use crate::service::actor::Envelope;
use crate::service::status::Board;

/// All services that run now; clones share it.
#[derive(Clone)]
pub(crate) struct Registry {
    members: Published<BTreeMap<ServiceName, Member>>,
}

/// One of them.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) board: Board,
    pub(crate) commands: mpsc::Sender<Envelope>,
    /// One permit: the turn of whoever gives a command by hand.
    pub(crate) turns: Arc<Semaphore>,
    /// The number of the last plan that it has followed.
    pub(crate) applied: watch::Receiver<u64>,
    pub(crate) stop: Arc<watch::Sender<bool>>,
}

impl Registry {
    pub(crate) fn new() -> Self {
        Self {
            members: Published::new(BTreeMap::new()),
        }
    }

    pub(crate) fn all(&self) -> Arc<BTreeMap<ServiceName, Member>> {
        self.members.load()
    }

    pub(crate) fn board(&self, service: &ServiceName) -> Option<Board> {
        self.all().get(service).map(|member| member.board.clone())
    }

    pub(crate) fn insert(&self, service: ServiceName, member: Member) {
        self.members.update(|members| {
            let mut members = members.clone();
            members.insert(service, member);
            Some(members)
        });
    }

    pub(crate) fn remove(&self, service: &ServiceName) -> Option<Member> {
        let mut removed = None;
        self.members.update(|members| {
            let mut members = members.clone();
            removed = members.remove(service);
            removed.is_some().then_some(members)
        });
        removed
    }
}
