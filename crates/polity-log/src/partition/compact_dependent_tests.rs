//! What decides over other records stays as long as they do, and what does not count decides nothing.

use super::*;
use crate::batch::seal;

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

fn compressed(key: &[u8]) -> Vec<u8> {
    let mut batch = BatchBuilder::new()
        .record(0, Some(key), Some(b"value"))
        .build();
    let mut header = Header::parse(&batch).expect("it is one");
    // Nobody looks into it, so it need not be true.
    header.attributes.0 |= 3;
    seal(header, &mut batch);
    batch
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
fn a_tombstone_stays_after_what_is_compressed() {
    let all = Fixture::new();
    all.send(b"before", None);
    all.append(&compressed(b"key"));
    all.send(b"key", None);
    all.compact_for_days();
    let first = all.offsets(|header| header.base_offset.0 < 3);
    assert_eq!(first, [1, 2]);
}
