//! What a call to a group comes with from outside: time, chance, the journal, the topics there are.

use polity_core::Rng;
use smol_str::SmolStr;
use uuid::Uuid;

use super::classic::{JoinRefused, Joined, Synced};
use super::error::Error;
use super::id::MemberId;
use super::record::Record;
use super::settings::{MAX_ID_LENGTH, Settings};
use crate::journal::{AppendError, Batch, Journal};
use crate::now::Now;

/// A request that is answered later: the caller's number for it. Every ticket handed in with a
/// request is answered exactly once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// What became of a request that had to wait for other members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// JoinGroup.
    Joined(Result<Joined, JoinRefused>),
    /// SyncGroup.
    Synced(Result<Synced, Error>),
}

/// A topic, as far as an assignment needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Topic {
    /// Its id.
    pub id: Uuid,
    /// How many partitions it has.
    pub partitions: i32,
}

/// The topics there are.
pub trait Topics {
    /// Another number whenever a topic or a partition came or went.
    fn version(&self) -> u64;
    /// The topic of that name.
    fn find(&self, name: &str) -> Option<Topic>;
    /// Calls `visit` with each topic's name, internal topics left out.
    fn each(&self, visit: &mut dyn FnMut(&SmolStr));
}

/// What one call comes with.
pub struct Context<'a> {
    /// The time of the call.
    pub now: Now,
    /// What ids are made of.
    pub rng: &'a mut dyn Rng,
    /// Where what must be remembered goes: this coordinator's partition of `__consumer_offsets`.
    pub journal: &'a mut dyn Journal,
    /// The topics there are.
    pub topics: &'a dyn Topics,
    /// Answers to requests that waited, this one among them perhaps.
    pub answers: &'a mut Vec<(Ticket, Answer)>,
}

/// A call on one group: the outside, and what the broker's groups are held to.
pub(super) struct Call<'a, 'b> {
    pub(super) outside: &'a mut Context<'b>,
    pub(super) settings: &'a Settings,
}

impl Call<'_, '_> {
    pub(super) fn now(&self) -> Now {
        self.outside.now
    }

    /// Appends the records as one batch; none are none.
    pub(super) fn append(&mut self, records: &[Record]) -> Result<i64, AppendError> {
        let entries: Vec<_> = records.iter().map(Record::encode).collect();
        match entries.is_empty() {
            true => Ok(0),
            false => self.outside.journal.append(Batch::plain(entries)),
        }
    }

    pub(super) fn answer(&mut self, ticket: Ticket, answer: Answer) {
        self.outside.answers.push((ticket, answer));
    }

    /// A new member's id: whom it belongs to, for people, and what makes it unlike any other.
    pub(super) fn new_member_id(&mut self, owner: &str) -> MemberId {
        let unique = random_uuid(self.outside.rng);
        // A client may call itself by more than an id may have.
        let most = MAX_ID_LENGTH - 1 - uuid::fmt::Hyphenated::LENGTH;
        let mut ends = (0..=most.min(owner.len())).rev();
        let end = ends.find(|end| owner.is_char_boundary(*end));
        let owner = end.and_then(|end| owner.get(..end)).unwrap_or_default();
        MemberId::from(smol_str::format_smolstr!("{owner}-{unique}"))
    }
}

/// A UUID of version 4 from the randomness given.
pub(crate) fn random_uuid(rng: &mut dyn Rng) -> Uuid {
    let bits = (u128::from(rng.next_u64()) << 64) | u128::from(rng.next_u64());
    uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
}
