//! `cargo xtask setup`: what the end-to-end tests use beyond Rust.

use std::env;
use std::path::Path;
use std::process::{Command, ExitCode};

/// Each program and the Debian package it comes in.
const TOOLS: [(&str, &str); 6] = [
    ("cc", "gcc"),
    ("make", "make"),
    ("wrk", "wrk"),
    ("python3", "python3"),
    ("node", "nodejs"),
    ("go", "golang-go"),
];

/// Installs what is missing where that is possible. It never fails: tests say themselves what they
/// skip without a tool, and one that needs it fails with a better message.
pub(crate) fn run() -> ExitCode {
    let missing: Vec<_> = TOOLS
        .into_iter()
        .filter(|(program, _)| !is_installed(program))
        .collect();
    if missing.is_empty() {
        println!("setup: nothing is missing");
    } else {
        install(&missing);
    }
    kafka_clients();
    ExitCode::SUCCESS
}

fn install(missing: &[(&str, &str)]) {
    let programs: Vec<&str> = missing.iter().map(|(program, _)| *program).collect();
    let packages: Vec<&str> = missing.iter().map(|(_, package)| *package).collect();
    println!("setup: missing {}", programs.join(", "));
    let installed =
        is_installed("apt-get") && apt(&["update"]) && apt(&[&["install"], &*packages].concat());
    if !installed {
        println!(
            "setup: not installed; as root on Debian: apt-get install {}",
            packages.join(" ")
        );
    }
}

/// The Kafka clients that the broker is tested with, in the versions that its tests name, beside what
/// is built.
fn kafka_clients() {
    let Some(target) = env::current_exe()
        .ok()
        .and_then(|it| Some(it.ancestors().nth(2)?.to_owned()))
    else {
        return;
    };
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/polity-broker/tests/broker");
    let wanted = tests.join("clients/requirements.txt");
    let python = target.join("clients/python");
    let installed = python.join("requirements.txt");
    let read = |path| std::fs::read(path).unwrap_or_default();
    if read(&installed) == read(&wanted) {
        return;
    }
    let run = |program: &Path, arguments: &[&Path]| {
        let ran = Command::new(program).args(arguments).status();
        ran.is_ok_and(|status| status.success())
    };
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--only-binary",
        ":all:",
        "-r",
    ]
    .map(Path::new);
    let is_done = run(
        Path::new("python3"),
        &[Path::new("-m"), Path::new("venv"), &python],
    ) && run(
        &python.join("bin/python3"),
        &[&pip[..], &[&wanted]].concat(),
    ) && std::fs::copy(&wanted, &installed).is_ok();
    if !is_done {
        println!(
            "setup: Kafka's Python clients are not installed: python3 with venv and pip, and a network, are needed"
        );
    }
}

fn is_installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Never asks, and gives up on a mirror that does not answer.
fn apt(arguments: &[&str]) -> bool {
    let mut command = Command::new("apt-get");
    command.args([
        "-y",
        "-q",
        "--no-install-recommends",
        "-o",
        "Acquire::http::Timeout=20",
        "-o",
        "Acquire::Retries=1",
    ]);
    command
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive");
    command.status().is_ok_and(|status| status.success())
}
