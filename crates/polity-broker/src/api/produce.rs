//! Produce: record batches into partitions, kept as they come.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use polity_log::batch::Header;
use polity_log::{AppendError, Appended, Offset, Origin};
use smol_str::SmolStr;
use tokio::time::timeout;
use uuid::Uuid;

use super::group_text::{on_wire, text};
use crate::api::{self, Call, Refused};
use crate::errors::Failure;
use crate::group::TopicPartition;
use crate::journal::ProducerIdentity;
use crate::node::{Node, Partition, Topic};
use crate::wire::answer::{Answer, Later, Reply};
use crate::{topics, transaction};

/// Answer when all replicas have the records: here, when they count.
const ALL: i16 = -1;

/// Do not answer.
const NONE: i16 = 0;

/// The first version that adds partitions to the transaction by itself (KIP-890).
const ADDS: i16 = 12;

/// What a topic's or partition's outcome takes in memory, in bytes, about.
const OUTCOME_WEIGHT: usize = 128;

/// What became of one partition's batch.
type Outcome = Result<(Arc<Partition>, Appended), Failure>;

/// Appends at once, in the order in which requests come; answers by `acks`: at once, when the records
/// count, or not at all.
pub(crate) fn handle(node: &Arc<Node>, call: &Call) -> Result<Answer, Refused> {
    let request: ProduceRequest = call.decode()?;
    if !(ALL..=1).contains(&request.acks) {
        let refused = |_: &_, _: &_| Err(ResponseError::InvalidRequiredAcks.into());
        return reply(call, &respond(node, &request, refused));
    }
    let transactional_id = request.transactional_id.as_ref().map(|id| text(id));
    let writer = Writer {
        node,
        version: call.version,
        transactional_id: transactional_id.as_deref(),
        decided: Cell::new(None),
    };
    let appended = respond(node, &request, |topic, data| writer.append(topic, data));
    if request.acks == NONE {
        // The client can only learn of a failure by losing the connection, and asks anew where to go.
        let failed = appended
            .iter()
            .any(|topic| topic.outcomes.iter().any(|(_, it)| it.is_err()));
        return if failed {
            Err(Refused::Unacknowledged)
        } else {
            Ok(Answer::None)
        };
    }
    let decided = writer.decided.get();
    let is_settled = request.acks != ALL || appended.iter().all(TopicOutcome::counts);
    if is_settled && decided.is_none() {
        return reply(call, &appended);
    }
    let patience = Duration::from_millis(request.timeout_ms.max(0).unsigned_abs().into());
    let (correlation, version, node) = (call.correlation, call.version, node.clone());
    let outcomes: usize = appended.iter().map(|topic| topic.outcomes.len()).sum();
    let weight = OUTCOME_WEIGHT * (appended.len() + outcomes);
    let reply = Box::pin(async move {
        if let Some(decided) = decided
            && let Err(error) = node.transactions.settled(decided).await
        {
            // It is the same log that the records are in: waiting for those tells the client.
            tracing::warn!(%error, "partitions of a transaction could not be written down");
        }
        let appended = wait(appended, patience).await;
        Reply::encode(correlation, version, &response(&appended))
    });
    Ok(Answer::Later(Later { weight, reply }))
}

/// What became of one topic's batches. It may wait for the disk long after the request is gone, and has
/// nothing of it: the least slice would keep all of its bytes.
struct TopicOutcome {
    name: SmolStr,
    id: Uuid,
    outcomes: Vec<(i32, Outcome)>,
}

impl TopicOutcome {
    /// Whether all that was appended counts.
    fn counts(&self) -> bool {
        self.outcomes.iter().all(|(_, outcome)| match outcome {
            Ok((partition, appended)) => counts(partition, appended.last_offset),
            Err(_) => true,
        })
    }
}

fn counts(partition: &Partition, last: Offset) -> bool {
    partition.offsets().high_watermark > last
}

fn respond(
    node: &Node,
    request: &ProduceRequest,
    append: impl Fn(&Topic, &PartitionProduceData) -> Outcome,
) -> Vec<TopicOutcome> {
    let topics = request.topic_data.iter();
    topics.map(|topic| produce(node, topic, &append)).collect()
}

fn produce(
    node: &Node,
    data: &TopicProduceData,
    append: impl Fn(&Topic, &PartitionProduceData) -> Outcome,
) -> TopicOutcome {
    let topic = find(node, data);
    let partitions = data.partition_data.iter().map(|partition| {
        let outcome = match &topic {
            Ok(topic) => append(topic, partition),
            Err(failure) => Err(failure.clone()),
        };
        (partition.index, outcome)
    });
    TopicOutcome {
        outcomes: partitions.collect(),
        name: text(&data.name),
        id: data.topic_id,
    }
}

fn find(node: &Node, data: &TopicProduceData) -> Result<Arc<Topic>, Failure> {
    // From version 13 on, topics go by their ids.
    let (topic, unknown) = if data.name.is_empty() {
        (
            node.topic_by_id(data.topic_id),
            ResponseError::UnknownTopicId,
        )
    } else {
        (
            node.log.topic(&data.name),
            ResponseError::UnknownTopicOrPartition,
        )
    };
    let topic = topic.ok_or(unknown)?;
    if topics::is_internal(topic.name().as_str()) {
        return Err(ResponseError::InvalidTopicException.into());
    }
    Ok(topic)
}

