//! What decides over other records stays as long as they do, and what does not count decides nothing.

use super::*;
use crate::batch::{Compression, HEADER, decompress, seal};

struct Fixture {
    _folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    log: Log,
    partition: Arc<Partition<RealDisk>>,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(ManualClock::new());
        let log = open(folder.path(), &clock);
        let partition = testing::partition(&log, config());
        Self {
            _folder: folder,
            clock,
            log,
            partition,
        }
    }

    fn append(&self, batch: &[u8]) {
        let appended = self.partition.append(batch, Origin::Client);
        appended.expect("it is appended");
    }

    fn send(&self, key: &[u8], value: Option<&[u8]>) {
        let batch = BatchBuilder::new().record(0, Some(key), value).build();
        self.append(&batch);
    }

    fn transact(&self, sequence: i32, key: &[u8], value: &[u8], outcome: Outcome) {
        let (id, epoch) = (ProducerId(1), ProducerEpoch(0));
        let builder = BatchBuilder::new().producer(id, epoch, sequence);
        let batch = builder.transactional().record(0, Some(key), Some(value));
        self.append(&batch.build());
        let marker = ControlRecord {
            outcome,
            coordinator_epoch: 0,
        };
        let ended = self.partition.append_marker(id, epoch, marker);
        ended.expect("it is appended");
    }

    fn compact(&self) {
        fill(&self.partition, 1, 20);
        self.log.flush();
        self.log.housekeep();
    }

    /// Compacts until tombstones and markers that may go have gone.
    fn compact_for_days(&self) {
        for _ in 0..3 {
            self.compact();
            self.clock.advance(Duration::from_secs(25 * 3600));
        }
    }

    /// The offsets of batches of a kind.
    fn offsets(&self, is: impl Fn(&Header) -> bool) -> Vec<i64> {
        let batches = read_all(&self.partition, 500).into_iter();
        let chosen = batches.filter(|(header, _)| is(header));
        chosen.map(|(header, _)| header.base_offset.0).collect()
    }

    fn markers(&self) -> Vec<i64> {
        self.offsets(|header| header.attributes.is_control())
    }
}

const CODECS: [Compression; 4] = [
    Compression::Gzip,
    Compression::Snappy,
    Compression::Lz4,
    Compression::Zstd,
];

/// The same batch, said to be compressed, which it is not.
fn unreadable(plain: &[u8]) -> Vec<u8> {
    let mut header = Header::parse(plain).expect("it is one");
    let mut batch = plain.to_vec();
    header.attributes.0 |= 3;
    seal(header, &mut batch);
    batch
}

fn one(key: &[u8], value: &[u8]) -> BatchBuilder {
    BatchBuilder::new().record(0, Some(key), Some(value))
}

/// The keys that are left of those not for filling.
fn keys(all: &Fixture) -> Vec<Vec<u8>> {
    let batches = read_all(&all.partition, 500);
    let keys = batches.iter().flat_map(|(header, batch)| {
        let compression = header.attributes.compression().expect("it is known");
        let mut plain = Vec::new();
        let mut reader = decompress(compression, &batch[HEADER..]).expect("it is read");
        reader.read_to_end(&mut plain).expect("it is read");
        let keys = Records::new(&plain, header.count)
            .map(|record| record.expect("it is well").key.map(<[u8]>::to_vec));
        keys.flatten().collect::<Vec<_>>()
    });
    keys.filter(|key| key.len() > 1).collect()
}

#[test]
fn what_is_compressed_is_compacted_and_stays_compressed() {
    for codec in CODECS {
        let all = Fixture::new();
        let many = (0..20).fold(BatchBuilder::new(), |builder, at: u8| {
            builder.record(0, Some(&[at, 1]), Some(&[at; 20]))
        });
        all.append(&many.build_compressed(codec));
        all.append(&one(b"gone", b"value").build_compressed(codec));
        all.append(&one(b"gone", b"newer").build_compressed(codec));
        for at in 0..19 {
            all.send(&[at, 1], Some(b"newer"));
        }
        all.compact();
        let left = keys(&all);
        assert_eq!(left.len(), 21, "{codec:?}: {left:?}");
        assert_eq!(left[..2], [vec![19, 1], b"gone".to_vec()], "{codec:?}");
        let compressed = all.offsets(|header| header.attributes.compression() == Some(codec));
        assert_eq!(compressed, [0, 21], "{codec:?}");
    }
}

