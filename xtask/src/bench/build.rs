//! Builds what is measured and what measures.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, ensure};

use crate::dist;

/// What runs besides the peers.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) polity: PathBuf,
    /// How it was built.
    pub(super) kind: &'static str,
    pub(super) instruments: PathBuf,
}

/// Which binary of Polity is measured.
#[derive(Debug, Clone, Copy)]
pub(super) enum Polity<'a> {
    /// The one that `cargo build --release` makes.
    Release,
    /// The one that `cargo xtask dist` makes.
    Dist,
    /// One that is there.
    Given(&'a Path),
}

impl<'a> Polity<'a> {
    /// The one that is `given`, or else that of a release.
    pub(super) fn or_release(given: Option<&'a Path>) -> Self {
        given.map_or(Self::Release, Self::Given)
    }
}

/// Builds the instruments, and Polity unless there is one given. Each by itself, so that the measured
/// binary is the one that users make.
pub(super) fn programs(root: &Path, polity: Polity<'_>) -> anyhow::Result<Programs> {
    let (polity, kind) = match polity {
        Polity::Release => (self::polity(root)?, "built by `cargo build --release`"),
        Polity::Dist => (dist::current(root)?, "built by `cargo xtask dist`"),
        Polity::Given(polity) => {
            let found = fs::canonicalize(polity);
            let found = found.with_context(|| format!("could not find {}", polity.display()))?;
            (found, "built before")
        }
    };
    Ok(Programs {
        polity,
        kind,
        instruments: instruments(root)?,
    })
}

/// Builds Polity as users do.
pub(crate) fn polity(root: &Path) -> anyhow::Result<PathBuf> {
    build(root, "polity")
}

/// Builds what measures.
pub(crate) fn instruments(root: &Path) -> anyhow::Result<PathBuf> {
    build(root, "polity-bench")
}

/// Builds some of the workspace's programs; with that, where they are.
pub(super) fn packages(root: &Path, packages: &[String]) -> anyhow::Result<PathBuf> {
    for package in packages {
        build(root, package)?;
    }
    Ok(dist::target(root).join("release"))
}

/// Builds a package; with that, where its program of the same name is.
fn build(root: &Path, package: &str) -> anyhow::Result<PathBuf> {
    println!("building {package} in release mode");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--quiet", "--package", package])
        .current_dir(root)
        .status()
        .context("could not run cargo")?;
    ensure!(status.success(), "could not build {package}");
    Ok(dist::target(root).join("release").join(package))
}
