//! About how much memory a classic group takes.

use super::ClassicGroup;
use super::member::Member;

/// A member's bytes besides what it has sent.
const MEMBER_WEIGHT: usize = 512;

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
        let client = self.client.id.len() + self.client.host.len();
        MEMBER_WEIGHT + client + self.assignment.len() + protocols.sum::<usize>()
    }
}
