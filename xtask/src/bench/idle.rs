//! What a connection costs that has made its request and then makes none for a while.

use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit};

use super::closed_loop::{self, GET_64};
use super::contenders::Contender;
use super::cpu::resident;
use super::figures::Metric;
use super::process::{Process, first_line, pinned};
use super::session::Session;
use super::topology::Topology;

pub(super) const NAME: &str = "idle-10k";
const CONNECTIONS: usize = 10_000;
/// Open files for each connection: Polity keeps a quarter of its files for clients.
const FILES_FOR_EACH: u64 = 4;
/// What is left of the clients' share for a few others.
const OTHERS: u64 = 100;
pub(super) const PER_CONNECTION: Metric = Metric {
    name: "RSS per connection",
    unit: "KiB",
};
/// Memory has settled when it was the same for so long; no longer than the second is waited for it.
const STILL: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(8);
const LOOK: Duration = Duration::from_millis(100);

/// Each round with new processes: one that has had many connections before would keep their memory, and
/// give it to these.
pub(super) fn run(session: &mut Session) -> anyhow::Result<()> {
    let connections = connections();
    if connections < CONNECTIONS {
        println!("{NAME}: the limit of open files (ulimit -Hn) allows for {connections} only");
    }
    for round in 0..session.pace.rounds {
        for place in session.proxies_in_turn(round) {
            let name = session.contenders[place].name.clone();
            let fresh = session
                .stable
                .start(&name, session.origin, &Topology::single(), "/1k")?;
            once(session, &fresh, connections)?;
        }
    }
    Ok(())
}

/// As many as the name says, where the system grants the files that they need.
fn connections() -> usize {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let most = (files / FILES_FOR_EACH).saturating_sub(OTHERS);
    usize::try_from(most).map_or(CONNECTIONS, |most| most.min(CONNECTIONS))
}

fn once(session: &mut Session, contender: &Contender, connections: usize) -> anyhow::Result<()> {
    // Whatever is set up by the first requests belongs to none of the connections.
    closed_loop::send(session, contender, &GET_64, GET_64.script, 1)?;
    let before = settled(contender.pid());
    let mut command = pinned(
        &session.ground.cores.load,
        &session.ground.programs.instruments,
    );
    command
        .args(["idle", "--path", "/1k"])
        .arg(format!("--address={}", contender.address))
        .arg(format!("--connections={connections}"))
        .stdin(std::process::Stdio::piped());
    let log = session.ground.folder().join("idle.log");
    let (mut clients, mut output) = Process::start_piped(command, &log)?;
    let opened = first_line(&mut output)?;
    if opened != connections.to_string() {
        let defect = format!("not all could be opened: {}", clients.last_words());
        session
            .ground
            .defect(NAME, &[PER_CONNECTION], &contender.name, &defect);
        return Ok(());
    }
    let after = settled(contender.pid());
    clients.close_input();
    let open = first_line(&mut output)?;
    if open != opened {
        let defect = format!("only {open} of {opened} were kept open");
        session
            .ground
            .defect(NAME, &[PER_CONNECTION], &contender.name, &defect);
    }
    let kibibytes = (after as f64 - before as f64) / connections as f64 / 1024.0;
    let figures = &mut session.ground.figures;
    figures.add(NAME, PER_CONNECTION, &contender.name, kibibytes);
    Ok(())
}

/// Resident bytes once they have stopped to change.
fn settled(pid: u32) -> u64 {
    let began = Instant::now();
    let (mut last, mut since) = (resident(pid), Instant::now());
    while since.elapsed() < STILL && began.elapsed() < PATIENCE {
        sleep(LOOK);
        let now = resident(pid);
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
    last
}
