//! The broker is killed at random moments under many clients of other people's making, and afterwards
//! what they did, what they saw and what is in the log must fit together.

mod check;
mod clients;
mod history;

use std::env;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use polity_core::{Rng, SplitMix64};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::broker::Running;
use crate::wait;
use clients::{Floor, HANDLERS, INPUT, LOG, OUTPUT, PARTITIONS, Run};
use history::{History, Log, Records};

/// How often the broker is killed, unless `E2E_BROKER_KILLS` says another number.
const KILLS: u32 = 4;

/// The moments between two kills, in milliseconds: within some, everything is under way; within
/// others, clients are only coming back.
const MOMENTS_MS: std::ops::Range<u64> = 20..1500;

const PATIENCE: Duration = Duration::from_secs(10);

fn number<T: std::str::FromStr>(variable: &str) -> Option<T> {
    env::var(variable).ok()?.parse().ok()
}

#[test]
fn clients_lose_and_double_nothing_however_often_the_broker_is_killed() {
    let seed = number("E2E_SEED").unwrap_or_else(|| SplitMix64::from_system().next_u64());
    let kills = number("E2E_BROKER_KILLS").unwrap_or(KILLS);
    eprintln!("{kills} kills; again, as far as time allows, by E2E_SEED={seed}");
    let folder = TempDir::new().unwrap();
    let mut broker = Running::start_at(folder.path(), "127.0.0.1:0");
    let run = Arc::new(Run {
        brokers: broker.address.to_string(),
        seed,
        is_over: AtomicBool::new(false),
        is_read: AtomicBool::new(false),
        wrong: Mutex::default(),
    });
    create_topics(&run);
    let clients = Clients::start(&run);
    let mut random = SplitMix64::new(seed);
    for _ in 0..kills {
        let moment = MOMENTS_MS.start + random.next_u64() % (MOMENTS_MS.end - MOMENTS_MS.start);
        thread::sleep(Duration::from_millis(moment));
        broker = killed(broker, folder.path());
    }
    let history = clients.stop(&run);
    // What there is has been read from the disk, not remembered.
    let _broker = killed(broker, folder.path());
    let log = read_all(&run, LOG);
    let (inputs, outputs) = (read_all(&run, INPUT), read_all(&run, OUTPUT));
    let mut wrong = std::mem::take(&mut *run.wrong.lock().unwrap());
    wrong.extend(check::check(&history, &log));
    wrong.extend(check::check_once(&inputs.committed, &outputs.committed));
    let acknowledged = history.writes.iter().filter(|it| it.acknowledged.is_some());
    let read = history.sessions.iter().map(|it| it.records.len());
    eprintln!(
        "{} writes, {} acknowledged; {} transactions; {} reads in {} sessions; {} handled",
        history.writes.len(),
        acknowledged.count(),
        history.transactions.len(),
        read.sum::<usize>(),
        history.sessions.len(),
        inputs.committed.len(),
    );
    if !wrong.is_empty() {
        let kept = folder.keep();
        panic!(
            "{} faults, the log is in {}:\n{}",
            wrong.len(),
            kept.display(),
            wrong.join("\n")
        );
    }
    assert!(!history.sessions.is_empty() && !inputs.committed.is_empty());
}

/// Kills the broker and starts another in its place.
fn killed(broker: Running, data: &Path) -> Running {
    let address = broker.address.to_string();
    assert!(!broker.end(Signal::KILL));
    Running::start_at(data, &address)
}

fn create_topics(run: &Run) {
    let admin: AdminClient<DefaultClientContext> = run.config().create().unwrap();
    let new = |name| NewTopic::new(name, PARTITIONS, TopicReplication::Fixed(1));
    let topics = [LOG, INPUT, OUTPUT].map(new);
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    let created = runtime.block_on(admin.create_topics(&topics, &AdminOptions::new()));
    created
        .unwrap()
        .into_iter()
        .for_each(|it| drop(it.unwrap()));
}

/// All clients, at work.
struct Clients {
    writers: Vec<JoinHandle<Vec<history::Write>>>,
    feeder: JoinHandle<Vec<history::Write>>,
    transactors: Vec<JoinHandle<Vec<history::Transaction>>>,
    readers: Vec<JoinHandle<Vec<history::Session>>>,
    handlers: Vec<JoinHandle<()>>,
}

