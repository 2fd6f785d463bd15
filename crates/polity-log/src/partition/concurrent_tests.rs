//! Appending, reading, flushing, removing and compacting at the same time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::*;
use crate::batch::BatchBuilder;
use crate::config::Cleanup;
use crate::error::ReadError;
use crate::testing::{self, block_on, split};
use crate::{Isolation, Origin, RealDisk, Settings};

const APPENDERS: usize = 3;
const READERS: usize = 2;
const BATCHES: usize = 600;

/// Reads to the end again and again, and every byte must be of whole batches, in order.
fn read(partition: &Partition<RealDisk>, is_over: &AtomicBool) -> usize {
    let (mut next, mut seen, mut waited) = (Offset::ZERO, 0, 0);
    loop {
        let was_over = is_over.load(Ordering::Acquire);
        let read = match partition.read(next, Isolation::ReadCommitted, 700) {
            Ok(read) => read,
            Err(ReadError::OutOfRange { start, .. }) => {
                assert!(start > next, "{next} is there");
                next = start;
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        let Some(slice) = read.slice else {
            if was_over {
                return seen;
            }
            waited += 1;
            thread::yield_now();
            continue;
        };
        for (header, _) in split(&slice.bytes().expect("they are there")) {
            assert!(
                header.last_offset() >= next,
                "{next} comes after {}",
                header.last_offset()
            );
            assert!(header.last_offset() < read.offsets.high_watermark);
            next = header.last_offset().next();
            seen += 1;
        }
        if waited % 7 == 6 {
            // From the beginning, through what is being removed and compacted.
            next = partition.offsets().start;
            waited += 1;
        }
    }
}

fn live(config: TopicConfig) {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings {
        max_open_files: 8,
        ..Settings::default()
    };
    let log = testing::open(folder.path(), &settings);
    let partition = testing::partition(&log, config);
    let (is_over, partition) = (AtomicBool::new(false), &partition);
    thread::scope(|scope| {
        let append = |appender: usize| {
            for number in 0..BATCHES {
                let key = [appender as u8, (number % 50) as u8];
                let batch = BatchBuilder::new()
                    .record(0, Some(&key), Some(&[7; 60]))
                    .build();
                let appended = partition
                    .append(&batch, Origin::Client)
                    .expect("it is appended");
                if number % 5 == 0 {
                    block_on(partition.committed(appended.last_offset)).expect("it is durable");
                }
            }
        };
        let appenders: Vec<_> = (0..APPENDERS)
            .map(|it| scope.spawn(move || append(it)))
            .collect();
        let readers: Vec<_> = (0..READERS)
            .map(|_| scope.spawn(|| read(partition, &is_over)))
            .collect();
        let keeper = scope.spawn(|| {
            while !is_over.load(Ordering::Acquire) {
                log.housekeep();
            }
        });
        appenders
            .into_iter()
            .for_each(|it| it.join().expect("it ends well"));
        log.flush();
        is_over.store(true, Ordering::Release);
        for reader in readers {
            assert!(reader.join().expect("it ends well") > 0);
        }
        keeper.join().expect("it ends well");
    });
    assert_eq!(
        partition.offsets().high_watermark,
        Offset((APPENDERS * BATCHES) as i64)
    );
}

#[test]
fn readers_see_whole_batches_in_order_while_old_ones_go() {
    live(TopicConfig {
        segment_bytes: 4096,
        index_interval_bytes: 300,
        retention_bytes: Some(20_000),
        ..TopicConfig::default()
    });
}

#[test]
fn readers_see_whole_batches_in_order_while_they_are_compacted() {
    live(TopicConfig {
        segment_bytes: 4096,
        index_interval_bytes: 300,
        cleanup: Cleanup {
            delete: false,
            compact: true,
        },
        min_cleanable_dirty_ratio: 0.0,
        ..TopicConfig::default()
    });
}
