//! The log of events as its users see it: started by a plan or an edit of it, asked by commands.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use serde_json::{Value, json};

use crate::http::get;
use crate::system::{FREE_PORTS, System, run};
use crate::wait;

/// Answers with the variable that says where events are, empty where there is none.
const TOLD: &str = r#"
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Told(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ.get("KAFKA_BROKERS", "").encode())
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Told).serve_forever()
"#;

/// A broker alone, on a free port.
fn alone(topics: &str) -> System {
    System::folder(&plan(topics)).started()
}

fn plan(topics: &str) -> String {
    format!("{FREE_PORTS}[events]\nlisten = \"127.0.0.1:0\"\n{topics}")
}

fn edit(system: &System, plan: &str) {
    fs::write(system.path().join("polity.toml"), plan).unwrap();
}

/// Where the part listens, by run.json.
fn address(system: &System, part: &str) -> Option<String> {
    let run = fs::read_to_string(system.data().join("run.json")).unwrap();
    let run: Value = serde_json::from_str(&run).unwrap();
    Some(run["addresses"][part].as_str()?.to_owned())
}

#[track_caller]
fn json(system: &System, command: &[&str]) -> Vec<Value> {
    let said = system.succeeds(&[command, &["--json"]].concat());
    match serde_json::from_str(&said.stdout) {
        Ok(Value::Array(all)) => all,
        Ok(one) => vec![one],
        Err(_) => said
            .stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
    }
}

#[track_caller]
fn topic(system: &System, name: &str) -> Value {
    json(system, &["topics", "describe", name]).remove(0)
}

#[test]
fn what_is_published_is_read_also_after_a_restart() {
    let mut system = alone("[topic.t]\npartitions = 3\n");
    let publish = ["events", "publish", "t", "--key", "k"];
    for value in ["one", "two\n", "ü"] {
        system.succeeds(&[&publish[..], &[value]].concat());
    }
    let read = |system: &System| {
        let tail = ["events", "tail", "t", "--from", "beginning", "-n", "3"];
        let records = json(system, &tail);
        let values = records.iter().map(|record| {
            assert_eq!(record["key"], "k");
            record["value"].as_str().unwrap().to_owned()
        });
        values.collect::<Vec<_>>()
    };
    assert_eq!(read(&system), ["one", "two\n", "ü"]);
    assert!(system.stop().success());
    let system = system.started();
    assert_eq!(read(&system), ["one", "two\n", "ü"]);
    assert_eq!(topic(&system, "t")["records"], 3);
}

#[test]
fn every_line_of_standard_input_is_a_record() {
    let system = alone("[topic.t]\n");
    let publish = "printf 'a\\nb\\n' | $POLITY events publish t";
    let mut shell = system.command(Path::new("sh"), &["-c", publish]);
    shell.env("POLITY", crate::system::POLITY);
    let said = run(shell);
    let expected = "published to partition 0 at offset 0\npublished to partition 0 at offset 1\n";
    assert_eq!(said.stdout, expected, "{said:#?}");
}

#[test]
fn what_is_not_there_is_said() {
    let system = alone("");
    for command in [
        &["topics", "describe", "t"][..],
        &["events", "tail", "t"],
        &["events", "publish", "t", "v"],
    ] {
        let said = system.polity(command);
        assert!(!said.status.success());
        assert!(said.stderr.contains("there is no topic `t`"), "{said:#?}");
    }
    let said = system.polity(&["groups", "g"]);
    assert!(said.stderr.contains("there is no group `g`"), "{said:#?}");
    let none = System::folder(FREE_PORTS).started();
    let said = none.polity(&["topics"]);
    assert!(
        said.stderr.contains("no service of the plan publishes"),
        "{said:#?}"
    );
}

#[test]
fn a_port_that_is_taken_names_its_key() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let plan = format!("{FREE_PORTS}[events]\nlisten = \"{address}\"\n");
    let said = System::folder(&plan).polity(&["up"]);
    assert_eq!(said.status.code(), Some(1));
    for word in [&address.to_string(), "`events.listen`"] {
        assert!(said.stderr.contains(word), "{said:#?}");
    }
}

#[test]
fn a_cluster_that_does_not_answer_is_named() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let plan = format!("{FREE_PORTS}[events]\nkafka = \"{address}\"\n[topic.t]\n");
    let said = System::folder(&plan).polity(&["up"]);
    assert_eq!(said.status.code(), Some(1));
    for word in [&address.to_string(), "`events.kafka`"] {
        assert!(said.stderr.contains(word), "{said:#?}");
    }
}

#[test]
fn an_edit_that_asks_for_events_starts_them_and_tells_the_services() {
    let told = "[service.told]\nrun = \"python3 told.py\"\nroute = \"/\"\n";
    let system = System::folder(&format!("{FREE_PORTS}{told}"));
    fs::write(system.path().join("told.py"), TOLD).unwrap();
    let system = system.started();
    assert_eq!(get(system.gateway(), "/").body, "");
    assert_eq!(address(&system, "events"), None);

    edit(&system, &plan(&format!("{told}publishes = [\"t\"]\n")));
    let events = wait::until("events have an address", || address(&system, "events"));
    wait::until("the service is told", || {
        (get(system.gateway(), "/").body == events).then_some(())
    });
    let topics = json(&system, &["topics"]);
    assert_eq!(topics[0]["name"], "t");
    assert_eq!(topics[0]["published_by"], json!(["told"]));
}

#[test]
fn an_edit_makes_topics_and_changes_those_there_are() {
    let system = alone("[topic.a]\nretention = \"1h\"\n");
    let hour = topic(&system, "a");
    assert_eq!(hour["retention_ms"], 3_600_000);
    let edited = "partitions = 2\n[topic.a]\npartitions = 3\ncleanup = \"compact\"\n[topic.b]\n";
    edit(&system, &plan(edited));
    let changed = wait::until("the topics are as edited", || {
        let topics = json(&system, &["topics"]);
        (topics.len() == 2 && topics[0]["partitions"] == 3).then(|| topic(&system, "a"))
    });
    assert_eq!(changed["cleanup"], "compact");
    // What the plan does not say any more is as by default.
    assert_eq!(changed["retention_ms"], 7 * 24 * 3_600_000);
    assert_eq!(
        changed["configs"],
        json!([{"name": "cleanup.policy", "value": "compact"}])
    );
}
