//! A long answer from an origin that is fast to a client that is not: what waits must wait with the
//! origin, not in the proxy's memory.

use std::thread::sleep;
use std::time::Duration;

use super::contenders::Contender;
use super::cpu::resident;
use super::figures::Metric;
use super::process::{Process, pinned};
use super::session::Session;
use super::topology::Topology;

pub(super) const NAME: &str = "slow-reader";
pub(super) const GROWTH: Metric = Metric {
    name: "peak RSS growth",
    unit: "MiB",
};
/// MiB a second; the origin alone makes some two thousand.
const PACE: usize = 256;
const LOOK: Duration = Duration::from_millis(20);

/// Each round with new processes, whose memory has not been used before.
pub(super) fn run(session: &mut Session) -> anyhow::Result<()> {
    for round in 0..session.pace.rounds {
        for place in session.proxies_in_turn(round) {
            let name = session.contenders[place].name.clone();
            let fresh = session
                .stable
                .start(&name, session.origin, &Topology::single(), "/1k")?;
            once(session, &fresh)?;
        }
    }
    Ok(())
}

fn once(session: &mut Session, contender: &Contender) -> anyhow::Result<()> {
    session.ground.check_interrupt()?;
    let before = resident(contender.pid());
    let mut command = pinned(
        &session.ground.cores.load,
        &session.ground.programs.instruments,
    );
    command
        .args(["slow", "--path", "/big"])
        .arg(format!("--address={}", contender.address))
        .arg(format!("--pace={PACE}"))
        .arg(format!("--most={}", session.pace.slow_reader_mebibytes));
    let mut client = Process::start(command, &session.ground.folder().join("slow.log"))?;
    let mut most = before;
    let status = loop {
        most = most.max(resident(contender.pid()));
        if let Some(status) = client.ended()? {
            break status;
        }
        sleep(LOOK);
    };
    if !status.success() {
        let defect = client.last_words();
        session
            .ground
            .defect(NAME, &[GROWTH], &contender.name, &defect);
    }
    let mebibytes = (most - before) as f64 / f64::from(1 << 20);
    let figures = &mut session.ground.figures;
    figures.add(NAME, GROWTH, &contender.name, mebibytes);
    Ok(())
}
