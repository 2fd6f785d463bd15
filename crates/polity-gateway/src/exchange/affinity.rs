//! What a request has in common with others that go to the same instance.

use polity_http::{Exchange as _, RequestHead};
use polity_plan::HashBy;

use super::Exchange;
use crate::stable_hash::StableHash;
use crate::{client, cookies};

impl Exchange {
    /// The hash that the service's policy tells the request apart by; none where it asks for none, or
    /// the request does not have what it asks for.
    pub(super) fn key_of(&self, head: &RequestHead<'_>) -> Option<u64> {
        let value = match self.hash_by()? {
            HashBy::Ip => {
                let trusts = |address| self.thread.look(|now| now.planned.trusts(address));
                let address = client::address(head, self.trust, self.peer.address(), trusts);
                return Some(client::hash(address));
            }
            HashBy::Url => self.target(head).as_bytes(),
            HashBy::Header(name) => head.header(name)?,
            HashBy::Cookie(name) => cookies::find(head, name)?,
        };
        let mut hash = StableHash::default();
        hash.write(value);
        Some(hash.finish())
    }

    /// The same for a connection that is not HTTP.
    pub(super) fn key_of_connection(&self) -> Option<u64> {
        match self.hash_by()? {
            HashBy::Ip => Some(client::hash(self.peer.address())),
            HashBy::Url | HashBy::Header(_) | HashBy::Cookie(_) => None,
        }
    }

    fn hash_by(&self) -> Option<&HashBy> {
        self.service()?.policy.balance.policy.hash_by()
    }
}
