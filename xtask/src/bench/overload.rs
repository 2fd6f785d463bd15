//! More requests than an origin can answer: how many are still answered well and in time.

use std::net::SocketAddr;

use super::contenders::Contender;
use super::figures::Metric;
use super::open_loop::{self, Schedule};
use super::session::{Session, start_origin};
use super::topology::Topology;

pub(super) const NAME: &str = "overload";
/// What the origin can do: so many at once, each of which takes so long. Whoever comes more waits.
const WORKERS: &str = "16";
const SERVICE_TIME_MS: &str = "8";
/// As many as may be on their way at once.
const CONNECTIONS: usize = 4000;

pub(super) const KEPT: Metric = Metric {
    name: "goodput kept at 2x",
    unit: "of peak",
};

/// A share of the saturating load, and what is measured at it.
struct Level {
    share: f64,
    goodput: Metric,
    p99: Metric,
    refused: Metric,
}

const LEVELS: [Level; 3] = [
    level(0.5, "goodput at 0.5x", "p99 at 0.5x", "refused at 0.5x"),
    level(1.0, "goodput at 1x", "p99 at 1x", "refused at 1x"),
    level(2.0, "goodput at 2x", "p99 at 2x", "refused at 2x"),
];

const fn level(
    share: f64,
    goodput: &'static str,
    p99: &'static str,
    refused: &'static str,
) -> Level {
    Level {
        share,
        goodput: Metric {
            name: goodput,
            unit: "/s",
        },
        p99: Metric {
            name: p99,
            unit: "us",
        },
        refused: Metric {
            name: refused,
            unit: "/s",
        },
    }
}

pub(super) fn run(session: &mut Session) -> anyhow::Result<()> {
    let arguments = ["--workers", WORKERS, "--service-time-ms", SERVICE_TIME_MS];
    let (_process, origin) = start_origin(&session.ground, &arguments)?;
    let capacity = capacity(session, origin)?;
    for round in 0..session.pace.rounds {
        for place in session.proxies_in_turn(round) {
            let name = session.contenders[place].name.clone();
            let fresh = session
                .stable
                .start(&name, origin, &Topology::single(), "/1k")?;
            once(session, &fresh, capacity)?;
        }
    }
    Ok(())
}

/// Requests a second that the origin answers, asked directly for more.
fn capacity(session: &Session, origin: SocketAddr) -> anyhow::Result<f64> {
    let workers: f64 = WORKERS.parse()?;
    let service_time_ms: f64 = SERVICE_TIME_MS.parse()?;
    let nominal = workers * 1000.0 / service_time_ms;
    let outcome = open_loop::run(session, origin, &schedule(session, nominal * 1.5))?;
    Ok(outcome.number("completed_per_second"))
}

fn schedule(session: &Session, rate: f64) -> Schedule {
    Schedule {
        rate,
        connections: CONNECTIONS,
        // Long enough for a limit that adapts to have found its place.
        warm_up_seconds: session.pace.open_loop_seconds,
        seconds: session.pace.open_loop_seconds,
    }
}

fn once(session: &mut Session, contender: &Contender, capacity: f64) -> anyhow::Result<()> {
    let name = &contender.name;
    let (mut peak, mut last) = (0_f64, 0.0);
    for level in &LEVELS {
        let schedule = schedule(session, capacity * level.share);
        let outcome = open_loop::run(session, contender.address, &schedule)?;
        last = outcome.number("good_in_time_per_second");
        peak = peak.max(last);
        if let Some(defect) = outcome.defect(&["failed"]) {
            session
                .ground
                .defect(NAME, &[level.goodput, level.p99, KEPT], name, &defect);
        }
        session.ground.figures.add(NAME, level.goodput, name, last);
        let figures = &mut session.ground.figures;
        figures.add(NAME, level.p99, name, outcome.number("p99_us"));
        figures.add(
            NAME,
            level.refused,
            name,
            outcome.number("refused_per_second"),
        );
    }
    session.ground.figures.add(NAME, KEPT, name, last / peak);
    Ok(())
}
