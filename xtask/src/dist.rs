//! `cargo xtask dist`: the binary to give away, laid out by what it is seen to do under load.
//!
//! Each line of code that a request needs and that is not in the first of the processor's caches is
//! waited for, and between two system calls few are. A compiler that knows what is run, and what is run after it,
//! keeps that together, and everything else out of its way.

mod toolchain;
mod training;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

use anyhow::{Context, ensure};

use toolchain::Toolchain;

/// What is linked into each kind of page is kept apart: the linker would else mix it again.
const LINKING: &str = "-Clink-arg=-Wl,-z,keep-text-section-prefix";

/// What the binary and the work it is laid out by are made of.
const SOURCES: [&str; 7] = [
    "crates",
    "bench",
    "xtask/src/dist",
    "xtask/src/dist.rs",
    ".cargo",
    "Cargo.toml",
    "Cargo.lock",
];

/// The file that says of which commit the binary beside it is.
const COMMIT: &str = "commit";

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("xtask has no parent folder")?;
    println!("{}", make(root)?.display());
    Ok(ExitCode::SUCCESS)
}

/// The binary, made anew only where it is of another commit than what is checked out.
pub(crate) fn current(root: &Path) -> anyhow::Result<PathBuf> {
    let folder = target(root).join("dist");
    let (binary, made_of) = (
        folder.join("polity"),
        fs::read_to_string(folder.join(COMMIT)),
    );
    match (made_of, commit(root)) {
        (Ok(made_of), Some(commit)) if made_of == commit && binary.exists() => Ok(binary),
        _ => make(root),
    }
}

/// Builds Polity so that it counts what it does, has it do that, and builds it anew by the counts; gives
/// where the binary is.
fn make(root: &Path) -> anyhow::Result<PathBuf> {
    let toolchain = Toolchain::find()?;
    let folder = target(root).join("dist");
    let made_of = commit(root);
    remove(&folder.join(COMMIT))?;
    let counts = folder.join("counts");
    // Those of other code would be refused, or worse, believed.
    remove(&counts)?;
    fs::create_dir_all(&counts)?;

    println!("1 of 4: building a binary that counts what it does");
    let generate = flag("-Cprofile-generate=", &counts);
    let counting = build(root, &toolchain, &folder.join("counting"), &[generate])?;
    println!("2 of 4: building what gives it work");
    let instruments = crate::bench::build::instruments(root)?;
    println!("3 of 4: having it work");
    training::run(&counting, &instruments, &counts)?;
    let profile = folder.join("polity.profdata");
    toolchain.merge(&counts, &profile)?;
    println!("4 of 4: building the binary by the counts");
    let optimised = folder.join("optimised");
    // cargo does not look into the profile, and would keep what was built by another.
    remove(&optimised)?;
    let flags = [flag("-Cprofile-use=", &profile), LINKING.into()];
    let built = build(root, &toolchain, &optimised, &flags)?;
    let binary = folder.join("polity");
    fs::copy(&built, &binary).with_context(|| format!("could not write {}", binary.display()))?;
    if let Some(commit) = made_of {
        fs::write(folder.join(COMMIT), commit)?;
    }
    Ok(binary)
}

/// The commit that last changed what the binary is made of; none where something of it is changed
/// and not committed.
fn commit(root: &Path) -> Option<String> {
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        let output = command.args(arguments).arg("--").args(SOURCES);
        let output = output.current_dir(root).output().ok()?;
        output.status.success().then_some(output.stdout)
    };
    let is_clean = git(&["status", "--porcelain"])?.is_empty();
    let commit = String::from_utf8(git(&["log", "-1", "--format=%H"])?).ok()?;
    (is_clean && !commit.is_empty()).then_some(commit)
}

fn flag(name: &str, path: &Path) -> OsString {
    let mut flag = OsString::from(name);
    flag.push(path);
    flag
}

/// Builds Polity into a folder of its own, with `flags` for all of it but what runs while it is built.
fn build(
    root: &Path,
    toolchain: &Toolchain,
    folder: &Path,
    flags: &[OsString],
) -> anyhow::Result<PathBuf> {
    // Whoever packages Polity may have flags as well. The separator is cargo's.
    let theirs = env::var_os("RUSTFLAGS").unwrap_or_default();
    let theirs = theirs.to_string_lossy();
    let theirs = theirs.split_whitespace().map(OsString::from);
    let flags: Vec<OsString> = theirs.chain(flags.iter().cloned()).collect();
    let host = &toolchain.host;
    let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([
            "build",
            "--locked",
            "--release",
            "--quiet",
            "--package",
            "polity",
        ])
        .args(["--target", host, "--target-dir"])
        .arg(folder)
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            flags.join(&*OsString::from("\x1f")),
        )
        .current_dir(root)
        .status()
        .context("could not run cargo")?;
    ensure!(status.success(), "could not build polity");
    Ok(folder.join(host).join("release/polity"))
}

/// Where cargo builds, `root` being the workspace's.
pub(crate) fn target(root: &Path) -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

fn remove(path: &Path) -> anyhow::Result<()> {
    let removed = match path.is_dir() {
        true => fs::remove_dir_all(path),
        false if !fs::exists(path)? => Ok(()),
        false => fs::remove_file(path),
    };
    removed.with_context(|| format!("could not remove {}", path.display()))
}
