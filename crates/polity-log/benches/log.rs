//! What an append and a read cost, the page cache included.
//!
//! `cargo bench -p polity-log`. Appends are of batches as producers send them: of 64 KiB with records of
//! 1 KiB, and of one record of 100 bytes. Reads are of what was appended, as a fetch asks for them, up to the
//! slice that would be sent.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use polity_core::{SystemClock, TopicName};
use polity_log::batch::BatchBuilder;
use polity_log::{
    Durability, Isolation, Log, Offset, Origin, Partition, RealDisk, Settings, TopicConfig, TopicId,
};

/// Small enough that old ones go while it runs.
const SEGMENT: u32 = 64 << 20;
const KEPT: u64 = 256 << 20;

fn batch(records: usize, size: usize) -> Vec<u8> {
    let value = vec![7; size];
    let add = |builder: BatchBuilder, _| builder.record(1, None, Some(&value));
    (0..records).fold(BatchBuilder::new(), add).build()
}

fn open(folder: &Path) -> (Log, Arc<Partition<RealDisk>>) {
    let settings = Settings {
        durability: Durability::Os,
        ..Settings::default()
    };
    let log = Log::open(RealDisk, folder, &settings, Arc::new(SystemClock))
        .expect("it opens")
        .0;
    let config = TopicConfig {
        segment_bytes: SEGMENT,
        retention_bytes: Some(KEPT),
        ..TopicConfig::default()
    };
    let name = TopicName::new("bench").expect("it is a topic's");
    let topic = log
        .create_topic(&name, TopicId([1; 16]), 1, config)
        .expect("it is made");
    let partition = topic.partitions()[0].clone();
    (log, partition)
}

fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append");
    for (name, records, size) in [
        ("64 records of 1 KiB", 63, 1024),
        ("1 record of 100 bytes", 1, 100),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let (log, partition) = open(folder.path());
        let batch = batch(records, size);
        group.throughput(Throughput::Bytes(batch.len() as u64));
        let mut since = 0;
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| {
                since += batch.len() as u64;
                if since > KEPT {
                    since = 0;
                    log.housekeep();
                }
                black_box(
                    partition
                        .append(black_box(&batch), Origin::Client)
                        .expect("it is appended"),
                )
            });
        });
    }
}

fn read(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read");
    for (name, records, size) in [
        ("64 records of 1 KiB", 63, 1024),
        ("1 record of 100 bytes", 1, 100),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let (_log, partition) = open(folder.path());
        let batch = batch(records, size);
        while partition.size() < u64::from(SEGMENT) / 2 {
            partition
                .append(&batch, Origin::Client)
                .expect("it is appended");
        }
        let end = partition.offsets().end.0;
        let mut find = |what: &str, max: usize, mut next: Box<dyn FnMut() -> i64>| {
            group.bench_function(format!("{what}, {name}"), |bencher| {
                bencher.iter(|| {
                    let read = partition.read(Offset(next()), Isolation::ReadUncommitted, max);
                    black_box(read.expect("it reads").slice)
                });
            });
        };
        let mut at = 0;
        // Any offset, which the index must find.
        find(
            "anywhere",
            1 << 20,
            Box::new(move || {
                at = (at + 7_368_787) % end;
                at
            }),
        );
        find("at the end", 1 << 20, Box::new(move || end - 1));
    }
}

criterion_group!(benches, append, read);
criterion_main!(benches);
