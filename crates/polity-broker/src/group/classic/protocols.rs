//! Which protocol (assignor) a generation uses: one that all members know, by vote.

use bytes::Bytes;
use smol_str::SmolStr;

use super::ClassicGroup;
use crate::group::id::MemberId;

impl ClassicGroup {
    /// Whether a member with these protocols could be in the group, in place of `except`.
    pub(super) fn accepts(
        &self,
        except: Option<&MemberId>,
        protocol_type: &str,
        protocols: &[(SmolStr, Bytes)],
    ) -> bool {
        let others = self.members.iter().filter(|(id, _)| Some(*id) != except);
        if others.clone().next().is_none() {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        protocol_type == self.protocol_type
            && protocols.iter().any(|(name, _)| others.all_know(name))
    }

    /// The protocol with the most votes; of two with as many, the one the leader would rather have.
    pub(super) fn select_protocol(&self) -> Option<SmolStr> {
        let (_, first) = self
            .members
            .iter()
            .find(|(id, _)| self.is_leader(id))
            .or_else(|| self.members.iter().next())?;
        let known_to_all: Vec<&SmolStr> = first
            .protocols
            .iter()
            .map(|(name, _)| name)
            .filter(|name| self.members.iter().all_know(name))
            .collect();
        let votes = |candidate: &SmolStr| {
            let vote = |member: &super::Member| {
                let mut names = member.protocols.iter().map(|(name, _)| name);
                names.find(|name| known_to_all.contains(name)) == Some(candidate)
            };
            self.members.values().filter(|member| vote(member)).count()
        };
        // `max_by_key` takes the last of equals.
        known_to_all
            .iter()
            .rev()
            .max_by_key(|candidate| votes(candidate))
            .map(|name| (*name).clone())
    }
}

trait AllKnow {
    fn all_know(&self, protocol: &str) -> bool;
}

impl<'a, I: Iterator<Item = (&'a MemberId, &'a super::Member)> + Clone> AllKnow for I {
    fn all_know(&self, protocol: &str) -> bool {
        self.clone()
            .all(|(_, member)| member.metadata(protocol).is_some())
    }
}
