//! The compiler that is in use, and its tool for profiles, which has to be of the same LLVM.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

pub(super) struct Toolchain {
    /// The machine that is built on, and for.
    pub(super) host: String,
    profdata: PathBuf,
}

impl Toolchain {
    /// # Errors
    /// When the tool is not installed, with what installs it.
    pub(super) fn find() -> anyhow::Result<Self> {
        let host = rustc(&["--version", "--verbose"])?;
        let host = host
            .lines()
            .find_map(|line| line.strip_prefix("host: "))
            .context("rustc does not say what machine it is for")?
            .to_owned();
        let libraries = rustc(&["--print", "target-libdir"])?;
        let profdata = Path::new(libraries.trim()).with_file_name("bin/llvm-profdata");
        ensure!(
            profdata.is_file(),
            "there is no {}: rustup component add llvm-tools",
            profdata.display()
        );
        Ok(Self { host, profdata })
    }

    /// Makes one profile of all counts in a folder.
    pub(super) fn merge(&self, counts: &Path, profile: &Path) -> anyhow::Result<()> {
        let output = Command::new(&self.profdata)
            .args(["merge", "--output"])
            .args([profile, counts])
            .output()
            .with_context(|| format!("could not run {}", self.profdata.display()))?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "could not merge what was counted: {complaint}"
        );
        Ok(())
    }
}

/// What the compiler says that cargo would use.
fn rustc(arguments: &[&str]) -> anyhow::Result<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args(arguments)
        .output()
        .context("could not run rustc")?;
    ensure!(output.status.success(), "rustc {arguments:?} failed");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
