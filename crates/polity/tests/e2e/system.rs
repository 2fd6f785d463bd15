//! A system under test: `polity up` on a plan of its own, with state of its own, stopped with the test.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::wait;

pub(crate) const POLITY: &str = env!("CARGO_BIN_EXE_polity");

/// Set for every process of a system and inherited by all it starts: how they are found.
const MARK: &str = "E2E_SYSTEM";

/// From SIGTERM to the end: all services stop within their stop_timeout.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// A command that is meant to end by itself.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(90);

/// Addresses that are free, whatever else runs: to be put in front of a plan's services.
pub(crate) const FREE_PORTS: &str =
    "[gateway]\nlisten = \"127.0.0.1:0\"\n[console]\nlisten = \"127.0.0.1:0\"\n";

/// A folder with a plan, and what was started on it.
pub(crate) struct System {
    folder: TempDir,
    mark: String,
    environment: Vec<(String, String)>,
    up: Option<Up>,
}

struct Up {
    child: Child,
    output: Arc<Mutex<String>>,
}

/// What a command said until it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl System {
    /// A folder with this plan and nothing running.
    pub(crate) fn folder(plan: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("polity.toml"), plan).unwrap();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let mark = format!("{}-{number}", std::process::id());
        Self {
            folder,
            mark,
            environment: Vec::new(),
            up: None,
        }
    }

    /// A variable for all that is started from here on.
    pub(crate) fn with_env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Starts it and waits until every service of it was started.
    pub(crate) fn started(mut self) -> Self {
        let command = self.command(Path::new(POLITY), &["up", "--json"]);
        self.spawn(command);
        self.wait_for_line("everything has started", |line| line["type"] == "started");
        self
    }

    /// Starts `command`, which is to become `polity up --json`.
    pub(crate) fn spawn(&mut self, mut command: Command) {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("polity starts");
        let output = Arc::new(Mutex::new(String::new()));
        collect(child.stdout.take().unwrap(), Arc::clone(&output));
        collect(child.stderr.take().unwrap(), Arc::clone(&output));
        self.up = Some(Up { child, output });
    }

    /// Waits for a line of `polity up --json` that is like this, unless it ends first.
    #[track_caller]
    pub(crate) fn wait_for_line(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let up = self.up.as_mut().expect("it is up");
        wait::until(what, || {
            let ended = up.child.try_wait().unwrap();
            let output = up.output.lock().unwrap().clone();
            let mut lines = output
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok());
            let found = lines.find(&is_it);
            assert!(
                found.is_some() || ended.is_none(),
                "it ended ({ended:?}) before: {what}\n{output}"
            );
            found
        })
    }

    /// All that `polity up` has printed.
    pub(crate) fn output(&self) -> String {
        let up = self.up.as_ref().expect("it is up");
        up.output.lock().unwrap().clone()
    }

    /// Runs a command of Polity on it to its end.
    pub(crate) fn polity(&self, arguments: &[&str]) -> Said {
        run(self.command(Path::new(POLITY), arguments))
    }

    /// The same, and it must succeed.
    #[track_caller]
    pub(crate) fn succeeds(&self, arguments: &[&str]) -> Said {
        let said = self.polity(arguments);
        assert!(
            said.status.success(),
            "polity {arguments:?}: {said:#?}\n{}",
            self.output()
        );
        said
    }

    /// A command in its folder, on its data and with its mark.
    pub(crate) fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.path())
            .env("POLITY_DATA", self.data())
            .env(MARK, &self.mark)
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where its state is.
    pub(crate) fn data(&self) -> PathBuf {
        self.path().join(".polity")
    }

    /// Where its gateway listens.
    #[track_caller]
    pub(crate) fn gateway(&self) -> SocketAddr {
        let run = fs::read_to_string(self.data().join("run.json")).expect("it runs");
        let run: Value = serde_json::from_str(&run).expect("run.json is JSON");
        run["addresses"]["gateway"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap()
    }

    /// What `polity ps` knows of a service.
    #[track_caller]
    pub(crate) fn service(&self, name: &str) -> Value {
        let ps: Value = serde_json::from_str(&self.succeeds(&["ps", "--json"]).stdout).unwrap();
        let services = ps.as_array().or(ps["services"].as_array()).expect("a list");
        let mut found = services.iter().filter(|service| service["name"] == name);
        found
            .next()
            .unwrap_or_else(|| panic!("{name} in {ps}"))
            .clone()
    }

    /// The process ids of a service's instances.
    #[track_caller]
    pub(crate) fn pids(&self, service: &str) -> Vec<u32> {
        let service = self.service(service);
        let instances = service["instances"].as_array().expect("instances");
        instances
            .iter()
            .filter_map(|instance| instance["pid"].as_u64())
            .map(|pid| pid as u32)
            .collect()
    }

    /// Every process that it started or that one of those started, itself included.
    pub(crate) fn processes(&self) -> BTreeSet<u32> {
        let mark = format!("{MARK}={}", self.mark);
        let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let entry = entry.ok()?;
            let pid = entry.file_name().to_str()?.parse().ok()?;
            // Empty for a zombie, and gone with the process.
            let environment = fs::read(entry.path().join("environ")).ok()?;
            let marked = environment
                .split(|byte| *byte == 0)
                .any(|pair| pair == mark.as_bytes());
            marked.then_some(pid)
        });
        pids.collect()
    }

    /// Kills one of its processes with -9 and waits for its end.
    #[track_caller]
    pub(crate) fn kill(&self, pid: u32) {
        signal(pid, Signal::KILL);
        wait::until("the killed process is gone", || {
            (!self.processes().contains(&pid)).then_some(())
        });
    }

    /// The process id of `polity up`.
    pub(crate) fn pid(&self) -> u32 {
        self.up.as_ref().expect("it is up").child.id()
    }

    /// Stops it as Ctrl-C does and waits for its end.
    #[track_caller]
    pub(crate) fn stop(&mut self) -> ExitStatus {
        let up = self.up.as_mut().expect("it is up");
        signal(up.child.id(), Signal::TERM);
        wait::until("polity stops", || up.child.try_wait().unwrap())
    }
}

