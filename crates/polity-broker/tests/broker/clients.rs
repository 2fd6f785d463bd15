//! Clients that other people wrote, as their users install them.

use std::path::PathBuf;
use std::process::Command;

use crate::common::Running;

/// Runs a script of `clients/` with Python.
fn python(script: &str, arguments: &[&str]) {
    run(
        Command::new(needed("python/bin/python3")),
        script,
        arguments,
    );
}

/// Runs a script of `clients/` with Node.
fn node(script: &str, arguments: &[&str]) {
    let mut command = Command::new("node");
    command.env("NODE_PATH", needed("node/node_modules"));
    run(command, script, arguments);
}

/// Runs a script against a broker, and shows what it printed if it fails.
fn run(mut command: Command, script: &str, arguments: &[&str]) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/broker/clients");
    let ran = command.arg(folder.join(script)).args(arguments).output();
    let ran = ran.expect("`cargo xtask setup` installs what scripts are run with");
    assert!(
        ran.status.success(),
        "{script}: {}\n{}{}",
        ran.status,
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr)
    );
}

/// A path that is there once clients are installed.
fn needed(path: &str) -> PathBuf {
    let path = installed().join(path);
    let found = path.exists();
    assert!(
        found,
        "{} is not there: `cargo xtask setup` installs the clients",
        path.display()
    );
    path
}

/// Where `cargo xtask setup` installs clients: beside what is built.
fn installed() -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    let target = test.ancestors().nth(3).expect("target/debug/deps/test");
    target.join("clients")
}

#[test]
fn librdkafka_produces_and_consumes() {
    let broker = Running::start();
    python("produce_consume.py", &[&broker.address.to_string()]);
}

#[test]
fn librdkafka_consumers_share_and_their_offsets_last() {
    let broker = Running::start();
    python("groups.py", &[&broker.address.to_string(), "first"]);
    let broker = broker.restart();
    python("groups.py", &[&broker.address.to_string(), "second"]);
}

#[test]
fn librdkafka_consumers_share_by_the_new_protocol() {
    let broker = Running::start();
    python("groups_848.py", &[&broker.address.to_string()]);
}

#[test]
fn librdkafka_writes_in_transactions() {
    let broker = Running::start();
    python("transactions.py", &[&broker.address.to_string(), "first"]);
    let broker = broker.restart();
    python("transactions.py", &[&broker.address.to_string(), "second"]);
}

#[test]
fn kafkajs_administers_produces_consumes_and_commits() {
    let broker = Running::start();
    node("kafkajs.js", &[&broker.address.to_string()]);
}
