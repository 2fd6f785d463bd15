//! `cargo xtask bench deploy`: the shop under load while its orders are deployed.

mod report;
mod timeline;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, ensure};
use serde_json::Value;
use tempfile::TempDir;

use super::build::{self, Programs};
use super::contenders::free_address;
use super::machine::Cores;
use super::process::{Process, pinned};
use timeline::Timeline;

/// The example, as it is in the repository.
const SHOP: &str = "examples/shop/polity.toml";
const SERVICES: [&str; 3] = ["orders", "inventory", "tracker"];
/// Orders there are: a list of them is what is asked for.
const ORDERS: usize = 20;

/// How long building and starting may take.
const START: Duration = Duration::from_secs(60);
const CONNECTIONS: usize = 200;
const WARM_UP_SECONDS: u64 = 5;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Requests a second.
    #[arg(long, default_value_t = 500.0)]
    rate: f64,
    /// Instances of the service that is deployed.
    #[arg(long, default_value_t = 4)]
    replicas: u32,
    /// Seconds that each of them takes to start. The shop itself takes none, and is replaced before there
    /// is anything to see.
    #[arg(long, default_value_t = 5)]
    start: u32,
    /// Balances them so, rather than as the plan says.
    #[arg(long, value_name = "POLICY")]
    balance: Option<String>,
    /// Seconds before the deploy.
    #[arg(long, default_value_t = 20)]
    before: u64,
    /// Seconds from its beginning on.
    #[arg(long, default_value_t = 60)]
    after: u64,
    /// Measures this binary of Polity instead of building one.
    #[arg(long, value_name = "FILE")]
    polity: Option<PathBuf>,
    /// Takes the shop's programs from here instead of building them.
    #[arg(long, value_name = "FOLDER")]
    shop: Option<PathBuf>,
    /// Leaves the page in docs as it is.
    #[arg(long)]
    no_page: bool,
}

/// A shop that runs. It ends before its folder goes.
struct Shop<'a> {
    programs: &'a Programs,
    gateway: SocketAddr,
    _process: Process,
    folder: TempDir,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("xtask has no parent folder")?;
    let programs = build::programs(root, build::Polity::or_release(options.polity.as_deref()))?;
    let packages = SERVICES.map(|service| format!("shop-{service}"));
    let shop = match &options.shop {
        Some(folder) => fs::canonicalize(folder)?,
        None => build::packages(root, &packages)?,
    };
    let cores = Cores::of_this_machine()?;
    let shop = Shop::start(root, &programs, &cores, &shop, options)?;
    shop.order()?;
    let timeline = shop.measure(&cores, options)?;
    report::write(root, options, &timeline)?;
    Ok(ExitCode::SUCCESS)
}

impl<'a> Shop<'a> {
    fn start(
        root: &Path,
        programs: &'a Programs,
        cores: &Cores,
        shop: &Path,
        options: &Options,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("polity-deploy-")
            .tempdir()?;
        let (gateway, console) = (free_address()?, free_address()?);
        let example = fs::read_to_string(root.join(SHOP))?;
        let listen = format!("listen = \"{gateway}\"\n\n[console]\nlisten = \"{console}\"");
        let plan = plan(&example, &listen, shop, options)?;
        fs::write(folder.path().join("polity.toml"), plan)?;
        let mut command = pinned(&cores.proxy, &programs.polity);
        command
            .args(["up", "--json", "--access-log", "access.log"])
            .current_dir(folder.path());
        let mut process = Process::start(command, &folder.path().join("output.log"))?;
        let said = || fs::read_to_string(folder.path().join("output.log")).unwrap_or_default();
        let started = |line: &str| {
            let line: Option<Value> = serde_json::from_str(line).ok();
            line.is_some_and(|line| line["type"] == "started")
        };
        process.wait_until(START, || said().lines().any(started))?;
        Ok(Self {
            programs,
            gateway,
            _process: process,
            folder,
        })
    }

