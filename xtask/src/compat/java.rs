//! Kafka's own clients, and Streams.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::{Folders, Outcome, outcome, succeed};
use crate::bench::find;

pub(super) fn clients(folders: &Folders, address: &str) -> anyhow::Result<Outcome> {
    run(folders, "Clients.java", address)
}

pub(super) fn streams(folders: &Folders, address: &str) -> anyhow::Result<Outcome> {
    run(folders, "WordCount.java", address)
}

/// Java compiles a program of one file as it runs it.
fn run(folders: &Folders, program: &str, address: &str) -> anyhow::Result<Outcome> {
    if find("javac").is_none() || find("mvn").is_none() {
        return Ok(Outcome::Missing(
            "as root on Debian: apt-get install default-jdk-headless maven",
        ));
    }
    let sources = folders.root.join("compat/java");
    let jars = install(folders)?;
    let state = tempfile::tempdir()?;
    outcome(
        Command::new("java")
            .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=error")
            .arg(format!("-Djava.io.tmpdir={}", state.path().display()))
            .arg("-cp")
            .arg(jars.join("*"))
            .arg(sources.join(program))
            .arg(address),
    )
}

/// Has Maven put the jars that `pom.xml` names where they are looked for.
fn install(folders: &Folders) -> anyhow::Result<PathBuf> {
    let wanted = folders.root.join("compat/java/pom.xml");
    let jars = folders.installed.join("java");
    let note = jars.join("pom.xml");
    if fs::read(&wanted).ok() != fs::read(&note).ok() {
        println!("installing Kafka's Java clients");
        let mut maven = Command::new("mvn");
        maven
            .args(["--quiet", "--batch-mode", "--file"])
            .arg(&wanted);
        maven.arg("dependency:copy-dependencies");
        maven.arg(format!("-DoutputDirectory={}", jars.display()));
        succeed(&mut maven)?;
        fs::copy(&wanted, &note)?;
    }
    Ok(jars)
}
