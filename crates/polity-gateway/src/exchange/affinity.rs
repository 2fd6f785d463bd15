//! Which instance a request belongs to: by what it has in common with others, or by its session.

use polity_http::{Exchange as _, RequestHead};
use polity_plan::HashBy;

use super::Exchange;
use crate::fields::came_over_tls;
use crate::sessions::Session;
use crate::stable_hash::StableHash;
use crate::{client, cookies};

impl Exchange {
    /// The hash that the service's policy tells the request apart by; none where it asks for none, or
    /// the request does not have what it asks for. What is empty tells nobody apart: all whose cookie was
    /// taken back would go to one instance.
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
        if value.is_empty() {
            return None;
        }
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

    /// The session the request is of; none where its service has no such thing.
    pub(super) fn session_of(&self, head: &RequestHead<'_>) -> Option<Session> {
        let sessions = self.service()?.shared.sessions.as_ref()?;
        let known = sessions.read(head);
        Some(Session {
            instance: known.map(|(instance, _)| instance),
            is_old: known.is_some_and(|(_, is_old)| is_old),
            is_secure: came_over_tls(head, self.trust, self.scheme),
        })
    }

    /// Appends the cookie that names the instance of the answer, unless the client has it, and it is new.
    pub(super) fn write_session(&self, out: &mut Vec<u8>) {
        let Some(session) = self.session else { return };
        let sessions = self.service().and_then(|it| it.shared.sessions.as_ref());
        if let (Some(sessions), Some(place)) = (sessions, &self.current) {
            let instance = place.endpoint.identity();
            if session.instance != Some(instance) || session.is_old {
                sessions.write(instance, session.is_secure, out);
            }
        }
    }

    fn hash_by(&self) -> Option<&HashBy> {
        self.service()?.policy.balance.policy.hash_by()
    }
}
