//! The server-side assignors: which member should have which partitions.

mod range;
mod uniform;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use smol_str::SmolStr;
use uuid::Uuid;

use super::assignment::Assignment;

/// An assignor, by Kafka's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Assignor {
    /// As even as can be over all topics, with as few moves as can be. The default.
    Uniform,
    /// Neighbouring partitions of each topic, the same numbers of all topics to the same member.
    Range,
}

/// A member, as an assignor sees it.
#[derive(Debug, Clone)]
pub(super) struct Subscriber {
    /// What it is sorted by: its instance id, that it keeps over restarts, or its member id.
    pub(super) key: SmolStr,
    /// The topics there are of those it subscribes to.
    pub(super) topics: BTreeSet<Uuid>,
    /// What it should have so far.
    pub(super) has: Arc<Assignment>,
}

impl Assignor {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "uniform" => Some(Self::Uniform),
            "range" => Some(Self::Range),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Range => "range",
        }
    }

    /// The one that most members wish for.
    pub(super) fn preferred<'a>(wishes: impl Iterator<Item = Option<&'a str>>) -> Self {
        let (mut uniform, mut range) = (0, 0);
        for wish in wishes.flatten().filter_map(Self::named) {
            match wish {
                Self::Uniform => uniform += 1,
                Self::Range => range += 1,
            }
        }
        if range > uniform {
            Self::Range
        } else {
            Self::Uniform
        }
    }

    /// What each subscriber should have: every partition of a topic that somebody subscribes to goes
    /// to exactly one of those. `topics` is how many partitions each has.
    pub(super) fn assign(
        self,
        subscribers: &[Subscriber],
        topics: &BTreeMap<Uuid, i32>,
    ) -> Vec<Assignment> {
        match self {
            Self::Uniform => uniform::assign(subscribers, topics),
            Self::Range => range::assign(subscribers, topics),
        }
    }
}

#[cfg(test)]
#[path = "assignor_tests.rs"]
mod tests;
