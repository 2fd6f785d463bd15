//! Builds what is measured and what measures.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

/// Programs built in release mode.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) polity: PathBuf,
    pub(super) instruments: PathBuf,
}

/// Each by itself, so that the measured binary is the one that `cargo build --release` makes.
pub(super) fn release(root: &Path) -> anyhow::Result<Programs> {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    for package in ["polity", "polity-bench"] {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo)
            .args(["build", "--release", "--quiet", "--package", package])
            .current_dir(root)
            .status()
            .context("could not run cargo")?;
        ensure!(status.success(), "could not build {package}");
    }
    Ok(Programs {
        polity: target.join("release/polity"),
        instruments: target.join("release/polity-bench"),
    })
}
