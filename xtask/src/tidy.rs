//! `cargo xtask tidy`: what the project asks of its files and no compiler checks.

mod codes;
mod dependencies;
mod heads;
mod layers;
mod leftovers;
mod lengths;
mod links;
mod lockfile;
mod papers;
mod purity;
mod spawning;

use std::path::Path;
use std::process::ExitCode;

use crate::finding::{Finding, Severity};
use crate::repository::Repository;

type Check = fn(&Repository) -> Vec<Finding>;

const CHECKS: &[(&str, Check)] = &[
    ("layers", layers::check),
    ("purity", purity::check),
    ("dependencies", dependencies::check),
    ("lockfile", lockfile::check),
    ("heads", heads::check),
    ("lengths", lengths::check),
    ("leftovers", leftovers::check),
    ("spawning", spawning::check),
    ("links", links::check),
    ("codes", codes::check),
    ("papers", papers::check),
];

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."));
    let repository = Repository::load(root)?;
    let mut errors = 0;
    for (name, check) in CHECKS {
        let mut findings = check(&repository);
        findings.sort();
        for finding in &findings {
            println!("[{name}] {finding}");
        }
        errors += findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
            .count();
    }
    match errors {
        0 => {
            println!("tidy: {} checks passed", CHECKS.len());
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            println!("tidy: {errors} to mend");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Checks that exactly these places are found, sorted.
#[cfg(test)]
#[track_caller]
fn expect(check: Check, files: &[(&str, &str)], expected: &[(&str, usize)]) {
    let mut findings = check(&Repository::with(files));
    findings.sort();
    let places = findings
        .iter()
        .map(|finding| (finding.path.as_str(), finding.line));
    assert_eq!(places.collect::<Vec<_>>(), expected);
}
