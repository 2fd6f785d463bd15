//! How the end of a transaction is told to every partition that it has written to.

use std::sync::Arc;
use std::time::Duration;

use polity_log::batch::{ControlRecord, Outcome};
use polity_log::{AppendError, Offset, ProducerEpoch, ProducerId};
use polity_runtime::task;

use super::Ending;
use crate::group::TopicPartition;
use crate::node::{Node, Partition};
use crate::topics::OFFSETS_TOPIC;
use crate::transaction::WriteMarkers;

/// The pause before an end that could not be told everywhere is told again.
const RETRY: Duration = Duration::from_secs(1);

/// One node has one coordinator, which is never replaced.
const COORDINATOR_EPOCH: i32 = 0;

/// Tells ends as they are decided, and aborts what takes too long; never ends.
pub(crate) async fn run(node: &Arc<Node>) {
    loop {
        for ending in node.transactions.endings().await {
            let node = node.clone();
            task::spawn(
                "transaction-markers",
                async move { tell(&node, ending).await },
            );
        }
    }
}

/// Tells one end, until it has been told.
async fn tell(node: &Arc<Node>, ending: Ending) {
    let markers = &ending.markers;
    let mut progress = Progress::new(markers);
    let mut is_first = true;
    while let Err(error) = try_tell(node, &ending, &mut progress).await {
        if std::mem::take(&mut is_first) {
            let whose = markers.transactional_id.as_deref().unwrap_or("nobody");
            tracing::warn!(%error, "the end of a transaction of {whose} could not be written; trying on");
        }
        // Nobody is left to wait for it when the broker stops: it is told after the next start.
        tokio::time::sleep(RETRY).await;
    }
}

async fn try_tell(
    node: &Arc<Node>,
    ending: &Ending,
    progress: &mut Progress<Told>,
) -> Result<(), String> {
    let Ending { markers, decided } = ending;
    // A decision that a power cut could take back must not be seen anywhere.
    node.transactions
        .settled(*decided)
        .await
        .map_err(|error| error.to_string())?;
    progress
        .go_on(|at| tell_partition(node, markers, at))
        .map_err(|error| error.to_string())?;
    for (partition, last) in &progress.told {
        partition
            .committed(*last)
            .await
            .map_err(|error| error.to_string())?;
    }
    let written = node
        .transactions
        .ask(|transactions, outside| transactions.markers_written(outside, markers));
    written.await.map_err(|error| error.to_string())?;
    node.transactions.told.notify_waiters();
    Ok(())
}

/// Where a marker is that has to become durable.
type Told = (Arc<Partition>, Offset);

/// How far an end has been told. A marker that is there is not written again when others cannot be:
/// a disk that stays full would have its last blocks filled with them.
#[derive(Debug)]
struct Progress<T> {
    left: Vec<TopicPartition>,
    told: Vec<T>,
}

impl<T> Progress<T> {
    fn new(markers: &WriteMarkers) -> Self {
        Self {
            left: markers.partitions.clone(),
            told: Vec::new(),
        }
    }

    /// Tells every partition that is left, also after one that could not be told. The first error.
    fn go_on(
        &mut self,
        mut tell: impl FnMut(&TopicPartition) -> Result<Option<T>, AppendError>,
    ) -> Result<(), AppendError> {
        let mut first = Ok(());
        let told = &mut self.told;
        self.left.retain(|at| match tell(at) {
            Ok(appended) => {
                told.extend(appended);
                false
            }
            Err(error) => {
                if first.is_ok() {
                    first = Err(error);
                }
                true
            }
        });
        first
    }
}

/// Appends a partition's marker; none where nobody has to be told.
fn tell_partition(
    node: &Node,
    markers: &WriteMarkers,
    at: &TopicPartition,
) -> Result<Option<Told>, AppendError> {
    if at.topic == OFFSETS_TOPIC {
        return node
            .groups
            .end_transaction(|partition| append(partition, markers), markers);
    }
    let topic = node.log.topic(&at.topic);
    let Some(partition) = topic.and_then(|topic| topic.partition(at.partition).cloned()) else {
        // It has been deleted.
        return Ok(None);
    };
    let appended = append(&partition, markers)?;
    Ok(appended.map(|last| (partition, last)))
}

/// Appends a marker; none where the partition is beyond it.
fn append(
    partition: &Arc<Partition>,
    markers: &WriteMarkers,
) -> Result<Option<Offset>, AppendError> {
    let (id, epoch) = (
        ProducerId(markers.producer.id),
        ProducerEpoch(markers.producer.epoch),
    );
    let outcome = if markers.is_commit {
        Outcome::Commit
    } else {
        Outcome::Abort
    };
    let marker = ControlRecord {
        outcome,
        coordinator_epoch: COORDINATOR_EPOCH,
    };
    match partition.append_marker(id, epoch, marker) {
        Ok(appended) => Ok(Some(appended.last_offset)),
        // Whoever has a later epoch could begin only after this end had been told; or there is nothing
        // left to end.
        Err(
            AppendError::Fenced { .. } | AppendError::Coordinator { .. } | AppendError::Deleted,
        ) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::ProducerIdentity;

    #[test]
    fn a_marker_that_is_there_is_not_written_again_with_those_that_could_not_be() {
        let at = |partition| TopicPartition::new("t", partition);
        let markers = WriteMarkers {
            transactional_id: None,
            producer: ProducerIdentity { id: 1, epoch: 0 },
            is_commit: true,
            partitions: vec![at(0), at(1), at(2)],
        };
        let mut progress = Progress::new(&markers);
        let mut written = Vec::new();
        let mut is_full = true;
        for _ in 0..3 {
            let _ = progress.go_on(|at| {
                if is_full && at.partition == 1 {
                    return Err(AppendError::DiskFull);
                }
                written.push(at.partition);
                Ok(Some(at.partition))
            });
        }
        is_full = false;
        let done = progress.go_on(|at| {
            assert!(!is_full);
            written.push(at.partition);
            Ok(Some(at.partition))
        });
        assert!(done.is_ok());
        assert_eq!(written, [0, 2, 1]);
        assert_eq!(progress.told, [0, 2, 1], "all have to become durable");
    }
}
