//! New processes: the time to the first record, and memory.

use std::thread::sleep;
use std::time::Duration;

use anyhow::Context;

use super::brokers::{Broker, Durability};
use super::load::metric;
use super::produce;
use super::session::{Pace, Session};
use crate::bench::cpu::{peak_resident, resident};
use crate::bench::figures::Metric;
use crate::bench::ground::{Ground, rotated};

pub(super) const NAME: &str = "start";
pub(super) const FIRST: Metric = metric("first acknowledged record", "ms");
pub(super) const IDLE: Metric = metric("RSS idle", "MiB");
pub(super) const LOADED: Metric = metric("peak RSS under load", "MiB");

/// Until what a start leaves behind is done.
const SETTLE: Duration = Duration::from_secs(2);
const MEBIBYTE: f64 = 1024.0 * 1024.0;

pub(super) fn run(session: &mut Session) -> anyhow::Result<()> {
    let makers: Vec<_> = session.stable.makers().collect();
    for round in 0..session.pace.rounds {
        for place in rotated(makers.len(), round) {
            let maker = makers[place];
            session.ground.check_interrupt()?;
            let broker = session
                .stable
                .start(&session.ground, maker, Durability::Os)?;
            let measured = once(&session.ground, session.pace, &broker)?;
            let mut line = format!("  {:<8}", maker.name);
            for (metric, value) in [FIRST, IDLE, LOADED].into_iter().zip(measured) {
                session.ground.figures.add(NAME, metric, maker.name, value);
                line += &format!("  {value:.1} {} {}", metric.unit, metric.name);
            }
            println!("{line}");
        }
    }
    Ok(())
}

fn once(ground: &Ground, pace: Pace, broker: &Broker) -> anyhow::Result<[f64; 3]> {
    sleep(SETTLE);
    let idle = resident(broker.pid());
    for load in [&produce::BULK, &produce::SMALL] {
        load.for_a_while(ground, broker, pace.seconds / 2.0, pace.bulk_records)?;
    }
    let loaded = peak_resident(broker.pid()).context("it is gone")?;
    Ok([
        broker.started_in.as_secs_f64() * 1e3,
        idle as f64 / MEBIBYTE,
        loaded as f64 / MEBIBYTE,
    ])
}
