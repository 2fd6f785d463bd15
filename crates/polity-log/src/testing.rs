//! What tests of the log share.

mod interleaved;

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use polity_core::{ManualClock, TopicName};

pub(crate) use interleaved::{Interleaved, Moment};

use crate::batch::{BatchBuilder, Header};
use crate::disk::Disk;
use crate::{Isolation, Log, Offset, Partition, RealDisk, Settings, TopicConfig, TopicId};

pub(crate) const TOPIC: &str = "orders";

pub(crate) fn name(name: &str) -> TopicName {
    TopicName::new(name).expect("it is a topic's")
}

/// A log on the machine's disk that makes nothing durable by itself.
pub(crate) fn log(root: &Path) -> Log {
    let settings = Settings {
        flush_threads: 0,
        ..Settings::default()
    };
    open(root, &settings)
}

pub(crate) fn open(root: &Path, settings: &Settings) -> Log {
    let clock = Arc::new(ManualClock::new());
    Log::open(RealDisk, root, settings, clock)
        .expect("it opens")
        .0
}

/// The first partition of [`TOPIC`], which is made if there is none.
pub(crate) fn partition(log: &Log, config: TopicConfig) -> Arc<Partition<RealDisk>> {
    let topic = match log.topic(TOPIC) {
        Some(topic) => topic,
        None => log
            .create_topic(&name(TOPIC), TopicId([1; 16]), 1, config)
            .expect("it is made"),
    };
    topic.partitions()[0].clone()
}

/// A batch of so many records, the first at this time and each a millisecond later.
pub(crate) fn batch(records: usize, timestamp_ms: i64) -> Vec<u8> {
    let add = |builder: BatchBuilder, at: usize| {
        builder.record(
            timestamp_ms + at as i64,
            None,
            Some(b"a value of some length"),
        )
    };
    (0..records).fold(BatchBuilder::new(), add).build()
}

/// The batches a reader gets who reads all there is, `max_bytes` at a time.
pub(crate) fn read_all<D: Disk>(
    partition: &Partition<D>,
    max_bytes: usize,
) -> Vec<(Header, Vec<u8>)> {
    let mut at = partition.offsets().start;
    let mut batches = Vec::new();
    while let Some(slice) = partition
        .read(at, Isolation::ReadUncommitted, max_bytes)
        .expect("it reads")
        .slice
    {
        for (header, bytes) in split(&slice.bytes().expect("they are there")) {
            at = header.last_offset().next();
            batches.push((header, bytes));
        }
    }
    batches
}

pub(crate) fn split(mut bytes: &[u8]) -> Vec<(Header, Vec<u8>)> {
    let mut batches = Vec::new();
    while !bytes.is_empty() {
        let header = Header::parse_checked(bytes).expect("batches are whole");
        batches.push((header, bytes[..header.length].to_vec()));
        bytes = &bytes[header.length..];
    }
    batches
}

pub(crate) fn offsets(batches: &[(Header, Vec<u8>)]) -> Vec<(i64, i64)> {
    let range = |(header, _): &(Header, Vec<u8>)| (header.base_offset, header.last_offset());
    batches
        .iter()
        .map(range)
        .map(|(Offset(first), Offset(last))| (first, last))
        .collect()
}

/// Waits on this thread.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