impl Clients {
    fn start(run: &Arc<Run>) -> Self {
        let spawn_writer = |name: String, topic: &'static str| {
            let run = Arc::clone(run);
            thread::spawn(move || clients::write(&run, &name, topic))
        };
        let transactor = |number| {
            let run = Arc::clone(run);
            thread::spawn(move || clients::transact(&run, &format!("transactor-{number}")))
        };
        let handler = |number| {
            let run = Arc::clone(run);
            thread::spawn(move || clients::handle(&run, &format!("handler-{number}")))
        };
        let mut readers = Vec::new();
        for protocol in ["classic", "consumer"] {
            let floor = Arc::<Floor>::default();
            for number in 0..2 {
                let (run, floor) = (Arc::clone(run), Arc::clone(&floor));
                readers.push(thread::spawn(move || {
                    let name = format!("{protocol}-{number}");
                    clients::read(&run, &name, (protocol, protocol), &floor)
                }));
            }
        }
        Self {
            writers: (0..2)
                .map(|number| spawn_writer(format!("writer-{number}"), LOG))
                .collect(),
            feeder: spawn_writer("feeder".to_owned(), INPUT),
            transactors: (0..3).map(transactor).collect(),
            readers,
            handlers: (0..2).map(handler).collect(),
        }
    }

    /// Lets each come to its end, and gives what they remember.
    fn stop(self, run: &Run) -> History {
        run.is_over.store(true, Ordering::Relaxed);
        let joined = |writers: Vec<JoinHandle<_>>| {
            writers
                .into_iter()
                .flat_map(|it| it.join().unwrap())
                .collect()
        };
        let writes = joined(self.writers);
        let fed = self.feeder.join().unwrap();
        assert!(fed.iter().any(|it| it.acknowledged.is_some()));
        let transactions = self.transactors.into_iter();
        let transactions = transactions.flat_map(|it| it.join().unwrap()).collect();
        await_handled(run);
        run.is_read.store(true, Ordering::Relaxed);
        self.handlers.into_iter().for_each(|it| it.join().unwrap());
        let sessions = self.readers.into_iter();
        History {
            writes,
            transactions,
            sessions: sessions.flat_map(|it| it.join().unwrap()).collect(),
        }
    }
}

/// Until all that is to be handled is.
fn await_handled(run: &Run) {
    let mut config = run.config();
    config.set("group.id", HANDLERS);
    let observer: BaseConsumer = config.create().unwrap();
    wait::until("all is handled", || {
        (0..PARTITIONS)
            .all(|partition| is_handled(&observer, partition) == Some(true))
            .then_some(())
    });
}

fn is_handled(observer: &BaseConsumer, partition: i32) -> Option<bool> {
    let (_, end) = observer.fetch_watermarks(INPUT, partition, PATIENCE).ok()?;
    let mut asked = TopicPartitionList::new();
    asked.add_partition(INPUT, partition);
    let found = observer.committed_offsets(asked, PATIENCE).ok()?;
    let committed = found.find_partition(INPUT, partition)?.offset();
    Some(end == 0 || committed == Offset::Offset(end))
}

fn read_all(run: &Run, topic: &str) -> Log {
    Log {
        all: read(run, topic, "read_uncommitted"),
        committed: read(run, topic, "read_committed"),
    }
}

/// Reads a topic from its beginning to its end.
fn read(run: &Run, topic: &str, isolation: &str) -> Records {
    let mut config = run.config();
    config
        .set("group.id", "nobody")
        .set("enable.partition.eof", "true")
        .set("enable.auto.commit", "false")
        .set("isolation.level", isolation);
    let consumer: BaseConsumer = config.create().unwrap();
    let mut all = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        all.add_partition_offset(topic, partition, Offset::Beginning)
            .unwrap();
    }
    consumer.assign(&all).unwrap();
    let mut records = Records::new();
    let mut left = PARTITIONS;
    while left > 0 {
        match consumer.poll(wait::DEADLINE) {
            Some(Ok(message)) => {
                let value = String::from_utf8(message.payload().unwrap().to_vec()).unwrap();
                let place = (message.partition(), message.offset());
                assert_eq!(records.insert(place, value), None, "{place:?} comes twice");
            }
            Some(Err(KafkaError::PartitionEOF(_))) => left -= 1,
            // The client finds a broker again that was away.
            Some(Err(_)) => {}
            None => panic!("{topic} does not end"),
        }
    }
    records
}
