//! `cargo xtask setup`: what the end-to-end tests use beyond Rust.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::{env, fs};

/// Each program and the Debian package it comes in.
const TOOLS: [(&str, &str); 9] = [
    ("cc", "gcc"),
    ("curl", "curl"),
    ("nghttp", "nghttp2-client"),
    ("make", "make"),
    ("wrk", "wrk"),
    ("python3", "python3"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("go", "golang-go"),
];

/// Programs of Go's: what holds servers against RFC 9113, and Let's Encrypt's authority for tests, with what
/// looks names up for it.
const GO_PROGRAMS: [&str; 3] = [
    "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible",
    "github.com/letsencrypt/pebble/v2/cmd/pebble@v2.10.1",
    "github.com/letsencrypt/pebble/v2/cmd/pebble-challtestsrv@v2.10.1",
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
    clients();
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

/// The clients that Polity is tested with, in the versions that `clients/` names, beside what is built.
fn clients() {
    let executable = env::current_exe().ok();
    let Some(target) = executable.as_deref().and_then(|it| it.ancestors().nth(2)) else {
        return;
    };
    let wanted = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients");
    let installed = target.join("clients");
    if !python_clients(&wanted.join("requirements.txt"), &installed.join("python")) {
        println!(
            "setup: Python's clients are not installed: it takes python3 with venv and pip, and a network"
        );
    }
    if !node_clients(&wanted.join("package.json"), &installed.join("node")) {
        println!("setup: Node's clients are not installed: it takes npm, and a network");
    }
    for program in GO_PROGRAMS {
        if !go_program(program, &installed.join("go")) {
            println!("setup: {program} is not installed: it takes go, and a network");
        }
    }
}

fn python_clients(wanted: &Path, folder: &Path) -> bool {
    let note = folder.join("requirements.txt");
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
    is_same(wanted, &note)
        || succeeds("python3", &[Path::new("-m"), Path::new("venv"), folder])
            && succeeds(folder.join("bin/python3"), &[&pip[..], &[wanted]].concat())
            && fs::copy(wanted, note).is_ok()
}

fn node_clients(wanted: &Path, folder: &Path) -> bool {
    let note = folder.join("package.json");
    let npm = [
        "install",
        "--silent",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--prefix",
    ];
    is_same(wanted, &note) && folder.join("node_modules").is_dir()
        || fs::create_dir_all(folder).is_ok()
            && fs::copy(wanted, note).is_ok()
            && succeeds("npm", &[&npm.map(Path::new)[..], &[folder]].concat())
}

/// Installs a program of Go's, named with its version, unless it is there.
fn go_program(program: &str, folder: &Path) -> bool {
    let path = program.split('@').next().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    let note = folder.join(format!("{name}.txt"));
    let is_noted = fs::read_to_string(&note).is_ok_and(|noted| noted == program);
    is_noted
        || fs::create_dir_all(folder).is_ok()
            && Command::new("go")
                .args(["install", program])
                .env("GOBIN", folder)
                .status()
                .is_ok_and(|status| status.success())
            && fs::write(note, program).is_ok()
}

fn is_same(one: &Path, other: &Path) -> bool {
    matches!((fs::read(one), fs::read(other)), (Ok(one), Ok(other)) if one == other)
}

fn succeeds(program: impl AsRef<OsStr>, arguments: &[&Path]) -> bool {
    let ran = Command::new(program).args(arguments).status();
    ran.is_ok_and(|status| status.success())
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
