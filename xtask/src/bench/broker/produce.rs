//! Producers that send the next batch when an answer has come: records per CPU second.

use std::process::Command;

use super::brokers::{Broker, Durability, in_turn};
use super::load::{self, Measured, P50, P99, RECORDS, RECORDS_PER_CPU, Reading, Topic, note};
use super::session::{Pace, Session};
use crate::bench::ground::Ground;

/// One row of the table.
pub(super) struct Produce {
    pub(super) name: &'static str,
    durability: Durability,
    producers: u32,
    record_bytes: u32,
    /// Of a batch, at most; 0 is one record.
    batch_bytes: u32,
    /// Of the client; few where there are many small answers, lest waking it is what is measured.
    threads: u32,
    /// Batches that wait for their answer at the same time.
    in_flight: u32,
    amount: Amount,
}

/// How much is produced in a run.
#[derive(Clone, Copy)]
enum Amount {
    /// So that all write alike, and the disk has as much to do beside each.
    Bulk,
    Time,
}

/// Of a topic: each producer has one, or shares it with those that come after four others.
const PARTITIONS: u32 = 4;

pub(super) const BULK: Produce = Produce {
    name: "produce-1k",
    durability: Durability::Os,
    producers: 4,
    threads: 4,
    record_bytes: 1024,
    batch_bytes: 65_536,
    in_flight: 5,
    amount: Amount::Bulk,
};

pub(super) const DURABLE: Produce = Produce {
    name: "produce-1k-fsync",
    durability: Durability::Fsync,
    amount: Amount::Time,
    ..BULK
};

pub(super) const SMALL: Produce = Produce {
    name: "produce-100",
    durability: Durability::Os,
    producers: 16,
    threads: 1,
    record_bytes: 100,
    batch_bytes: 0,
    in_flight: 1,
    amount: Amount::Time,
};

const READINGS: [Reading; 4] = [
    (RECORDS_PER_CPU, Measured::records_per_cpu),
    (RECORDS, Measured::records_per_second),
    (P50, Measured::p50),
    (P99, Measured::p99),
];

impl Produce {
    pub(super) fn run(&self, session: &mut Session) -> anyhow::Result<()> {
        let Session {
            pace,
            brokers,
            ground,
            ..
        } = session;
        for round in 0..pace.rounds {
            for broker in in_turn(brokers, round, self.durability) {
                let measured = self.once(ground, *pace, broker);
                note(ground, self.name, broker, &READINGS, measured)?;
            }
        }
        Ok(())
    }

    fn once(&self, ground: &Ground, pace: Pace, broker: &Broker) -> anyhow::Result<Measured> {
        let topic = self.topic(broker);
        topic.create(ground)?;
        let mut client = self.client(ground, &topic);
        match self.amount {
            Amount::Bulk => client.arg(format!("--records={}", pace.bulk_records)),
            Amount::Time => client.arg(format!("--seconds={}", pace.seconds)),
        };
        let measured = load::measure(ground, broker, &mut client);
        topic.delete(ground)?;
        measured
    }

    fn topic<'a>(&self, broker: &'a Broker) -> Topic<'a> {
        Topic {
            broker,
            name: self.name,
            partitions: PARTITIONS,
            durability: self.durability,
        }
    }

    fn client(&self, ground: &Ground, topic: &Topic<'_>) -> Command {
        let mut client = topic.client(ground, "produce");
        client
            .arg(format!("--producers={}", self.producers))
            .arg(format!("--threads={}", self.threads))
            .arg(format!("--record-bytes={}", self.record_bytes))
            .arg(format!("--batch-bytes={}", self.batch_bytes))
            .arg(format!("--in-flight={}", self.in_flight));
        client
    }

    /// The same load, unmeasured: for some seconds, if so many records last.
    pub(super) fn for_a_while(
        &self,
        ground: &Ground,
        broker: &Broker,
        seconds: f64,
        records: u64,
    ) -> anyhow::Result<()> {
        let topic = self.topic(broker);
        topic.create(ground)?;
        let mut client = self.client(ground, &topic);
        client.arg(format!("--seconds={seconds}"));
        client.arg(format!("--records={records}"));
        let finished = load::finish(&mut client);
        // The measurement has a topic of the same name.
        topic.delete(ground)?;
        finished
    }
}
