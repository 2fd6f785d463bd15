//! `cargo xtask setup`: what the end-to-end tests use beyond Rust.

use std::env;
use std::process::{Command, ExitCode};

/// Each program and the Debian package it comes in.
const TOOLS: [(&str, &str); 5] = [
    ("cc", "gcc"),
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
        return ExitCode::SUCCESS;
    }
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
    ExitCode::SUCCESS
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
