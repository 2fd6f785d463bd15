//! Transactions that are open in a partition and that no coordinator knows of (KIP-664 calls them hanging).
//!
//! What the coordinator wrote down may be lost where a power cut takes it and leaves what the producer
//! wrote, as with [`Durability::Os`](polity_log::Durability::Os); or somebody has taken it away. Nobody
//! would ever end such a transaction, and who reads what is committed would wait behind it for ever.

use std::collections::BTreeMap;

use super::coordinator::{Coordinator, WriteMarkers};
use super::metadata::State;
use crate::group::TopicPartition;
use crate::journal::ProducerIdentity;

impl Coordinator {
    /// After the replay and before any request: the markers that abort what is `open` in partitions and
    /// is not going to be ended otherwise. Until they are written, those producers are told to come
    /// again: what they would write next must not become part of what is aborted, nor the other way round.
    pub fn abort_hanging(
        &mut self,
        open: impl IntoIterator<Item = (ProducerIdentity, TopicPartition)>,
    ) -> Vec<WriteMarkers> {
        let mut owners = BTreeMap::new();
        for transaction in self.ids.values() {
            owners.insert(transaction.metadata.producer.id, &transaction.metadata);
        }
        let will_end = |producer: ProducerIdentity, at: &TopicPartition| {
            let Some(owner) = owners.get(&producer.id) else {
                return false;
            };
            // The markers of an end may have an epoch of their own.
            let is_of_this = owner.state.prepared().is_some()
                || (owner.state == State::Ongoing && owner.producer.epoch == producer.epoch);
            is_of_this && owner.partitions.contains(at)
        };
        let mut hanging: BTreeMap<ProducerIdentity, Vec<TopicPartition>> = BTreeMap::new();
        for (producer, at) in open {
            if !will_end(producer, &at) {
                hanging.entry(producer).or_default().push(at);
            }
        }
        self.hanging.extend(hanging.keys());
        let markers = hanging
            .into_iter()
            .map(|(producer, partitions)| WriteMarkers {
                transactional_id: None,
                producer,
                is_commit: false,
                partitions,
            });
        markers.collect()
    }

    /// Whether a transaction of the producer id is hanging, in whatever epoch.
    pub(super) fn hangs(&self, id: i64) -> bool {
        let of_id = |epoch| ProducerIdentity { id, epoch };
        let mut range = self.hanging.range(of_id(i16::MIN)..=of_id(i16::MAX));
        range.next().is_some()
    }
}
