//! The clients: what each does until it is told to stop, and what it remembers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use polity_core::{Rng, SplitMix64};
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{
    BaseProducer, BaseRecord, DefaultProducerContext, Producer, ProducerContext, ThreadedProducer,
};
use rdkafka::{Offset, TopicPartitionList};

use super::history::{Fate, Session, Transaction, Write};
use crate::wait;

/// Partitions of every topic.
pub(super) const PARTITIONS: i32 = 3;

/// What plain and transactional producers write to.
pub(super) const LOG: &str = "log";

/// What is handled once, and what becomes of it.
pub(super) const INPUT: &str = "input";
pub(super) const OUTPUT: &str = "output";

/// The group that handles.
pub(super) const HANDLERS: &str = "handlers";

/// How long a client waits for one answer before it goes on or asks again.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between two records of one producer.
const PACE: Duration = Duration::from_millis(3);

/// What all clients of a run share.
pub(super) struct Run {
    pub(super) brokers: String,
    pub(super) seed: u64,
    /// Producers end what they are doing.
    pub(super) is_over: AtomicBool,
    /// So do consumers, a while later.
    pub(super) is_read: AtomicBool,
    /// What is wrong on the face of it.
    pub(super) wrong: Mutex<Vec<String>>,
}

impl Run {
    pub(super) fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("reconnect.backoff.ms", "10")
            .set("reconnect.backoff.max.ms", "100")
            .set("retry.backoff.ms", "20")
            .set("linger.ms", "1");
        config
    }

    fn random(&self, client: &str) -> SplitMix64 {
        let salt = client.bytes().fold(self.seed, |salt, byte| {
            salt.wrapping_mul(31).wrapping_add(u64::from(byte))
        });
        SplitMix64::new(salt)
    }

    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed)
    }

    fn is_reading(&self) -> bool {
        !self.is_read.load(Ordering::Relaxed)
    }

    fn accuse(&self, what: String) {
        self.wrong.lock().unwrap().push(what);
    }
}

fn below(random: &mut SplitMix64, bound: u64) -> u64 {
    random.next_u64() % bound
}

fn partition(random: &mut SplitMix64) -> i32 {
    below(random, PARTITIONS as u64) as i32
}

/// Notes where the broker says that records are.
#[derive(Default)]
struct Acknowledged(Mutex<Vec<(usize, i64)>>);

impl ClientContext for Acknowledged {}

impl ProducerContext for Acknowledged {
    type DeliveryOpaque = Box<usize>;

    fn delivery(&self, result: &DeliveryResult<'_>, number: Self::DeliveryOpaque) {
        if let Ok(message) = result {
            self.0.lock().unwrap().push((*number, message.offset()));
        }
    }
}

/// An idempotent producer that now and then goes away with records on their way.
pub(super) fn write(run: &Run, name: &str, topic: &str) -> Vec<Write> {
    let mut random = run.random(name);
    let mut writes: Vec<Write> = Vec::new();
    while run.goes_on() {
        let mut config = run.config();
        config.set("enable.idempotence", "true");
        let producer: BaseProducer<_> =
            config.create_with_context(Acknowledged::default()).unwrap();
        let first = writes.len();
        for _ in 0..50 + below(&mut random, 300) {
            if !run.goes_on() {
                break;
            }
            let (value, partition) = (format!("{name}-{}", writes.len()), partition(&mut random));
            let record = BaseRecord::with_opaque_to(topic, Box::new(writes.len()));
            let record: BaseRecord<'_, str, str, _> = record.partition(partition).payload(&value);
            if producer.send(record).is_ok() {
                writes.push(Write {
                    partition,
                    producer: format!("{name} since {first}"),
                    acknowledged: None,
                    value,
                });
            }
            producer.poll(Duration::ZERO);
            thread::sleep(PACE);
        }
        if !run.goes_on() || below(&mut random, 2) == 0 {
            producer.flush(wait::DEADLINE).unwrap();
        }
        let acknowledged = Arc::clone(producer.context());
        drop(producer);
        for (number, offset) in acknowledged.0.lock().unwrap().drain(..) {
            writes[number].acknowledged = Some(offset);
        }
    }
    writes
}

/// Why a step of a transaction was not done, and never will be.
enum Refused {
    /// The transaction can only be aborted.
    Abort,
    /// The producer can do nothing any more.
    Fatal,
}

