//! About how much memory a classic group takes.

use super::ClassicGroup;
use super::member::Member;
use crate::group::settings::MAX_ID_LENGTH;

/// A member's bytes besides what it has sent, its id among them.
const MEMBER_WEIGHT: usize = 512 + MAX_ID_LENGTH;

impl ClassicGroup {
    pub(in crate::group) fn weight(&self) -> usize {
        let members: usize = self.members.values().map(Member::weight).sum();
        members + self.pending.len() * MEMBER_WEIGHT
    }
}

impl Member {
    fn weight(&self) -> usize {
        let protocols = self
            .protocols
            .iter()
            .map(|(name, data)| name.len() + data.len());
        MEMBER_WEIGHT + self.client.weight() + self.assignment.len() + protocols.sum::<usize>()
    }
}
