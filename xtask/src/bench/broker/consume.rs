//! Gigabytes that are on the disk and not in memory, read from the beginning: MB per CPU second.

use std::fs::{self, File};
use std::path::Path;

use anyhow::ensure;
use rustix::fs::{Advice, fadvise, statvfs};

use super::brokers::{Broker, Durability, in_turn};
use super::load::{self, MEGABYTES_PER_CPU, Measured, Reading, Topic, metric, note};
use super::session::Session;
use crate::bench::figures::Metric;
use crate::bench::ground::Ground;

pub(super) const NAME: &str = "consume";
const MEGABYTES: Metric = metric("MB per second", "MB/s");
const READINGS: [Reading; 2] = [
    (MEGABYTES_PER_CPU, Measured::megabytes_per_cpu),
    (MEGABYTES, Measured::megabytes_per_second),
];

const PARTITIONS: u32 = 4;
const RECORD_BYTES: u64 = 1024;
/// It takes longer than all else.
const MOST_ROUNDS: usize = 2;
/// Besides what is consumed.
const SPARE: u64 = 4_000_000_000;

pub(super) fn run(session: &mut Session) -> anyhow::Result<()> {
    let Session {
        pace,
        brokers,
        ground,
        ..
    } = session;
    let records = pace.gigabytes * 1_000_000_000 / RECORD_BYTES;
    let topics: Vec<Topic<'_>> = in_turn(brokers, 0, Durability::Os)
        .filter(|it| it.speaks_kafka())
        .map(topic)
        .collect();
    ensure_room(ground, topics.len() as u64 * pace.gigabytes)?;
    for topic in &topics {
        println!(
            "  producing {} GB to {}",
            pace.gigabytes,
            topic.broker.name()
        );
        fill(ground, topic, records)?;
    }
    for round in 0..pace.rounds.min(MOST_ROUNDS) {
        for broker in in_turn(brokers, round, Durability::Os).filter(|it| it.speaks_kafka()) {
            let measured = consume(ground, broker, records);
            note(ground, NAME, broker, &READINGS, measured)?;
        }
    }
    topics.iter().try_for_each(|topic| topic.delete(ground))
}

fn topic(broker: &Broker) -> Topic<'_> {
    Topic {
        broker,
        name: NAME,
        partitions: PARTITIONS,
        durability: Durability::Os,
    }
}

fn fill(ground: &Ground, topic: &Topic<'_>, records: u64) -> anyhow::Result<()> {
    topic.create(ground)?;
    let mut client = topic.client(ground, "produce");
    client
        .arg(format!("--producers={PARTITIONS}"))
        .arg(format!("--record-bytes={RECORD_BYTES}"))
        .arg(format!("--records={records}"));
    load::finish(&mut client)
}

fn consume(ground: &Ground, broker: &Broker, records: u64) -> anyhow::Result<Measured> {
    forget(&broker.folder)?;
    let mut client = topic(broker).client(ground, "consume");
    client.arg(format!("--records={records}"));
    load::measure(ground, broker, &mut client)
}

/// Has the system keep none of the files in `folder` in memory.
fn forget(folder: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            forget(&path)?;
        } else if path.extension().is_some_and(|it| it == "log") {
            let file = File::open(&path)?;
            // What is not written yet cannot be forgotten.
            file.sync_all()?;
            fadvise(&file, 0, None, Advice::DontNeed)?;
        }
    }
    Ok(())
}

fn ensure_room(ground: &Ground, gigabytes: u64) -> anyhow::Result<()> {
    let disk = statvfs(ground.folder())?;
    let free = disk.f_bavail * disk.f_frsize;
    let needed = gigabytes * 1_000_000_000 + SPARE;
    ensure!(
        free >= needed,
        "{} GB are free in {} and {} GB needed: take fewer by `--gigabytes`",
        free / 1_000_000_000,
        ground.folder().display(),
        needed / 1_000_000_000,
    );
    Ok(())
}
