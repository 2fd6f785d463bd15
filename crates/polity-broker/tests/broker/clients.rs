//! Clients that other people wrote, as their users install them.

use std::path::PathBuf;
use std::process::Command;

use crate::common::Running;

/// Runs a script of `clients/` against a broker, and shows what it printed if it fails.
fn python(script: &str, arguments: &[&str]) {
    let interpreter = installed().join("python/bin/python3");
    assert!(
        interpreter.is_file(),
        "{} is not there: `cargo xtask setup` installs the clients",
        interpreter.display()
    );
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/broker/clients");
    let ran = Command::new(interpreter)
        .arg(folder.join(script))
        .args(arguments)
        .output()
        .expect("python runs");
    assert!(
        ran.status.success(),
        "{script}: {}\n{}{}",
        ran.status,
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr)
    );
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
fn librdkafka_writes_in_transactions() {
    let broker = Running::start();
    python("transactions.py", &[&broker.address.to_string(), "first"]);
    let broker = broker.restart();
    python("transactions.py", &[&broker.address.to_string(), "second"]);
}