/// Does a step of a transaction, again as often as the client says that it may help.
fn step(mut act: impl FnMut() -> KafkaResult<()>) -> Result<(), Refused> {
    let deadline = Instant::now() + wait::DEADLINE;
    loop {
        let error = match act() {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        match error {
            KafkaError::Transaction(error) if error.txn_requires_abort() => {
                return Err(Refused::Abort);
            }
            KafkaError::Transaction(error) if error.is_retriable() => {}
            _ => return Err(Refused::Fatal),
        }
        if Instant::now() > deadline {
            return Err(Refused::Fatal);
        }
    }
}

/// The end of a transaction waits for reports of what was sent, which a thread of its own takes.
type TransactionalProducer = ThreadedProducer<DefaultProducerContext>;

fn transactional(run: &Run, id: &str) -> TransactionalProducer {
    let mut config = run.config();
    config
        .set("transactional.id", id)
        .set("transaction.timeout.ms", "60000");
    loop {
        let producer: TransactionalProducer = config.create().unwrap();
        if step(|| producer.init_transactions(PATIENCE)).is_ok() {
            return producer;
        }
    }
}

/// How a transaction is to end.
fn end(producer: &TransactionalProducer, is_commit: bool) -> Fate {
    if is_commit {
        match step(|| producer.commit_transaction(PATIENCE)) {
            Ok(()) => return Fate::Committed,
            Err(Refused::Fatal) => return Fate::Unknown,
            Err(Refused::Abort) => {}
        }
    }
    match step(|| producer.abort_transaction(PATIENCE)) {
        Ok(()) => Fate::Aborted,
        Err(_) => Fate::Unknown,
    }
}

/// A transactional producer. Now and then it is replaced while it has a transaction open, and wakes up
/// when another has its id.
pub(super) fn transact(run: &Run, name: &str) -> Vec<Transaction> {
    let mut random = run.random(name);
    let mut transactions: Vec<Transaction> = Vec::new();
    let mut producer = transactional(run, name);
    while run.goes_on() {
        if step(|| producer.begin_transaction()).is_err() {
            producer = transactional(run, name);
            continue;
        }
        let mut records = Vec::new();
        for number in 0..1 + below(&mut random, 10) {
            let value = format!("{name}-{}-{number}", transactions.len());
            let at = partition(&mut random);
            let record: BaseRecord<'_, str, str> = BaseRecord::to(LOG);
            if producer.send(record.partition(at).payload(&value)).is_ok() {
                records.push((at, value));
            }
            thread::sleep(PACE);
        }
        let fate = match below(&mut random, 10) {
            0 => {
                let was_sent = producer.flush(PATIENCE).is_ok() && !records.is_empty();
                let zombie = std::mem::replace(&mut producer, transactional(run, name));
                if was_sent && zombie.commit_transaction(PATIENCE).is_ok() {
                    run.accuse(format!(
                        "{name} committed though it was fenced: {records:?}"
                    ));
                }
                Fate::Aborted
            }
            1..3 => end(&producer, false),
            _ => end(&producer, true),
        };
        if fate == Fate::Unknown {
            producer = transactional(run, name);
        }
        transactions.push(Transaction { records, fate });
    }
    transactions
}

/// Counts its rebalances: between two, a consumer has its partitions without a break.
#[derive(Default)]
struct Rebalances(AtomicU32);

impl ClientContext for Rebalances {}

impl ConsumerContext for Rebalances {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, _: &Rebalance<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// What a group has committed at least, by partition.
#[derive(Default)]
pub(super) struct Floor(Mutex<BTreeMap<i32, i64>>);

fn known(list: &TopicPartitionList) -> BTreeMap<i32, i64> {
    let elements = list.elements();
    let known = elements.iter().filter_map(|it| match it.offset() {
        Offset::Offset(offset) => Some((it.partition(), offset)),
        _ => None,
    });
    known.collect()
}

impl Floor {
    fn commit(&self, consumer: &BaseConsumer<Rebalances>) {
        let Ok(position) = consumer.position() else {
            return;
        };
        let offsets = known(&position);
        let mut list = TopicPartitionList::new();
        for (partition, offset) in &offsets {
            list.add_partition_offset(LOG, *partition, Offset::Offset(*offset))
                .unwrap();
        }
        if offsets.is_empty() || consumer.commit(&list, CommitMode::Sync).is_err() {
            return;
        }
        let mut floor = self.0.lock().unwrap();
        for (partition, offset) in offsets {
            let least = floor.entry(partition).or_insert(offset);
            *least = offset.max(*least);
        }
    }

    /// What was committed before is not taken back.
    fn check(&self, run: &Run, group: &str, consumer: &BaseConsumer<Rebalances>) {
        let least = self.0.lock().unwrap().clone();
        let mut asked = TopicPartitionList::new();
        asked.add_partition_range(LOG, 0, PARTITIONS - 1);
        let Ok(found) = consumer.committed_offsets(asked, PATIENCE) else {
            return;
        };
        let found = known(&found);
        for (partition, least) in least {
            let now = found.get(&partition);
            if now.is_none_or(|now| *now < least) {
                run.accuse(format!(
                    "{group} had committed {least} in partition {partition}, and then {now:?}"
                ));
            }
        }
    }
}

/// A consumer of a group that comes and goes.
pub(super) fn read(
    run: &Run,
    name: &str,
    (group, protocol): (&str, &str),
    floor: &Floor,
) -> Vec<Session> {
    let mut random = run.random(name);
    let mut sessions: BTreeMap<(u32, u32, i32), Vec<(i64, String)>> = BTreeMap::new();
    let mut life = 0;
    while run.is_reading() {
        let mut config = run.config();
        config
            .set("group.id", group)
            .set("group.protocol", protocol)
            .set("auto.offset.reset", "earliest")
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false");
        if protocol == "classic" {
            config
                .set("session.timeout.ms", "6000")
                .set("heartbeat.interval.ms", "200");
        }
        let consumer: BaseConsumer<_> = config.create_with_context(Rebalances::default()).unwrap();
        consumer.subscribe(&[LOG]).unwrap();
        life += 1;
        for _ in 0..200 + below(&mut random, 2000) {
            if !run.is_reading() {
                break;
            }
            if let Some(Ok(message)) = consumer.poll(Duration::from_millis(50)) {
                let value = String::from_utf8(message.payload().unwrap().to_vec()).unwrap();
                let rebalances = consumer.context().0.load(Ordering::Relaxed);
                let session = sessions.entry((life, rebalances, message.partition()));
                session.or_default().push((message.offset(), value));
            }
            if below(&mut random, 50) == 0 {
                floor.commit(&consumer);
                floor.check(run, group, &consumer);
            }
        }
    }
    let session = |((_, _, partition), records)| Session {
        consumer: name.to_owned(),
        partition,
        records,
    };
    sessions.into_iter().map(session).collect()
}

/// A member of a group that writes for each record of one topic one of another, and commits both in one
/// transaction.
pub(super) fn handle(run: &Run, name: &str) {
    let mut config = run.config();
    config
        .set("group.id", HANDLERS)
        .set("auto.offset.reset", "earliest")
        .set("session.timeout.ms", "6000")
        .set("heartbeat.interval.ms", "200")
        .set("enable.auto.commit", "false");
    while run.is_reading() {
        let consumer: BaseConsumer<_> = config.create_with_context(Rebalances::default()).unwrap();
        consumer.subscribe(&[INPUT]).unwrap();
        let producer = transactional(run, name);
        while run.is_reading() && handle_some(&consumer, &producer).is_ok() {}
    }
}

/// Where it fails, the consumer has to begin anew from what is committed.
fn handle_some(
    consumer: &BaseConsumer<Rebalances>,
    producer: &TransactionalProducer,
) -> Result<(), Refused> {
    let Some(Ok(mut message)) = consumer.poll(Duration::from_millis(50)) else {
        return Ok(());
    };
    let rebalances = || consumer.context().0.load(Ordering::Relaxed);
    let before = rebalances();
    step(|| producer.begin_transaction())?;
    for left in (0..20).rev() {
        let value = std::str::from_utf8(message.payload().unwrap()).unwrap();
        let record: BaseRecord<'_, str, str> = BaseRecord::to(OUTPUT);
        let record = record.partition(message.partition()).payload(value);
        producer.send(record).map_err(|_| Refused::Fatal)?;
        if left == 0 {
            break;
        }
        match consumer.poll(Duration::from_millis(2)) {
            Some(Ok(next)) => message = next,
            _ => break,
        }
    }
    let committed = match rebalances() == before {
        true => commit_with_offsets(consumer, producer),
        // What was handled may be of a partition that is somebody else's now.
        false => Err(Refused::Abort),
    };
    if let Err(Refused::Abort) = committed {
        step(|| producer.abort_transaction(PATIENCE))?;
    }
    committed
}

fn commit_with_offsets(
    consumer: &BaseConsumer<Rebalances>,
    producer: &TransactionalProducer,
) -> Result<(), Refused> {
    let offsets = consumer.position().map_err(|_| Refused::Abort)?;
    let group = consumer.group_metadata().ok_or(Refused::Abort)?;
    step(|| producer.send_offsets_to_transaction(&offsets, &group, PATIENCE))?;
    step(|| producer.commit_transaction(PATIENCE))
}
