//! About how much memory a KIP-848 group takes. Kept up to date, so that asking costs nothing.

use smol_str::SmolStr;

use super::ConsumerGroup;
use crate::group::id::InstanceId;
use crate::group::record::{MemberValue, RegexValue};
use crate::group::settings::MAX_ID_LENGTH;

/// A member's bytes besides what it has sent, its id among them.
const MEMBER_WEIGHT: usize = 512 + MAX_ID_LENGTH;
/// A topic's name, or a partition in an assignment, besides its text.
const ITEM_WEIGHT: usize = 48;

impl ConsumerGroup {
    pub(in crate::group) fn weight(&self) -> usize {
        // Each partition is in a target, in what its owner has, and in the list of owners.
        self.said + 3 * ITEM_WEIGHT * self.owners.len()
    }
}

pub(super) fn of_member(member: &MemberValue) -> usize {
    let instance = member.instance.as_ref().map(InstanceId::as_str);
    let said = [
        instance,
        member.rack.as_deref(),
        member.regex.as_deref(),
        Some(&*member.client_id),
        Some(&*member.client_host),
    ];
    let said: usize = said.into_iter().flatten().map(str::len).sum();
    MEMBER_WEIGHT + said + of_names(&member.topics)
}

pub(super) fn of_regex(regex: &RegexValue) -> usize {
    of_names(&regex.topics)
}

fn of_names(names: &[SmolStr]) -> usize {
    names.iter().map(|name| name.len() + ITEM_WEIGHT).sum()
}

#[cfg(test)]
impl ConsumerGroup {
    /// The sum that is kept up to date is the sum.
    pub(in crate::group) fn check_weight(&self) {
        let members = self.members.values().map(|it| of_member(it));
        let regexes = self.regexes.values().map(|it| of_regex(it));
        assert_eq!(self.said, members.chain(regexes).sum::<usize>());
    }
}
