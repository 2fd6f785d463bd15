//! `cargo xtask compat`: the broker held against what other people wrote for Kafka, beyond the clients
//! of which every run of the tests has some.
//!
//! Each has a broker of its own, new and on a free port. What is needed is installed beside what is built;
//! what the machine has no means for is named and left out.

mod java;
mod python;
mod verdict;

use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, bail};

use crate::bench::build;
use crate::bench::process::{Process, tied};
use crate::dist;

/// What is held against what.
#[derive(clap::Args)]
pub(crate) struct Compat {
    /// Only these: aiokafka, kafka-python, java, streams.
    #[arg(long, value_delimiter = ',', value_name = "CLIENT")]
    only: Vec<String>,
    /// A cluster that is there, instead of Polity: to see what Kafka itself makes of them.
    #[arg(long, value_name = "HOST:PORT")]
    kafka: Option<String>,
    /// A binary of Polity that was built before.
    #[arg(long, value_name = "FILE")]
    polity: Option<PathBuf>,
}

/// How one of them is run.
type Run = fn(&Folders, &str) -> anyhow::Result<Outcome>;

const CLIENTS: [(&str, Run); 4] = [
    ("aiokafka", python::aiokafka),
    ("kafka-python", python::kafka_python),
    ("java", java::clients),
    ("streams", java::streams),
];

/// What came of one.
enum Outcome {
    Passed,
    Failed(String),
    /// Not run, and what would have to be installed.
    Missing(&'static str),
}

/// Where things are.
struct Folders {
    /// The workspace.
    root: PathBuf,
    /// What is written here, and installed for this.
    installed: PathBuf,
}

pub(crate) fn run(options: &Compat) -> anyhow::Result<ExitCode> {
    let known = CLIENTS.map(|(name, _)| name);
    if let Some(name) = options
        .only
        .iter()
        .find(|name| !known.contains(&name.as_str()))
    {
        bail!("nothing is called {name}; there are {}", known.join(", "));
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let root = root.context("xtask has no parent folder")?.to_owned();
    let installed = dist::target(&root).join("compat");
    std::fs::create_dir_all(&installed)?;
    let folders = Folders { root, installed };
    let polity = match (&options.polity, &options.kafka) {
        (Some(polity), _) => polity.clone(),
        (None, Some(_)) => PathBuf::new(),
        (None, None) => build::polity(&folders.root)?,
    };
    let mut has_failed = false;
    for (name, run) in CLIENTS {
        if !options.only.is_empty() && !options.only.iter().any(|it| it == name) {
            continue;
        }
        let outcome = match &options.kafka {
            Some(address) => run(&folders, address)?,
            None => against_polity(&folders, &polity, run)?,
        };
        match outcome {
            Outcome::Passed => println!("{name}: passed"),
            Outcome::Missing(what) => println!("{name}: left out, {what}"),
            Outcome::Failed(why) => {
                println!("{name}: FAILED\n{why}");
                has_failed = true;
            }
        }
    }
    Ok(ExitCode::from(u8::from(has_failed)))
}

/// Runs it against a new broker.
fn against_polity(folders: &Folders, polity: &Path, run: Run) -> anyhow::Result<Outcome> {
    let data = tempfile::Builder::new()
        .prefix("polity-compat-")
        .tempdir()?;
    let mut command = tied(polity);
    command
        .args(["run", "broker", "--listen=127.0.0.1:0"])
        // As many as kafka-python's tests give Kafka.
        .arg("--partitions=4")
        .arg("--data")
        .arg(data.path().join("data"));
    let (_broker, mut output) = Process::start_piped(command, &data.path().join("log"))?;
    let mut line = String::new();
    output.read_line(&mut line)?;
    let address = line.split_whitespace().find_map(|word| {
        let word = word.trim_end_matches(',');
        word.parse::<std::net::SocketAddr>().ok()
    });
    let address = address.with_context(|| format!("`polity run broker` said {line:?}"))?;
    run(folders, &address.to_string())
}

/// What a command came to.
fn outcome(command: &mut Command) -> anyhow::Result<Outcome> {
    let output = command.output();
    let output =
        output.with_context(|| format!("could not run {}", command.get_program().display()))?;
    if output.status.success() {
        return Ok(Outcome::Passed);
    }
    let text = [output.stdout, output.stderr].concat();
    Ok(Outcome::Failed(String::from_utf8_lossy(&text).into_owned()))
}

/// Runs a command that must succeed.
fn succeed(command: &mut Command) -> anyhow::Result<()> {
    match outcome(command)? {
        Outcome::Failed(why) => bail!("{}: {why}", command.get_program().display()),
        _ => Ok(()),
    }
}
