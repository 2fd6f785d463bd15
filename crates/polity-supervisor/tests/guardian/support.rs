//! What the guardian's tests share: processes that can be told from all others, and patience.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use polity_supervisor::guardian::{Guardian, GuardianCommand, WITHOUT_CONTROL_GROUPS};
use polity_supervisor::process::{Host, Launch, LaunchError, OutputSink, Process, Stream};
use tokio::time::Instant;

/// The binary that is the guardian, or Polity.
pub(crate) const STAND_IN: &str = env!("CARGO_BIN_EXE_polity-guardian-stand-in");

/// Generous: two cores may be shared by many.
const PATIENCE: Duration = Duration::from_secs(30);

/// The variable that tells one test's processes from all others.
const MARK: &str = "POLITY_TEST_MARK";

/// One test's processes, and a folder for what they have to say.
pub(crate) struct Ground {
    mark: String,
    folder: tempfile::TempDir,
}

impl Ground {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self {
            mark: format!("{}-{number}", std::process::id()),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The environment that marks a process and all its descendants.
    pub(crate) fn env(&self) -> BTreeMap<String, String> {
        let mut env = BTreeMap::new();
        env.insert(MARK.to_owned(), self.mark.clone());
        env.insert("PATH".to_owned(), std::env::var("PATH").unwrap());
        env.insert("DIR".to_owned(), self.folder.path().display().to_string());
        env
    }

    pub(crate) fn launch(&self, words: &[&str]) -> Launch {
        Launch {
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            dir: self.folder.path().to_owned(),
            env: self.env(),
            output: Arc::new(Collected::default()),
        }
    }

    pub(crate) async fn start(&self, guardian: &Guardian, script: &str) -> Process {
        let launch = self.launch(&["sh", "-c", script]);
        guardian.launch(launch).await.unwrap()
    }

    /// Its living processes (zombies have no environment left).
    pub(crate) fn alive(&self) -> Vec<u32> {
        let wanted = format!("{MARK}={}", self.mark);
        let pids = fs::read_dir("/proc").unwrap().flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid: &u32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let mut variables = environment.split(|byte| *byte == 0);
            variables.any(|variable| variable == wanted.as_bytes())
        })
        .collect()
    }

    pub(crate) async fn until_alive(&self, count: usize) {
        until(&format!("{count} processes alive"), || {
            self.alive().len() == count
        })
        .await;
    }

    pub(crate) async fn until_there(&self, name: &str) -> String {
        let path = self.path(name);
        until(name, || {
            fs::read_to_string(&path).is_ok_and(|text| text.ends_with('\n'))
        })
        .await;
        fs::read_to_string(path).unwrap().trim().to_owned()
    }
}

/// Without control groups: what they do for the guardian it must be able to do without.
pub(crate) fn guardian() -> Guardian {
    start(&["guardian", WITHOUT_CONTROL_GROUPS])
}

pub(crate) fn guardian_with_control_groups() -> Guardian {
    start(&["guardian"])
}

/// One that keeps `file` open.
pub(crate) fn guardian_holding(file: File) -> Guardian {
    Guardian::start(GuardianCommand {
        holds: Some(Arc::new(file)),
        program: STAND_IN.into(),
        args: vec!["guardian".into()],
    })
    .unwrap()
}

fn start(arguments: &[&str]) -> Guardian {
    let command = GuardianCommand {
        holds: None,
        program: STAND_IN.into(),
        args: arguments.iter().map(OsString::from).collect(),
    };
    Guardian::start(command).unwrap()
}

pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

/// Keeps all lines.
#[derive(Default)]
pub(crate) struct Collected(Mutex<Vec<(Stream, String)>>);

impl Collected {
    pub(crate) fn text(&self, wanted: Stream) -> String {
        let lines = self.0.lock().unwrap();
        let lines = lines.iter().filter(|(stream, _)| *stream == wanted);
        lines
            .map(|(_, line)| line.as_str())
            .collect::<Vec<_>>()
            .join("\n")
    }
}

impl OutputSink for Collected {
    fn line(&self, stream: Stream, line: &str) {
        self.0.lock().unwrap().push((stream, line.to_owned()));
    }
}

/// Runs a program to its end and gives what it printed.
pub(crate) async fn output_of(
    guardian: &Guardian,
    mut launch: Launch,
    stream: Stream,
) -> Result<String, LaunchError> {
    let collected = Arc::new(Collected::default());
    launch.output = collected.clone();
    let process = guardian.launch(launch).await?;
    process.exited().await;
    Ok(collected.text(stream))
}
