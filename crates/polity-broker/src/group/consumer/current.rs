//! What a member has, and its way to what it should have: first it gives up, then it gets.
//!
//! The states are those of KIP-848, and their numbers Kafka's.

use uuid::Uuid;

use super::assignment::{Assignment, collect, each, from_parts, has, to_parts};
use crate::group::record::CurrentValue;

/// How far a member is with its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// It has all of it.
    Stable,
    /// It has not said yet that it has given up what it must.
    Unrevoked,
    /// It waits for others to give up partitions.
    Unreleased,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Current {
    pub(super) epoch: i32,
    pub(super) previous_epoch: i32,
    pub(super) progress: Progress,
    pub(super) assigned: Assignment,
    pub(super) revoking: Assignment,
}

impl Current {
    /// Of a member that has just joined.
    pub(super) fn joining(assigned: Assignment) -> Self {
        Self {
            epoch: super::JOIN,
            previous_epoch: super::JOIN,
            progress: Progress::Stable,
            assigned,
            revoking: Assignment::new(),
        }
    }

    pub(super) fn from_value(value: CurrentValue) -> Self {
        Self {
            epoch: value.epoch,
            previous_epoch: value.previous_epoch,
            progress: match value.state {
                1 => Progress::Unrevoked,
                2 => Progress::Unreleased,
                _ => Progress::Stable,
            },
            assigned: from_parts(&value.assigned),
            revoking: from_parts(&value.revoking),
        }
    }

    pub(super) fn to_value(&self) -> CurrentValue {
        CurrentValue {
            epoch: self.epoch,
            previous_epoch: self.previous_epoch,
            state: match self.progress {
                Progress::Stable => 0,
                Progress::Unrevoked => 1,
                Progress::Unreleased => 2,
            },
            assigned: to_parts(&self.assigned),
            revoking: to_parts(&self.revoking),
        }
    }

    /// What nobody else may have.
    pub(super) fn held(&self) -> impl Iterator<Item = (Uuid, i32)> {
        each(&self.assigned).chain(each(&self.revoking))
    }

    /// The next step towards the target. `owned` is what the member says to have, if it says; of what
    /// it must give up it counts as owning all until it says otherwise.
    pub(super) fn step(
        &self,
        target_epoch: i32,
        target: &Assignment,
        owned: Option<&Assignment>,
        is_free: impl Fn((Uuid, i32)) -> bool,
    ) -> Self {
        let still_owns = |revoking: &Assignment| {
            owned.is_none_or(|owned| each(revoking).any(|at| has(owned, at)))
        };
        match self.progress {
            Progress::Stable if self.epoch == target_epoch => return self.clone(),
            Progress::Unrevoked if still_owns(&self.revoking) => return self.clone(),
            _ => {}
        }
        let kept = collect(each(&self.assigned).filter(|at| has(target, *at)));
        let revoking = collect(each(&self.assigned).filter(|at| !has(target, *at)));
        // Having given up what it was asked to, it has reached one epoch more.
        let reached = match self.progress {
            Progress::Unrevoked => self.epoch.saturating_add(1),
            Progress::Stable | Progress::Unreleased => self.epoch,
        };
        if !revoking.is_empty() && still_owns(&revoking) {
            return self.moved(reached, Progress::Unrevoked, kept, revoking);
        }
        let missing = || each(target).filter(|at| !has(&kept, *at));
        let progress = match missing().all(&is_free) {
            true => Progress::Stable,
            false => Progress::Unreleased,
        };
        let assigned = collect(each(&kept).chain(missing().filter(|at| is_free(*at))));
        self.moved(target_epoch, progress, assigned, Assignment::new())
    }

    fn moved(
        &self,
        epoch: i32,
        progress: Progress,
        assigned: Assignment,
        revoking: Assignment,
    ) -> Self {
        let previous_epoch = match epoch == self.epoch {
            true => self.previous_epoch,
            false => self.epoch,
        };
        Self {
            epoch,
            previous_epoch,
            progress,
            assigned,
            revoking,
        }
    }
}
