//! The logic crates do no I/O and ask no clock: that is what lets them be tested by simulation.

use crate::finding::Finding;
use crate::repository::Repository;

/// L1 of ARCHITECTURE.md.
const PURE: &[&str] = &[
    "polity-balance",
    "polity-catalog",
    "polity-plan",
    "polity-resilience",
    "polity-route",
    "polity-transcode",
];

/// Crates that bring I/O, threads or randomness.
const IMPURE_CRATES: &[&str] = &[
    "tokio",
    "mio",
    "rustix",
    "socket2",
    "ureq",
    "hyper",
    "axum",
    "getrandom",
    "rand",
    "polity-runtime",
    "polity-http",
];

/// What the standard library has of them. Addresses of `std::net` are only numbers and are fine.
const IMPURE_PATHS: &[&[&str]] = &[
    &["std", ":", ":", "fs"],
    &["std", ":", ":", "env"],
    &["std", ":", ":", "process"],
    &["std", ":", ":", "thread"],
    &["Instant", ":", ":", "now"],
    &["SystemTime", ":", ":", "now"],
    &["TcpStream"],
    &["TcpListener"],
    &["UdpSocket"],
    &["UnixStream"],
    &["UnixListener"],
    &["ToSocketAddrs"],
    &["thread_rng"],
    &["SystemClock"],
    &["from_system"],
];

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let remedy = "take it as an argument: polity_core has Clock and Rng, the caller does the I/O";
    let mut findings = Vec::new();
    for package in PURE {
        let folder = format!("crates/{package}");
        for source in repository
            .sources_in(&format!("{folder}/src"))
            .filter(|source| !source.is_test)
        {
            for path in IMPURE_PATHS {
                let uses = source.find(path).into_iter().filter(|token| !token.in_test);
                let message = format!("{package} is pure and may not use {}", path.concat());
                findings.extend(
                    uses.map(|token| Finding::new(&source.path, token.line, &*message, remedy)),
                );
            }
        }
        let manifests = repository
            .manifests()
            .iter()
            .filter(|manifest| manifest.folder() == folder);
        for manifest in manifests {
            for dependency in manifest
                .dependencies
                .iter()
                .filter(|it| IMPURE_CRATES.contains(&it.name.as_str()))
            {
                let message = format!(
                    "{package} is pure and may not depend on {}",
                    dependency.name
                );
                findings.push(Finding::new(
                    &manifest.path,
                    dependency.line,
                    message,
                    remedy,
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::expect;

    #[test]
    fn asking_a_clock_is_found_outside_tests_only() {
        let text =
            "fn f() { Instant::now() }\n#[cfg(test)]\nmod tests { fn g() { Instant::now() } }\n";
        let files = [
            ("crates/polity-balance/src/a.rs", text),
            ("crates/polity-balance/src/a_tests.rs", text),
        ];
        expect(check, &files, &[("crates/polity-balance/src/a.rs", 1)]);
        expect(check, &[("crates/polity-http/src/a.rs", text)], &[]);
    }

    #[test]
    fn files_and_sockets_are_found_and_addresses_are_not() {
        let text = "use std::net::{IpAddr, TcpStream};\nuse std::{fmt, fs};\n";
        let path = "crates/polity-plan/src/a.rs";
        expect(check, &[(path, text)], &[(path, 1), (path, 2)]);
    }

    #[test]
    fn a_runtime_among_the_dependencies_is_found() {
        let path = "crates/polity-catalog/Cargo.toml";
        let text = "[package]\nname = \"polity-catalog\"\n[dependencies]\ntokio.workspace = true\n";
        expect(check, &[(path, text)], &[(path, 4)]);
    }
}
