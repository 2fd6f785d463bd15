//! What is shown of a classic group.

use super::{ClassicGroup, State};
use crate::group::coordinator::{DescribedMember, Description};

impl ClassicGroup {
    pub(in crate::group) fn describe(&self) -> Description {
        let stable = self.state == State::Stable;
        let protocol = self.protocol.clone().filter(|_| stable).unwrap_or_default();
        let members = self.members.iter().map(|(id, member)| DescribedMember {
            id: id.clone(),
            instance: member.instance.clone(),
            client: member.client.clone(),
            metadata: member.metadata(&protocol).cloned().unwrap_or_default(),
            assignment: if stable {
                member.assignment.clone()
            } else {
                Default::default()
            },
        });
        Description {
            state: self.state.name(),
            protocol_type: self.protocol_type.clone(),
            members: members.collect(),
            protocol,
        }
    }
}
