//! Latency at half of what the slowest contender can do: the same rate for all, and for the origin by
//! itself, so that what a proxy adds can be told.

use std::net::SocketAddr;

use super::closed_loop::{self, GET_64};
use super::contenders::POLITY;
use super::figures::Metric;
use super::open_loop::{self, Schedule};
use super::session::Session;

pub(super) const NAME: &str = "latency-half";
/// The origin, asked directly.
const DIRECT: &str = "direct";
const CONNECTIONS: usize = 64;
/// Of the fastest contender's rate, for a peer to take part.
const LEAST_SHARE: f64 = 0.6;

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
    let (rate, taking_part) = rate_for_all(session)?;
    session.figures.add(NAME, OFFERED, DIRECT, rate);
    let schedule = Schedule {
        rate,
        connections: CONNECTIONS,
        warm_up_seconds: 0.5,
        seconds: session.pace.open_loop_seconds,
    };
    for round in 0..session.pace.rounds {
        let direct = once(session, DIRECT, session.origin, &schedule)?;
        for place in session.in_turn(round) {
            if !taking_part.contains(&place) {
                continue;
            }
            let contender = &session.contenders[place];
            let (name, address) = (contender.name.clone(), contender.address);
            let p99 = once(session, &name, address, &schedule)?;
            session.figures.add(NAME, P99_ADDED, &name, p99 - direct);
        }
    }
    Ok(())
}

/// Half of what the slowest contender does when it is given as many requests as it takes, and who takes
/// part: whoever is far slower than the fastest would make the rate one that nobody else notices.
fn rate_for_all(session: &Session) -> anyhow::Result<(f64, Vec<usize>)> {
    let mut rates = Vec::new();
    for contender in &session.contenders {
        let measured = closed_loop::measure(session, contender, &GET_64, GET_64.script)?;
        rates.push(measured.rate);
    }
    let fastest = rates.iter().copied().fold(0.0, f64::max);
    let (mut slowest, mut taking_part) = (fastest, Vec::new());
    for (place, rate) in rates.into_iter().enumerate() {
        let name = &session.contenders[place].name;
        if name != POLITY && rate < LEAST_SHARE * fastest {
            println!("{NAME}: {name} is left out, as it makes {rate:.0} requests a second");
            continue;
        }
        slowest = slowest.min(rate);
        taking_part.push(place);
    }
    Ok((slowest / 2.0, taking_part))
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
        session.figures.add(NAME, metric, name, outcome.number(key));
    }
    if let Some(defect) = outcome.defect(&["failed", "refused", "unanswered"]) {
        let metrics = PERCENTILES.map(|(metric, _)| metric);
        session.defect(NAME, &metrics, name, &defect);
        session.defect(NAME, &[P99_ADDED], name, &defect);
    }
    Ok(outcome.number("p99_us"))
}