impl Drop for System {
    fn drop(&mut self) {
        let Some(up) = &mut self.up else { return };
        if thread::panicking() {
            eprintln!("polity up said:\n{}", up.output.lock().unwrap());
        }
        signal(up.child.id(), Signal::TERM);
        let deadline = Instant::now() + STOP_TIMEOUT;
        while matches!(up.child.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                let _ = up.child.kill();
                let _ = up.child.wait();
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Sends a signal to a process that may be gone.
pub(crate) fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid as i32).expect("a process id");
    let _ = kill_process(pid, signal);
}

/// Runs a command to its end; one that does not end is killed and fails the test.
#[track_caller]
pub(crate) fn run(mut command: Command) -> Said {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let (stdout, stderr) = (Arc::default(), Arc::default());
    let readers = [
        collect(child.stdout.take().unwrap(), Arc::clone(&stdout)),
        collect(child.stderr.take().unwrap(), Arc::clone(&stderr)),
    ];
    let deadline = Instant::now() + COMMAND_TIMEOUT;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            panic!(
                "{command:?} does not end: {}{}",
                stdout.lock().unwrap(),
                stderr.lock().unwrap()
            );
        }
        thread::sleep(Duration::from_millis(10));
    };
    for reader in readers {
        reader.join().unwrap();
    }
    let text = |output: Arc<Mutex<String>>| output.lock().unwrap().clone();
    Said {
        status,
        stdout: text(stdout),
        stderr: text(stderr),
    }
}

/// Reads to the end on a thread, so that nobody waits for a full pipe.
fn collect(
    stream: impl std::io::Read + Send + 'static,
    output: Arc<Mutex<String>>,
) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else { return };
            let mut output = output.lock().unwrap();
            output.push_str(&line);
            output.push('\n');
        }
    })
}
