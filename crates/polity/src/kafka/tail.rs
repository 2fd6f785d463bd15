//! A topic's records as they come, over all its partitions.

use std::collections::BTreeMap;

use futures_util::stream::{self, BoxStream, StreamExt};
use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::records::Record as KafkaRecord;
use polity_console::Start;
use polity_console::view::{Content, Record, RecordHeader, RecordLine};

use super::cluster::{End, READ_COMMITTED, leaders, topic_name};
use super::connection::Connection;
use super::{Error, Kafka, records};

const FETCH: i16 = 11;

/// How long a broker waits for records before it says that there are none.
const MAX_WAIT_MS: i32 = 1000;

/// What one fetch brings, about: it is held in memory.
const MAX_BYTES: i32 = 1024 * 1024;

impl Kafka {
    /// The records of a topic, until it is dropped or the broker is away.
    pub async fn tail(
        &self,
        topic: &str,
        from: Start,
    ) -> Result<BoxStream<'static, RecordLine>, Error> {
        let mut cluster = self.connect().await?;
        let found = [cluster.find_topic(topic).await?];
        let end = match from {
            Start::Beginning => End::First,
            Start::Now => End::Last,
        };
        let offsets = cluster.offsets(&found, end).await?;
        let mut readers = Vec::new();
        for (leader, partitions) in leaders(&found[0]) {
            let Some(address) = cluster.brokers.get(&leader) else {
                continue;
            };
            let next = partitions.into_iter().map(|partition| {
                let at = offsets.get(&(topic.to_owned(), partition));
                (partition, at.copied().unwrap_or(0))
            });
            let reader = Reader {
                connection: Connection::open(address).await?,
                topic: topic.to_owned(),
                next: next.collect(),
            };
            readers.push(reader.records().boxed());
        }
        Ok(stream::select_all(readers).boxed())
    }
}

/// Reads the partitions that one broker leads.
struct Reader {
    connection: Connection,
    topic: String,
    /// The offset that comes next in each partition.
    next: BTreeMap<i32, i64>,
}

impl Reader {
    fn records(self) -> impl stream::Stream<Item = RecordLine> + Send {
        let fetches = stream::unfold(Some(self), async |reader| {
            let mut reader = reader?;
            match reader.fetch().await {
                Ok(records) => Some((records, Some(reader))),
                Err(error) => {
                    let error = error.to_string();
                    Some((vec![RecordLine::Failed { error }], None))
                }
            }
        });
        fetches.flat_map(stream::iter)
    }

    async fn fetch(&mut self) -> Result<Vec<RecordLine>, Error> {
        let partitions = self.next.iter().map(|(partition, next)| {
            FetchPartition::default()
                .with_partition(*partition)
                .with_fetch_offset(*next)
                .with_partition_max_bytes(MAX_BYTES)
        });
        let topic = FetchTopic::default()
            .with_topic(topic_name(&self.topic))
            .with_partitions(partitions.collect());
        let request = FetchRequest::default()
            .with_replica_id((-1).into())
            .with_max_wait_ms(MAX_WAIT_MS)
            .with_min_bytes(1)
            .with_max_bytes(MAX_BYTES)
            .with_isolation_level(READ_COMMITTED)
            // No session: each fetch says all that it wants.
            .with_session_epoch(-1)
            .with_topics(vec![topic]);
        let answer = self.connection.call(FETCH, &request).await?;
        Error::check(answer.error_code, None, || "to be read".to_owned())?;
        let partitions = answer
            .responses
            .into_iter()
            .flat_map(|topic| topic.partitions);
        let mut lines = Vec::new();
        for partition in partitions {
            lines.extend(self.read(partition)?);
        }
        Ok(lines)
    }

    fn read(
        &mut self,
        data: PartitionData,
    ) -> Result<impl Iterator<Item = RecordLine> + use<>, Error> {
        let partition = data.partition_index;
        let what = || format!("to read {}-{partition}", self.topic);
        Error::check(data.error_code, None, what)?;
        let from = self.next.get(&partition).copied().unwrap_or(0);
        let bytes = data.records.unwrap_or_default();
        let aborted = data.aborted_transactions.unwrap_or_default();
        let (records, next) =
            records::read(bytes, from, aborted).map_err(|error| Error::Refused {
                what: what(),
                why: format!("a batch after offset {from} cannot be read: {error:#}"),
            })?;
        self.next.insert(partition, next);
        Ok(records
            .into_iter()
            .map(move |record| RecordLine::Record(view(partition, &record))))
    }
}

fn view(partition: i32, record: &KafkaRecord) -> Record {
    let content = |bytes: &Option<bytes::Bytes>| bytes.as_deref().map(Content::from);
    let header = |(name, value): (&kafka_protocol::protocol::StrBytes, &Option<bytes::Bytes>)| {
        RecordHeader {
            name: name.to_string(),
            value: content(value),
        }
    };
    Record {
        partition,
        offset: record.offset,
        timestamp_ms: record.timestamp,
        key: content(&record.key),
        value: content(&record.value),
        headers: record.headers.iter().map(header).collect(),
    }
}
