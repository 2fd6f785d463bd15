//! gRPC through the gateway and between services: Google's client and server, and Node's client.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::http::get;
use crate::https::installed;
use crate::system::{FREE_PORTS, System, run};
use crate::wait;

const SERVICE: &str = include_str!("grpc/service.py");

/// Calls that are to be answered before and after something is done to the system.
const SETTLED: i64 = 200;

fn python() -> PathBuf {
    installed("python/bin/python3")
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/e2e/grpc")
        .join(name)
}

/// Runs a client to its end.
#[track_caller]
fn client(mut command: Command, name: &str, system: &System) {
    command.arg(script(name)).arg(system.gateway().to_string());
    let said = run(command);
    assert!(
        said.status.success(),
        "{name}: {}\n{}\n{}",
        said.stdout,
        said.stderr,
        system.output()
    );
}

/// A service of two instances that is ready when it says so itself.
fn echo(more: &str) -> String {
    format!(
        "{FREE_PORTS}[service.echo]\nrun = \"{} service.py\"\nroute = \"/shop.Echo\"\nprotocol = \"http2\"\n\
         replicas = 2\nhealth = {{ grpc = \"shop.Echo\" }}\n{more}\
         [service.relay]\nrun = \"{} service.py\"\nroute = \"/shop.Relay\"\nprotocol = \"http2\"\n\
         calls = [\"echo\"]\nhealth = {{ grpc = true }}\n",
        python().display(),
        python().display()
    )
}

fn started(plan: &str) -> System {
    let system = System::folder(plan);
    fs::write(system.path().join("service.py"), SERVICE).unwrap();
    system.started()
}

/// Calls without end.
struct Load {
    child: Child,
    counts: BufReader<ChildStdout>,
    answered: i64,
}

impl Load {
    fn start(system: &System, kinds: &[&str]) -> Self {
        let mut child = Command::new(python())
            .arg(script("load.py"))
            .arg(system.gateway().to_string())
            .args(kinds)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let counts = BufReader::new(child.stdout.take().unwrap());
        let mut load = Self {
            child,
            counts,
            answered: 0,
        };
        load.goes_on();
        load
    }

    /// Waits until many more are answered.
    fn goes_on(&mut self) {
        let enough = self.answered + SETTLED;
        while (0..enough).contains(&self.answered) {
            let mut line = String::new();
            self.counts.read_line(&mut line).unwrap();
            self.answered = line.trim().parse().unwrap_or(-1);
        }
    }

    #[track_caller]
    fn stop_without_a_failure(mut self, system: &System) {
        drop(self.child.stdin.take());
        let said = self.child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&said.stderr);
        assert!(said.status.success(), "{stderr}\n{}", system.output());
    }
}

#[test]
fn calls_of_every_kind_pass_and_all_that_belongs_to_them() {
    let system = started(&echo(""));
    client(Command::new(python()), "kinds.py", &system);
    let mut node = Command::new("node");
    node.env("NODE_PATH", installed("node/node_modules"));
    client(node, "node.js", &system);
    // What a page does, as far as that is `fetch`.
    client(Command::new("node"), "web.js", &system);
}

#[test]
fn one_that_speaks_both_is_asked_in_what_a_request_came_in() {
    let plan = echo("").replace("\"http2\"", "\"auto\"");
    let system = started(&plan);
    client(Command::new(python()), "kinds.py", &system);
    // That one does not, which is seen by what it says to HTTP/1.1.
    assert_eq!(get(system.gateway(), "/shop.Echo/Unary").status, 502);
}

#[test]
fn no_call_fails_while_its_service_is_deployed() {
    let system = started(&echo(""));
    let mut load = Load::start(&system, &["streams"]);
    let before = system.pids("echo");
    system.succeeds(&["deploy", "echo"]);
    assert!(system.pids("echo").iter().all(|pid| !before.contains(pid)));
    load.goes_on();
    load.stop_without_a_failure(&system);
}

#[test]
fn no_call_that_may_be_made_twice_fails_when_an_instance_is_killed() {
    let system = started(&echo("retry = { idempotent = true }\n"));
    let mut load = Load::start(&system, &[]);
    let pids = system.pids("echo");
    system.kill(pids[0]);
    wait::until("the killed instance is replaced", || {
        let now = system.pids("echo");
        (now.len() == 2 && !now.contains(&pids[0])).then_some(())
    });
    load.goes_on();
    load.stop_without_a_failure(&system);
}

#[test]
fn the_gateway_itself_answers_as_a_server_of_grpc_does() {
    let gone = "[service.gone]\nurl = \"http://127.0.0.1:1\"\nprotocol = \"http2\"\nroute = \"/shop.Gone\"\n";
    let system = started(&echo(&format!("timeout = \"300ms\"\n{gone}")));
    client(Command::new(python()), "errors.py", &system);
}