#[test]
fn a_record_without_a_key_is_found_in_what_is_compressed() {
    let all = Fixture::new();
    let without = BatchBuilder::new()
        .record(0, Some(b"key"), Some(b"value"))
        .record(0, None, Some(b"value"));
    for codec in CODECS {
        let batch = without.clone().build_compressed(codec);
        let refused = all.partition.append(&batch, Origin::Client);
        let why = refused.expect_err("it is refused").to_string();
        assert_eq!(why, "a record of a compacted topic has a key", "{codec:?}");
    }
    let refused = all
        .partition
        .append(&unreadable(&one(b"key", b"value").build()), Origin::Client);
    assert!(matches!(refused, Err(AppendError::Invalid(_))));
}

#[test]
fn an_aborted_value_does_not_outdate_one_that_counts() {
    let all = Fixture::new();
    all.send(b"key", Some(b"plain"));
    all.transact(0, b"other", b"committed", Outcome::Commit);
    all.transact(1, b"key", b"aborted", Outcome::Abort);
    all.transact(2, b"other", b"aborted", Outcome::Abort);
    all.compact();
    let left = records(&all.partition);
    let values = left.iter().filter(|it| it.1 != [1]).map(|it| it.2.clone());
    let values: Vec<_> = values.flatten().collect();
    assert_eq!(values, [b"plain".to_vec(), b"committed".to_vec()]);
}

#[test]
fn a_commit_stays_as_long_as_a_record_of_its_transaction() {
    let all = Fixture::new();
    all.transact(0, b"key", b"value", Outcome::Commit);
    all.compact_for_days();
    assert_eq!(all.markers(), [1]);
    all.send(b"key", Some(b"newer"));
    all.compact_for_days();
    assert_eq!(all.markers(), [0; 0]);
}

#[test]
fn a_commit_stays_whose_transaction_is_in_an_earlier_segment() {
    let all = Fixture::new();
    let (id, epoch) = (ProducerId(1), ProducerEpoch(0));
    let builder = BatchBuilder::new().producer(id, epoch, 0).transactional();
    all.append(&builder.record(0, Some(b"key"), Some(b"value")).build());
    fill(&all.partition, 1, 40);
    let marker = ControlRecord {
        outcome: Outcome::Commit,
        coordinator_epoch: 0,
    };
    let ended = all.partition.append_marker(id, epoch, marker);
    ended.expect("it is appended");
    all.compact_for_days();
    assert_eq!(all.markers(), [41]);
}

#[test]
fn an_abort_stays_as_long_as_readers_are_told_of_it() {
    let all = Fixture::new();
    all.transact(0, b"key", b"aborted", Outcome::Abort);
    all.transact(1, b"key", b"value", Outcome::Commit);
    all.compact_for_days();
    let read = all
        .partition
        .read(Offset::ZERO, Isolation::ReadCommitted, 1 << 20)
        .expect("it reads");
    let is_told = !read.aborted.is_empty();
    assert_eq!(is_told, all.markers().contains(&1), "{:?}", read.aborted);
    assert!(all.markers().contains(&3));
}

#[test]
fn a_tombstone_stays_after_what_cannot_be_read() {
    let all = Fixture::new();
    all.send(b"before", None);
    // As it may have come before the topic was compacted.
    let mut kept_all = config();
    kept_all.cleanup.compact = false;
    let topic = testing::name(testing::TOPIC);
    let configured = all.log.configure_topic(&topic, kept_all);
    configured.expect("it is there");
    all.append(&unreadable(&one(b"key", b"value").build()));
    let configured = all.log.configure_topic(&topic, config());
    configured.expect("it is there");
    all.send(b"key", None);
    all.compact_for_days();
    let first = all.offsets(|header| header.base_offset.0 < 3);
    assert_eq!(first, [1, 2]);
}