/// Who produces, and how.
struct Writer<'a> {
    node: &'a Node,
    version: i16,
    transactional_id: Option<&'a str>,
    /// The end of the coordinator's journal with what this request has added to its transaction.
    decided: Cell<Option<Offset>>,
}

impl Writer<'_> {
    fn append(&self, topic: &Topic, data: &PartitionProduceData) -> Outcome {
        let partition = topic.partition(data.index);
        let partition = partition.ok_or(ResponseError::UnknownTopicOrPartition)?;
        let batch = data.records.as_ref().ok_or(ResponseError::InvalidRecord)?;
        let appended = match Header::parse(batch) {
            Ok(header) if header.attributes.is_transactional() => {
                self.append_in_transaction(partition, batch, &header)?
            }
            // What is no batch at all is refused by the partition.
            _ => partition.append(batch, Origin::Client),
        };
        let appended = appended.map_err(|error| Failure::from(&error))?;
        Ok((partition.clone(), appended))
    }

    /// Appends under the transaction coordinator's lock: a batch that comes after its transaction has
    /// been ended would begin another one that nobody ends (KIP-890).
    fn append_in_transaction(
        &self,
        partition: &Arc<Partition>,
        batch: &[u8],
        header: &Header,
    ) -> Result<Result<Appended, AppendError>, Failure> {
        let id = self
            .transactional_id
            .ok_or(ResponseError::InvalidTxnState)?;
        let producer = ProducerIdentity {
            id: header.producer_id.0,
            epoch: header.producer_epoch.0,
        };
        let at = TopicPartition::new(partition.topic().as_str(), api::number(partition.index()));
        let is_added = self.version >= ADDS;
        let (appended, decided) = self.node.transactions.act(|transactions, outside| {
            if is_added {
                transactions.add_partitions(outside, id, producer, std::slice::from_ref(&at))?;
            } else {
                transactions.verify(id, producer, &at)?;
            }
            Ok(partition.append(batch, Origin::Client))
        });
        if is_added {
            self.decided.set(Some(decided));
        }
        appended.map_err(|error| self.refused(error))
    }

    /// Clients that do not know the codes of KIP-890 are told what they do know.
    fn refused(&self, error: transaction::Error) -> Failure {
        let code = match error {
            transaction::Error::TransactionAbortable if self.version < ADDS => {
                ResponseError::InvalidTxnState.code()
            }
            // It may be tried again, which for Produce has no code of its own.
            transaction::Error::ConcurrentTransactions if self.version < ADDS => {
                ResponseError::NotEnoughReplicas.code()
            }
            transaction::Error::ProducerFenced => ResponseError::InvalidProducerEpoch.code(),
            error => error.code(),
        };
        Failure {
            code,
            message: Some(StrBytes::from_string(error.to_string())),
        }
    }
}

/// Waits until all that was appended counts, or the client's patience is at its end.
async fn wait(mut topics: Vec<TopicOutcome>, patience: Duration) -> Vec<TopicOutcome> {
    let outcomes = topics
        .iter_mut()
        .flat_map(|topic| topic.outcomes.iter_mut());
    let all = async {
        for (_, outcome) in outcomes {
            if let Ok((partition, appended)) = outcome
                && let Err(error) = partition.committed(appended.last_offset).await
            {
                *outcome = Err(Failure::from(&error));
            }
        }
    };
    if timeout(patience, all).await.is_err() {
        for (_, outcome) in topics
            .iter_mut()
            .flat_map(|topic| topic.outcomes.iter_mut())
        {
            let late = matches!(outcome, Ok((partition, appended)) if !counts(partition, appended.last_offset));
            if late {
                *outcome = Err(ResponseError::RequestTimedOut.into());
            }
        }
    }
    topics
}

fn reply(call: &Call, topics: &[TopicOutcome]) -> Result<Answer, Refused> {
    let reply = Reply::encode(call.correlation, call.version, &response(topics))?;
    Ok(Answer::Now(reply))
}

fn response(topics: &[TopicOutcome]) -> ProduceResponse {
    let topics = topics.iter().map(|topic| {
        let partitions = topic.outcomes.iter();
        let partitions = partitions.map(|(index, outcome)| partition_response(*index, outcome));
        TopicProduceResponse::default()
            .with_name(TopicName(on_wire(&topic.name)))
            .with_topic_id(topic.id)
            .with_partition_responses(partitions.collect())
    });
    ProduceResponse::default().with_responses(topics.collect())
}

fn partition_response(index: i32, outcome: &Outcome) -> PartitionProduceResponse {
    let response = PartitionProduceResponse::default().with_index(index);
    match outcome {
        Ok((partition, appended)) => response
            .with_base_offset(appended.base_offset.0)
            .with_log_append_time_ms(appended.append_time_ms.unwrap_or(-1))
            .with_log_start_offset(partition.offsets().start.0),
        Err(failure) => response
            .with_error_code(failure.code)
            .with_base_offset(-1)
            .with_log_append_time_ms(-1)
            .with_log_start_offset(-1)
            .with_error_message(failure.message.clone()),
    }
}

#[cfg(test)]
#[path = "produce_tests.rs"]
mod tests;