    /// Places some orders.
    fn order(&self) -> anyhow::Result<()> {
        use std::io::{Read, Write};
        let body = "{\"item\":\"gopher\",\"quantity\":1}";
        for _ in 0..ORDERS {
            let mut stream = std::net::TcpStream::connect(self.gateway)?;
            write!(
                stream,
                "POST /orders HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\
                 content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            ensure!(answer.starts_with("HTTP/1.1 201"), "no order: {answer}");
        }
        Ok(())
    }

    /// Sends requests, and deploys meanwhile.
    fn measure(&self, cores: &Cores, options: &Options) -> anyhow::Result<Timeline> {
        let record = self.folder.path().join("record.txt");
        let seconds = options.before + options.after;
        let mut load = pinned(&cores.load, &self.programs.instruments);
        load.args(["open-loop", "--path", "/orders"])
            .arg(format!("--address={}", self.gateway))
            .arg(format!("--rate={}", options.rate))
            .arg(format!("--connections={CONNECTIONS}"))
            .arg(format!("--warm-up-seconds={WARM_UP_SECONDS}"))
            .arg(format!("--seconds={seconds}"))
            .arg("--record")
            .arg(&record);
        let load_average = load_average();
        let began = Instant::now();
        let log = self.folder.path().join("load.log");
        let mut load = Process::start(load, &log)?;
        let until = Duration::from_secs(WARM_UP_SECONDS + options.before);
        sleep(until.saturating_sub(began.elapsed()));
        let deploy = since_1970()?;
        self.deploy()?;
        let deployed = since_1970()?;
        let all = Duration::from_secs(WARM_UP_SECONDS + seconds + 30);
        while load.ended()?.is_none() {
            ensure!(began.elapsed() < all, "the load does not end");
            sleep(Duration::from_millis(50));
        }
        // The access log is written within a quarter of a second.
        sleep(Duration::from_millis(500));
        let record = fs::read_to_string(&record)
            .with_context(|| format!("the load failed: {}", load.last_words()))?;
        let access = fs::read_to_string(self.folder.path().join("access.log"))?;
        let warm_up = Duration::from_secs(WARM_UP_SECONDS);
        let mut timeline = Timeline::new(&record, &access, warm_up, deploy, deployed)?;
        timeline.load_average = load_average;
        Ok(timeline)
    }

    fn deploy(&self) -> anyhow::Result<()> {
        let deployed = Command::new(&self.programs.polity)
            .args(["deploy", "orders"])
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()?;
        let said = String::from_utf8_lossy(&deployed.stderr);
        ensure!(deployed.status.success(), "the deploy failed: {said}");
        Ok(())
    }
}

/// Of the last minute; not a number where the system does not say.
fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = text.split(' ').next().unwrap_or_default();
    first.parse().unwrap_or(f64::NAN)
}

fn since_1970() -> anyhow::Result<Duration> {
    Ok(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?)
}

/// The example's plan with addresses of its own, and programs that are there already: what is measured is
/// the deploy, not a compiler beside it.
fn plan(example: &str, listen: &str, shop: &Path, options: &Options) -> anyhow::Result<String> {
    let balance = options.balance.as_ref();
    let balance = balance.map_or(String::new(), |word| format!("\nbalance = \"{word}\""));
    let start = options.start;
    let mut plan = String::new();
    let mut service = "";
    for line in example.lines() {
        if let Some(name) = line.strip_prefix("[service.") {
            service = name.trim_end_matches(']');
        }
        let key = line.split(" = ").next().unwrap_or_default();
        plan += &match key {
            "listen" => listen.to_owned(),
            "build" => format!(
                "build = \"cp -f {}/shop-{service} shop-{service}\"",
                shop.display()
            ),
            "run" if service == "orders" => {
                format!("run = [\"sh\", \"-c\", \"sleep {start} && exec ./shop-{service}\"]")
            }
            "run" => format!("run = \"./shop-{service}\""),
            "replicas" => format!("replicas = {}{balance}", options.replicas),
            _ => line.to_owned(),
        };
        plan.push('\n');
    }
    let replaced = SERVICES
        .iter()
        .all(|it| plan.contains(&format!("./shop-{it}")));
    ensure!(replaced && plan.contains(listen), "{SHOP} is not as it was");
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_run_with_programs_that_are_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
        let example = fs::read_to_string(root.expect("a workspace").join(SHOP));
        #[derive(clap::Parser)]
        struct Command {
            #[command(flatten)]
            options: Options,
        }
        let arguments = ["deploy", "--replicas=3", "--start=7", "--balance=random"];
        let command: Command = clap::Parser::parse_from(arguments);
        let (listen, shop) = ("listen = \"127.0.0.1:1\"", Path::new("/shop"));
        let plan = plan(
            &example.expect("the example"),
            listen,
            shop,
            &command.options,
        );
        let plan = plan.expect("it is as it was");
        assert!(plan.contains("replicas = 3\nbalance = \"random\"\n"));
        assert!(plan.contains("sleep 7 && exec ./shop-orders"));
        assert!(plan.contains("build = \"cp -f /shop/shop-tracker shop-tracker\""));
        assert!(!plan.contains("cargo build --target-dir"), "{plan}");
    }
}
