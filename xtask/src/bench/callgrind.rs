//! Instructions per request, and how many of their lines were not in the first cache: numbers that do not
//! depend on what else the machine does.
//!
//! Polity's guardian cannot be started from within valgrind, which takes the place of the program that
//! it would run. Polity says so and tries again at ever longer intervals; requests go on.

use std::array;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};

use super::contenders::{POLITY, answers, configure_polity, free_address};
use super::peers::{PEERS, Place};
use super::process::{Process, pinned};
use super::report::INSTRUCTIONS;
use super::session::Session;
use super::topology::Topology;
use super::{Options, machine, report};
use crate::table::{Table, number};

/// Valgrind translates all that it runs for the first time.
const START: Duration = Duration::from_secs(60);
const CONNECTIONS: usize = 8;
/// Beneath valgrind it does not keep up, and is to serve all requests nevertheless; it looks whether it
/// does as it would anyway.
const PATIENCE: &str = "limits.queue_delay = \"1h\"\n";
/// The caches that are simulated, the same on every machine: those of common servers.
const CACHES: [&str; 4] = [
    "--cache-sim=yes",
    "--I1=32768,8,64",
    "--D1=32768,8,64",
    "--LL=1048576,16,64",
];
/// What is shown, and what callgrind calls it.
const EVENTS: [(&str, &[&str]); 3] = [
    ("instructions per request", &["Ir"]),
    ("misses of code", &["I1mr"]),
    ("misses of data", &["D1mr", "D1mw"]),
];

/// What is sent, and how the row is called.
struct Script {
    name: &'static str,
    request: fn() -> String,
}

const SCRIPTS: [Script; 4] = [
    Script {
        name: "get",
        request: get,
    },
    Script {
        name: "headers",
        request: headers,
    },
    Script {
        name: "post-length",
        request: post_length,
    },
    Script {
        name: "post-chunked",
        request: post_chunked,
    },
];

/// Of each of [`EVENTS`].
type Counts = [f64; EVENTS.len()];

/// A program under callgrind.
struct Counted<'a> {
    session: &'a Session,
    process: Process,
    address: SocketAddr,
    folder: PathBuf,
    dumps: usize,
}

/// Two runs of different length are compared, so that what does not belong to a request cancels out.
pub(super) fn run(session: &Session, options: &Options) -> anyhow::Result<()> {
    ensure!(
        machine::find("valgrind").is_some(),
        "callgrind is part of valgrind, which is not installed: apt-get install valgrind"
    );
    let requests = if options.quick { 800 } else { 4000 };
    let mut table = Table::default();
    let columns = EVENTS.map(|(column, _)| column);
    let head = ["contender", "script"].into_iter().chain(columns);
    table.push(head.map(str::to_owned).collect::<Vec<_>>());
    for name in [POLITY, "nginx"] {
        let listed = session.stable.names().any(|listed| listed == name);
        if !listed {
            continue;
        }
        let mut counted = Counted::start(session, name)?;
        for script in SCRIPTS {
            session.ground.check_interrupt()?;
            let counts = counted.per_request(&(script.request)(), requests)?;
            let kept = format!("target/bench/callgrind-{name}-{}.out", script.name);
            counted.keep(&session.ground.root.join(kept))?;
            let names = [name, script.name].map(str::to_owned);
            table.push([&names[..], &counts.map(number)].concat());
        }
    }
    println!("\n{}", table.aligned());
    println!("where they go: callgrind_annotate target/bench/callgrind-polity-get.out");
    if !options.is_whole() {
        return Ok(());
    }
    let results = format!(
        "At commit {}, Polity {}:\n\n{}",
        machine::commit(),
        session.ground.programs.kind,
        table.markdown()
    );
    report::refresh(&session.ground.root, INSTRUCTIONS, &results)
}

impl<'a> Counted<'a> {
    fn start(session: &'a Session, name: &str) -> anyhow::Result<Self> {
        let topology = Topology::single();
        let address = free_address()?;
        let folder = session.ground.folder().join(format!("callgrind-{name}"));
        fs::create_dir(&folder)?;
        let place = Place {
            folder: &folder,
            port: address.port(),
            origin: session.origin.port(),
            topology: &topology,
        };
        let mut command = pinned(&session.ground.cores.proxy, Path::new("valgrind"));
        command
            .args(["--tool=callgrind", "--instr-atstart=no"])
            .args(CACHES)
            .arg(format!(
                "--callgrind-out-file={}",
                folder.join("out").display()
            ));
        match PEERS.iter().find(|peer| peer.name == name) {
            None => {
                command.arg(&session.ground.programs.polity);
                configure_polity(&place, PATIENCE, &mut command)?;
            }
            Some(peer) => {
                command.arg(peer.program().context("it is gone")?);
                (peer.configure)(&place, &mut command)?;
                command.args(["-g", "master_process off;"]);
            }
        }
        let mut process = Process::start(command, &folder.join("output.log"))?;
        process.wait_until(START, || answers(address, "/1k"))?;
        Ok(Self {
            session,
            process,
            address,
            folder,
            dumps: 0,
        })
    }

