//! `polity run broker`: the log of events alone, over a restart and a kill.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::system::POLITY;

/// ApiVersions of version 0, and what its answer begins with: as much of the protocol as there is
/// here. The broker's own tests say the rest.
const API_VERSIONS: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff];

/// `polity run broker`, killed with the test.
pub(crate) struct Running {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Running {
    fn start(data: &Path) -> Self {
        Self::start_at(data, "127.0.0.1:0")
    }

    pub(crate) fn start_at(data: &Path, listen: &str) -> Self {
        let mut child = command(data, listen)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        let address = said["addresses"]["events"].as_str().unwrap();
        Self {
            child,
            address: address.parse().unwrap(),
        }
    }

    fn answers(&self) -> bool {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream.write_all(&API_VERSIONS).unwrap();
        let mut answer = [0; 10];
        stream.read_exact(&mut answer).unwrap();
        answer[4..] == [0, 0, 0, 7, 0, 0]
    }

    /// Ends it by a signal; says whether it ended well.
    pub(crate) fn end(mut self, signal: Signal) -> bool {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.child.wait().unwrap().success()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(data: &Path, listen: &str) -> Command {
    let mut command = Command::new(POLITY);
    command.args(["run", "broker", "--json", "--listen", listen, "--data"]);
    command.arg(data);
    command
}

#[test]
fn the_broker_runs_alone_and_outlives_a_stop_and_a_kill() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let running = Running::start(&data);
    assert!(running.answers());
    let second = command(&data, "127.0.0.1:0").output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains("runs on"), "{said}");
    assert!(
        running.end(Signal::TERM),
        "a stop that was asked for is no failure"
    );
    let running = Running::start(&data);
    assert!(running.answers());
    assert!(!running.end(Signal::KILL));
    assert!(Running::start(&data).answers());
}
