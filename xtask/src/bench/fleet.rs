//! `cargo xtask bench balance`: balancers before the same eight servers, some of which have a bad day.

mod balancers;
mod report;
mod servers;

use std::path::PathBuf;
use std::process::ExitCode;

use super::Options;
use super::contenders::{answers, free_address};
use super::figures::Metric;
use super::open_loop::{self, Schedule};
use super::process::{Process, pinned};
use super::session::Session;
use balancers::{BALANCERS, Balancer};
use servers::Fleet;

const NAME: &str = "fleet";
/// Requests a second: about two thirds of what the servers can do on a good day.
const RATE: f64 = 1_600.0;
/// On their way at once, at most.
const CONNECTIONS: usize = 2_000;
/// Long enough for all that the servers do, and the time after it.
pub(super) const SECONDS: f64 = 10.0;

pub(super) const P50: Metric = metric("p50", "us");
pub(super) const P99: Metric = metric("p99", "us");
pub(super) const P999: Metric = metric("p99.9", "us");
/// Errors, refusals, and answers later than a client waits for.
pub(super) const FAILED: Metric = metric("failed", "of 100,000");

const fn metric(name: &'static str, unit: &'static str) -> Metric {
    Metric { name, unit }
}

pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let mut session = Session::begin(options)?;
    let fleet = Fleet::start(&session)?;
    let wanted = |balancer: &&Balancer| {
        options.only.is_empty() || options.only.iter().any(|only| balancer.name.contains(only))
    };
    let balancers: Vec<_> = BALANCERS.iter().filter(wanted).collect();
    for round in 0..session.pace.rounds {
        println!("round {} of {}", round + 1, session.pace.rounds);
        for number in 0..balancers.len() {
            let balancer = balancers[(number + round) % balancers.len()];
            match balancer.program(&session) {
                Some(program) => measure(&mut session, &fleet, balancer, program)?,
                None => println!("{} is not installed and left out", balancer.name),
            }
        }
    }
    report::write(&session, options)?;
    Ok(ExitCode::SUCCESS)
}

/// One run of a balancer that is new, before servers that have just started.
fn measure(
    session: &mut Session,
    fleet: &Fleet,
    balancer: &Balancer,
    program: PathBuf,
) -> anyhow::Result<()> {
    session.ground.check_interrupt()?;
    let address = free_address()?;
    let folder = session
        .ground
        .folder()
        .join(format!("fleet-{}", address.port()));
    std::fs::create_dir(&folder)?;
    let mut command = pinned(&session.ground.cores.proxy, &program);
    balancer.configure(&folder, address.port(), fleet, &mut command)?;
    let mut process = Process::start(command, &folder.join("output.log"))?;
    process.wait_until(balancers::START, || answers(address, "/"))?;
    fleet.restart()?;
    let schedule = Schedule {
        rate: RATE,
        connections: CONNECTIONS,
        warm_up_seconds: 0.0,
        seconds: SECONDS,
    };
    let outcome = open_loop::run(session, address, &schedule)?;
    let due = outcome.number("due");
    let failed = (due - outcome.number("good_in_time")) * 100_000.0 / due;
    let figures = [
        (P50, outcome.number("p50_us")),
        (P99, outcome.number("p99_us")),
        (P999, outcome.number("p999_us")),
        (FAILED, failed),
    ];
    for (metric, value) in figures {
        session
            .ground
            .figures
            .add(NAME, metric, balancer.name, value);
    }
    println!(
        "  {:<28} p99 {:>8.1} ms  failed {failed:>6.0} of 100,000",
        balancer.name,
        outcome.number("p99_us") / 1_000.0,
    );
    Ok(())
}
