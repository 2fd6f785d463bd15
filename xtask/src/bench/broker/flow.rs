//! Records at a fixed pace, and consumers that wait for them.

use super::brokers::{Broker, Durability, in_turn};
use super::load::{self, MEGABYTES_PER_CPU, Measured, P50, P99, Reading, Topic, note};
use super::session::Session;
use crate::bench::ground::Ground;

/// One row of the table.
pub(super) struct Flow {
    pub(super) name: &'static str,
    consumers: u32,
    linger_ms: u32,
    readings: &'static [Reading],
}

const PARTITIONS: u32 = 4;
/// Records a second, each of 1 KiB.
const RATE: u32 = 5_000;

/// Batches of some 50 KiB.
pub(super) const TAIL: Flow = Flow {
    name: "tail-50",
    consumers: 50,
    linger_ms: 10,
    readings: &[(MEGABYTES_PER_CPU, Measured::megabytes_per_cpu)],
};

pub(super) const LATENCY: Flow = Flow {
    name: "latency-5k",
    consumers: 1,
    linger_ms: 0,
    readings: &[(P50, Measured::p50), (P99, Measured::p99)],
};

impl Flow {
    pub(super) fn run(&self, session: &mut Session) -> anyhow::Result<()> {
        let Session {
            pace,
            brokers,
            ground,
            ..
        } = session;
        for round in 0..pace.rounds {
            for broker in in_turn(brokers, round, Durability::Os).filter(|it| it.speaks_kafka()) {
                let measured = self.once(ground, pace.seconds, broker);
                note(ground, self.name, broker, self.readings, measured)?;
            }
        }
        Ok(())
    }

    pub(super) fn once(
        &self,
        ground: &Ground,
        seconds: f64,
        broker: &Broker,
    ) -> anyhow::Result<Measured> {
        let topic = Topic {
            broker,
            name: self.name,
            partitions: PARTITIONS,
            durability: Durability::Os,
        };
        topic.create(ground)?;
        let mut client = topic.client(ground, "flow");
        client
            .arg(format!("--consumers={}", self.consumers))
            .arg(format!("--linger-ms={}", self.linger_ms))
            .arg(format!("--rate={RATE}"))
            .arg(format!("--seconds={seconds}"));
        let measured = load::measure(ground, broker, &mut client);
        topic.delete(ground)?;
        measured
    }
}
