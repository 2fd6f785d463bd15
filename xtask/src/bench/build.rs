//! Builds what is measured and what measures.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, ensure};

/// What runs besides the peers.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) polity: PathBuf,
    pub(super) instruments: PathBuf,
}

/// Builds the instruments, and Polity unless there is one `given`. Each by itself, so that the measured
/// binary is the one that `cargo build --release` makes.
pub(super) fn release(root: &Path, given: Option<&Path>) -> anyhow::Result<Programs> {
    let target = target(root);
    let polity = match given {
        Some(polity) => fs::canonicalize(polity)
            .with_context(|| format!("could not find {}", polity.display()))?,
        None => {
            build(root, "polity")?;
            target.join("release/polity")
        }
    };
    build(root, "polity-bench")?;
    Ok(Programs {
        polity,
        instruments: target.join("release/polity-bench"),
    })
}

/// Builds some of the workspace's programs; with that, where they are.
pub(super) fn packages(root: &Path, packages: &[String]) -> anyhow::Result<PathBuf> {
    for package in packages {
        build(root, package)?;
    }
    Ok(target(root).join("release"))
}

fn target(root: &Path) -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

fn build(root: &Path, package: &str) -> anyhow::Result<()> {
    println!("building {package} in release mode");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--quiet", "--package", package])
        .current_dir(root)
        .status()
        .context("could not run cargo")?;
    ensure!(status.success(), "could not build {package}");
    Ok(())
}
