//! What clients did and what they saw, and what is in the log in the end.

use std::collections::BTreeMap;

/// One record that a plain producer sent.
#[derive(Debug, Clone)]
pub(super) struct Write {
    /// Like no other.
    pub(super) value: String,
    pub(super) partition: i32,
    /// Which client sent it; what one sends stays in order.
    pub(super) producer: String,
    /// Where it is, if the broker said so.
    pub(super) acknowledged: Option<i64>,
}

/// How a transaction ended, as far as its producer knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Committed,
    Aborted,
    /// Wholly there or not at all.
    Unknown,
}

/// A transaction: values and their partitions in the order in which they were sent.
#[derive(Debug, Clone)]
pub(super) struct Transaction {
    pub(super) records: Vec<(i32, String)>,
    pub(super) fate: Fate,
}

/// What a consumer got of a partition while it had it.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) consumer: String,
    pub(super) partition: i32,
    /// Offsets and values.
    pub(super) records: Vec<(i64, String)>,
}

/// All that happened to one topic.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) writes: Vec<Write>,
    pub(super) transactions: Vec<Transaction>,
    pub(super) sessions: Vec<Session>,
}

/// Values by partition and offset.
pub(super) type Records = BTreeMap<(i32, i64), String>;

/// A topic, read from its beginning to its end.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// By who reads everything.
    pub(super) all: Records,
    /// By who reads what is committed.
    pub(super) committed: Records,
}
