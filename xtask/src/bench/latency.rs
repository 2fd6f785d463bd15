//! Latency at half of what the slowest contender of the class can do: the same rate for all, and for the
//! origin by itself, so that what a proxy adds can be told. One far slower would make it a rate that
//! nobody else notices.

use std::net::SocketAddr;

use super::closed_loop::{self, GET_64};
use super::contenders::CLASS;
use super::figures::{Figure, Metric, RATE};
use super::open_loop::{self, Schedule};
use super::session::Session;

pub(super) const NAME: &str = "latency-half";
/// The origin, asked directly.
const DIRECT: &str = "direct";
const CONNECTIONS: usize = 64;

/// How they are called in the table and in what the instrument reports.
const PERCENTILES: [(Metric, &str); 3] = [
    (microseconds("p50"), "p50_us"),
    (microseconds("p99"), "p99_us"),
    (microseconds("p99.9"), "p999_us"),
];
pub(super) const P99_ADDED: Metric = microseconds("p99 added");
const OFFERED: Metric = Metric {
    name: "offered",
    unit: "/s",
};

const fn microseconds(name: &'static str) -> Metric {
    Metric { name, unit: "us" }
}

pub(super) fn run(session: &mut Session) -> anyhow::Result<()> {
    let all = 0..session.contenders.len();
    let is_in_class = |place: &usize| CLASS.contains(&session.contenders[*place].name.as_str());
    let class: Vec<usize> = all.filter(is_in_class).collect();
    let rate = saturation(session, &class)? / 2.0;
    session.ground.figures.add(NAME, OFFERED, DIRECT, rate);
    let schedule = Schedule {
        rate,
        connections: CONNECTIONS,
        warm_up_seconds: 0.5,
        seconds: session.pace.open_loop_seconds,
    };
    for round in 0..session.pace.rounds {
        let direct = once(session, DIRECT, session.origin, &schedule)?;
        for place in session.proxies_in_turn(round) {
            if !class.contains(&place) {
                continue;
            }
            let contender = &session.contenders[place];
            let (name, address) = (contender.name.clone(), contender.address);
            let p99 = once(session, &name, address, &schedule)?;
            session
                .ground
                .figures
                .add(NAME, P99_ADDED, &name, p99 - direct);
        }
    }
    Ok(())
}

/// Requests a second of the slowest of them when it is given as many as it takes.
fn saturation(session: &Session, class: &[usize]) -> anyhow::Result<f64> {
    let mut least = f64::INFINITY;
    for place in class {
        let contender = &session.contenders[*place];
        let known = session
            .ground
            .figures
            .find(GET_64.name, RATE, &contender.name);
        let rate = match known.and_then(Figure::median) {
            Some(rate) => rate,
            None => closed_loop::measure(session, contender, &GET_64, GET_64.script)?.rate,
        };
        least = least.min(rate);
    }
    Ok(least)
}

/// Gives the 99th percentile.
fn once(
    session: &mut Session,
    name: &str,
    address: SocketAddr,
    schedule: &Schedule,
) -> anyhow::Result<f64> {
    let outcome = open_loop::run(session, address, schedule)?;
    for (metric, key) in PERCENTILES {
        session
            .ground
            .figures
            .add(NAME, metric, name, outcome.number(key));
    }
    if let Some(defect) = outcome.defect(&["failed", "refused", "unanswered"]) {
        let metrics = PERCENTILES.map(|(metric, _)| metric);
        session.ground.defect(NAME, &metrics, name, &defect);
        session.ground.defect(NAME, &[P99_ADDED], name, &defect);
    }
    Ok(outcome.number("p99_us"))
}
