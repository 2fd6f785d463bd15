//! What people and tools are shown of transactions (KIP-664).

use regex::Regex;
use smol_str::SmolStr;

use super::coordinator::Coordinator;
use super::metadata::{Metadata, State};
use crate::now::Now;

/// Which transactions ListTransactions is asked for. What is empty or `None` asks for all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// In one of these states.
    pub states: Vec<State>,
    /// Of one of these producer ids.
    pub producer_ids: Vec<i64>,
    /// Going on for longer than this.
    pub longer_than_ms: Option<i64>,
    /// Of an id that matches wholly.
    pub pattern: Option<Regex>,
}

/// A line of ListTransactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The transactional id.
    pub transactional_id: SmolStr,
    /// Its producer id.
    pub producer_id: i64,
    /// Where it stands.
    pub state: State,
}

impl Coordinator {
    /// DescribeTransactions, of one id; `None` is `TransactionalIdNotFound`.
    pub fn describe(&self, id: &str) -> Option<&Metadata> {
        self.ids.get(id).map(|transaction| &transaction.metadata)
    }

    /// Whether the id's transaction is decided and not over.
    pub fn is_ending(&self, id: &str) -> bool {
        let metadata = self.describe(id);
        metadata.is_some_and(|it| it.state.prepared().is_some())
    }

    /// ListTransactions, by id.
    pub fn list(&self, filter: &Filter, now: Now) -> Vec<Listed> {
        let listed = |(id, it): (&SmolStr, &super::coordinator::Transaction)| Listed {
            transactional_id: id.clone(),
            producer_id: it.metadata.producer.id,
            state: it.metadata.state,
        };
        let all = self.ids.iter();
        all.filter(|(id, it)| filter.matches(id, &it.metadata, now))
            .map(listed)
            .collect()
    }
}

impl Filter {
    fn matches(&self, id: &str, metadata: &Metadata, now: Now) -> bool {
        let age_ms = match metadata.started_at_ms {
            -1 => 0,
            started => now.unix_ms.saturating_sub(started),
        };
        (self.states.is_empty() || self.states.contains(&metadata.state))
            && (self.producer_ids.is_empty() || self.producer_ids.contains(&metadata.producer.id))
            && self.longer_than_ms.is_none_or(|least| age_ms > least)
            && self.pattern.as_ref().is_none_or(|it| it.is_match(id))
    }
}
