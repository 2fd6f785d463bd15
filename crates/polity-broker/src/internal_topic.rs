//! The broker's own topics, as the journals that coordinators write to and are replayed from.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use polity_core::TopicName;
use polity_log::batch::{BatchBuilder, BatchError, ControlRecord, Header, Outcome, Records};
use polity_log::{
    Cleanup, Isolation, Offset, Origin, ProducerEpoch, ProducerId, ReadError, TopicConfig,
    TopicError,
};

use crate::journal::{AppendError, Batch, Entry, Journal, ProducerIdentity};
use crate::node::{Log, Partition};

/// The largest batch that a coordinator may write: a group with all its members is one record.
const MAX_BATCH: usize = 8 * 1024 * 1024;

/// What is read at once when a journal is replayed.
const REPLAY_CHUNK: usize = 1024 * 1024;

/// Segments are small, so that compaction gets to what is old (Kafka's `offsets.topic.segment.bytes`).
const SEGMENT_BYTES: u32 = 100 * 1024 * 1024;

/// Why a journal cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Its topic cannot be made.
    #[error("could not make a topic of the broker's own")]
    Make(#[source] TopicError),
    /// Its topic has no partitions, which none is made with.
    #[error("the topic {0} has no partition")]
    Empty(String),
    /// Its topic cannot be read.
    #[error("could not read a topic of the broker's own")]
    Read(#[from] ReadError),
    /// The file that it is in cannot be read.
    #[error("could not read a topic of the broker's own")]
    Io(#[from] std::io::Error),
}

/// A partition of an internal topic, to write to and to replay.
#[derive(Debug, Clone)]
pub(crate) struct TopicJournal {
    partition: Arc<Partition>,
}

/// What a replay finds, in order.
#[derive(Debug)]
pub(crate) enum Replayed {
    Entry {
        offset: Offset,
        /// Whose transaction it is part of.
        producer: Option<ProducerIdentity>,
        entry: Entry,
    },
    /// A transaction's end.
    Marker {
        producer: ProducerIdentity,
        outcome: Outcome,
    },
}

impl TopicJournal {
    /// The journal in the only partition of the topic of that name, which is made if it is not there.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn open(log: &Log, name: &str) -> Result<Self, JournalError> {
        let topic = match log.topic(name) {
            Some(topic) => topic,
            None => {
                let legal =
                    TopicName::new(name).map_err(|_| JournalError::Empty(name.to_owned()))?;
                let config = TopicConfig {
                    cleanup: Cleanup {
                        delete: false,
                        compact: true,
                    },
                    segment_bytes: SEGMENT_BYTES,
                    ..TopicConfig::default()
                };
                let made = log.create_topic(&legal, crate::node::new_topic_id(), 1, config);
                made.map_err(JournalError::Make)?
            }
        };
        let partition = topic.partition(0).cloned();
        let partition = partition.ok_or_else(|| JournalError::Empty(name.to_owned()))?;
        Ok(Self { partition })
    }

    /// The partition that it is in.
    pub(crate) fn partition(&self) -> &Arc<Partition> {
        &self.partition
    }

    /// Where the next record goes.
    pub(crate) fn end(&self) -> Offset {
        self.partition.offsets().end
    }

    /// Waits until all before `end` outlives what it has to.
    ///
    /// # Errors
    /// When it never will.
    pub(crate) async fn settled(&self, end: Offset) -> Result<(), AppendError> {
        if self.partition.offsets().high_watermark >= end {
            return Ok(());
        }
        let last = Offset(end.0 - 1);
        let committed = self.partition.committed(last).await;
        committed.map_err(|_| AppendError::Unavailable)
    }

    /// Calls `visit` with all that is in it.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn replay(&self, mut visit: impl FnMut(Replayed)) -> Result<(), JournalError> {
        let mut next = self.partition.offsets().start;
        loop {
            let read = self
                .partition
                .read(next, Isolation::ReadUncommitted, REPLAY_CHUNK)?;
            let Some(slice) = read.slice else {
                return Ok(());
            };
            let bytes = Bytes::from(slice.bytes()?);
            let mut rest = bytes;
            while let Ok(header) = Header::parse(&rest) {
                let batch = rest.split_to(header.length.min(rest.len()));
                next = header.last_offset().next();
                self.visit(&header, &batch, &mut visit);
            }
        }
    }

    fn visit(&self, header: &Header, batch: &Bytes, visit: &mut impl FnMut(Replayed)) {
        let identity = ProducerIdentity {
            id: header.producer_id.0,
            epoch: header.producer_epoch.0,
        };
        let producer = header.attributes.is_transactional().then_some(identity);
        let records = match Records::of(header, batch) {
            Ok(records) => records,
            Err(error) => return self.skip(header, &error),
        };
        for record in records {
            let record = match record {
                Ok(record) => record,
                Err(error) => return self.skip(header, &error),
            };
            if header.attributes.is_control() {
                if let Ok(Some(control)) = ControlRecord::parse(&record) {
                    visit(Replayed::Marker {
                        producer: identity,
                        outcome: control.outcome,
                    });
                }
                continue;
            }
            let Some(key) = record.key else { continue };
            visit(Replayed::Entry {
                offset: record.offset(header),
                producer,
                entry: Entry {
                    key: batch.slice_ref(key),
                    value: record.value.map(|value| batch.slice_ref(value)),
                },
            });
        }
    }

    /// Whoever wrote it, the rest is good.
    fn skip(&self, header: &Header, error: &BatchError) {
        tracing::warn!(
            %error,
            "{:?} has a batch at {} that is left out",
            self.partition,
            header.base_offset
        );
    }
}

impl Journal for TopicJournal {
    fn append(&mut self, batch: Batch) -> Result<i64, AppendError> {
        let now = unix_ms();
        let mut builder = BatchBuilder::new();
        if let Some(producer) = batch.producer {
            let (id, epoch) = (ProducerId(producer.id), ProducerEpoch(producer.epoch));
            builder = builder.producer(id, epoch, -1).transactional();
        }
        for entry in &batch.entries {
            builder = builder.record(now, Some(&entry.key), entry.value.as_deref());
        }
        let bytes = builder.build();
        if bytes.len() > MAX_BATCH {
            return Err(AppendError::TooLarge);
        }
        match self.partition.append(&bytes, Origin::Coordinator) {
            Ok(appended) => Ok(appended.base_offset.0),
            Err(error) => {
                tracing::error!(%error, "{:?} could not be written to", self.partition);
                Err(AppendError::Unavailable)
            }
        }
    }
}

/// Milliseconds since 1970.
pub(crate) fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}
