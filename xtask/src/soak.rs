//! `cargo xtask soak`: the proofs of which every run of the tests has time for a slice only.

use std::env;
use std::ops::Range;
use std::process::{Command, ExitCode};
use std::thread;
use std::time::Instant;

use polity_log::simulation;

/// What to prove, and for how long.
#[derive(clap::Args)]
pub(crate) struct Soak {
    /// Lives of the log on a disk that fails.
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Processes of the shop, and Polity itself, that are killed at random moments.
    #[arg(long, default_value_t = 60)]
    kills: u32,
    /// Requests of the Kafka protocol that are nearly right.
    #[arg(long, default_value_t = 1_000_000)]
    requests: u64,
    /// How often the broker is killed under many clients.
    #[arg(long, default_value_t = 100)]
    broker_kills: u32,
}

pub(crate) fn run(soak: &Soak) -> ExitCode {
    let proofs = [
        prove_the_log,
        prove_the_broker,
        prove_consistency,
        prove_the_shop,
    ];
    let holds = proofs.map(|prove| prove(soak));
    ExitCode::from(u8::from(holds.contains(&false)))
}

/// The end-to-end test that kills the shop's services and Polity, with more to kill.
fn prove_the_shop(soak: &Soak) -> bool {
    end_to_end("losses", ("E2E_KILLS", soak.kills))
}

/// The one that kills the broker under many clients.
fn prove_consistency(soak: &Soak) -> bool {
    end_to_end("consistency", ("E2E_BROKER_KILLS", soak.broker_kills))
}

fn end_to_end(test: &str, (variable, kills): (&str, u32)) -> bool {
    let test = ["--package=polity", "--test=e2e", test, "--", "--nocapture"];
    succeeds(&test, (variable, kills.to_string()))
}

/// The broker's answers to what is nearly a request, with more of it.
fn prove_the_broker(soak: &Soak) -> bool {
    let test = ["--package=polity-broker", "--lib", "fuzzing"];
    succeeds(&test, ("POLITY_FUZZ_ROUNDS", soak.requests.to_string()))
}

fn succeeds(test: &[&str], (variable, value): (&str, String)) -> bool {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.arg("test").args(test).env(variable, value);
    command.status().is_ok_and(|status| status.success())
}

fn prove_the_log(soak: &Soak) -> bool {
    let began = Instant::now();
    let threads = thread::available_parallelism().map_or(1, usize::from) as u64;
    let parts = (0..threads).map(|part| {
        let bound = |part: u64| soak.from + soak.seeds * part / threads;
        bound(part)..bound(part + 1)
    });
    let workers: Vec<_> = parts.map(|seeds| thread::spawn(|| live(seeds))).collect();
    let sums: Result<Vec<_>, _> = workers
        .into_iter()
        .map(|worker| {
            worker
                .join()
                .unwrap_or_else(|_| Err("it panicked".to_owned()))
        })
        .collect();
    match sums {
        Ok(sums) => {
            let sum = |of: fn(&simulation::Outcome) -> u64| sums.iter().map(of).sum::<u64>();
            println!(
                "log: {} seeds, each twice: {} starts, {} records compacted away, {} batches and records acknowledged and none of them lost, {} others lost; {:.0} s",
                soak.seeds,
                sum(|it| it.starts),
                sum(|it| it.compacted),
                sum(|it| it.acknowledged),
                sum(|it| it.lost),
                began.elapsed().as_secs_f64(),
            );
            true
        }
        Err(why) => {
            eprintln!("log: {why}");
            false
        }
    }
}

fn live(seeds: Range<u64>) -> Result<simulation::Outcome, String> {
    let mut sum = simulation::Outcome::default();
    for seed in seeds {
        let outcome = simulation::run_twice(seed)?;
        sum.acknowledged += outcome.acknowledged;
        sum.lost += outcome.lost;
        sum.starts += outcome.starts;
        sum.compacted += outcome.compacted;
    }
    Ok(sum)
}
