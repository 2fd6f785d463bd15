//! How the end of a transaction is told to every partition that it has written to.

use std::sync::Arc;
use std::time::Duration;

use polity_log::batch::{ControlRecord, Outcome};
use polity_log::{AppendError, Offset, ProducerEpoch, ProducerId};
use polity_runtime::task;

use super::Ending;
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
    let id = ending.markers.transactional_id.clone();
    let mut is_first = true;
    while let Err(error) = try_tell(node, &ending).await {
        if std::mem::take(&mut is_first) {
            tracing::warn!(%error, "the end of a transaction of {id} could not be written; trying on");
        }
        // Nobody is left to wait for it when the broker stops: it is told after the next start.
        tokio::time::sleep(RETRY).await;
    }
}

async fn try_tell(node: &Arc<Node>, ending: &Ending) -> Result<(), String> {
    let Ending { markers, decided } = ending;
    // A decision that a power cut could take back must not be seen anywhere.
    node.transactions
        .settled(*decided)
        .await
        .map_err(|error| error.to_string())?;
    let mut told: Vec<(Arc<Partition>, Offset)> = Vec::new();
    for at in &markers.partitions {
        let appended = if at.topic == OFFSETS_TOPIC {
            node.groups
                .end_transaction(|partition| append(partition, markers), markers)
        } else {
            let topic = node.log.topic(&at.topic);
            let partition = topic.and_then(|topic| topic.partition(at.partition).cloned());
            match partition {
                Some(partition) => append(&partition, markers).map(|last| Some((partition, last?))),
                // It has been deleted.
                None => continue,
            }
        };
        told.extend(appended.map_err(|error| error.to_string())?);
    }
    for (partition, last) in told {
        partition
            .committed(last)
            .await
            .map_err(|error| error.to_string())?;
    }
    let written = node
        .transactions
        .ask(|transactions, outside| transactions.markers_written(outside, markers));
    written.await.map_err(|error| error.to_string())
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