    fn per_request(&mut self, request: &str, requests: usize) -> anyhow::Result<Counts> {
        self.send(request, requests)?;
        let few = self.count(request, requests)?;
        let many = self.count(request, 3 * requests)?;
        Ok(array::from_fn(|event| {
            (many[event] - few[event]) / (2 * requests) as f64
        }))
    }

    /// Copies what was counted last to where it can be looked at.
    fn keep(&self, path: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(path.parent().unwrap_or(path))?;
        fs::copy(self.dump(), path)?;
        Ok(())
    }

    fn dump(&self) -> PathBuf {
        self.folder.join(format!("out.{}", self.dumps))
    }

    /// What happens while so many requests are made.
    fn count(&mut self, request: &str, requests: usize) -> anyhow::Result<Counts> {
        self.control(&["--instr=on"])?;
        self.control(&["--zero"])?;
        self.send(request, requests)?;
        self.dumps += 1;
        self.control(&["--dump"])?;
        self.control(&["--instr=off"])?;
        let path = self.dump();
        let dump = fs::read_to_string(&path).with_context(|| format!("no {}", path.display()))?;
        totals(&dump).context("no totals in what callgrind wrote")
    }

    fn send(&self, request: &str, requests: usize) -> anyhow::Result<()> {
        let file = self.folder.join("request");
        fs::write(&file, request)?;
        let output = pinned(
            &self.session.ground.cores.load,
            &self.session.ground.programs.instruments,
        )
        .args(["script", "--address", &self.address.to_string()])
        .args(["--requests", &requests.to_string()])
        .args(["--connections", &CONNECTIONS.to_string(), "--request"])
        .arg(file)
        .output()?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        let complaint = complaint.lines().next().unwrap_or_default();
        ensure!(output.status.success(), "the requests failed: {complaint}");
        Ok(())
    }

    fn control(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let output = Command::new("callgrind_control")
            .args(arguments)
            .arg(self.process.pid().to_string())
            .output()
            .context("could not run callgrind_control")?;
        ensure!(
            output.status.success(),
            "callgrind_control {arguments:?} failed"
        );
        Ok(())
    }
}

/// `totals: 1 2 3` of a dump, or `summary: 1 2 3`, each number of the event in that place of `events:`.
fn totals(dump: &str) -> Option<Counts> {
    let line = |name| dump.lines().rev().find_map(|line| line.strip_prefix(name));
    let totals = line("totals: ").or_else(|| line("summary: "))?;
    let totals = totals.split_whitespace().map(str::parse::<f64>);
    let totals: Vec<f64> = totals.collect::<Result<_, _>>().ok()?;
    // Those at the end are left out where they are 0.
    let totals = totals.into_iter().chain(std::iter::repeat(0.0));
    let events: Vec<_> = line("events: ")?.split_whitespace().zip(totals).collect();
    let sum = |names: &[&str]| {
        let wanted = events.iter().filter(|(name, _)| names.contains(name));
        wanted.map(|(_, total)| total).sum()
    };
    Some(EVENTS.map(|(_, names)| sum(names)))
}

fn get() -> String {
    "GET /1k HTTP/1.1\r\nHost: shop.example.com\r\n\r\n".to_owned()
}

fn headers() -> String {
    "GET /1k HTTP/1.1\r\nHost: shop.example.com\r\n\
     User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36\r\n\
     Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
     Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n\
     Accept-Encoding: gzip, deflate, br, zstd\r\n\
     Referer: https://shop.example.com/catalogue/garden?page=3\r\n\
     Cookie: session=8f14e45fceea167a5a36dedd4bea2543; theme=dark; consent=1\r\n\
     Cache-Control: max-age=0\r\n\
     Upgrade-Insecure-Requests: 1\r\n\
     Sec-Fetch-Dest: document\r\n\
     Sec-Fetch-Mode: navigate\r\n\
     Sec-Fetch-Site: same-origin\r\n\r\n"
        .to_owned()
}

fn post_length() -> String {
    let body = "x".repeat(16384);
    format!("POST /sink HTTP/1.1\r\nHost: shop.example.com\r\nContent-Length: 16384\r\n\r\n{body}")
}

fn post_chunked() -> String {
    let chunks = format!("1000\r\n{}\r\n", "x".repeat(4096)).repeat(4);
    format!(
        "POST /sink HTTP/1.1\r\nHost: shop.example.com\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_totals_of_a_dump_are_found() {
        let events = "events: Ir Dr I1mr D1mr D1mw\n";
        let check = |rest: &str, expected| assert_eq!(totals(&format!("{events}{rest}")), expected);
        check(
            "summary: 7 1 1 1 1\n\ntotals: 900 80 7 5 4\n",
            Some([900.0, 7.0, 9.0]),
        );
        check("summary: 900 80 7\n", Some([900.0, 7.0, 0.0]));
        check("", None);
        assert_eq!(totals("totals: 7\n"), None);
    }
}
