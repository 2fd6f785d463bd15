//! No task without a name: a panic in one must be reported, and its end be somebody's to look at.

use crate::finding::Finding;
use crate::repository::Repository;

const BARE: [&[&str]; 2] = [
    &["tokio", ":", ":", "spawn"],
    &["tokio", ":", ":", "task", ":", ":", "spawn"],
];

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    let ours = repository
        .sources_in("crates")
        .filter(|source| !source.is_test);
    for source in ours.filter(|source| !source.path.starts_with("crates/polity-runtime/")) {
        for words in BARE {
            let spawns = source
                .find(words)
                .into_iter()
                .filter(|token| !token.in_test);
            findings.extend(spawns.map(|token| {
                Finding::new(
                    &source.path,
                    token.line,
                    "a task without a name",
                    "use polity_runtime::task::spawn",
                )
            }));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::expect;

    #[test]
    fn a_bare_spawn_is_found_outside_tests_and_the_runtime() {
        let text = "fn a() { tokio::spawn(x); }\nuse tokio::task::{self, spawn};\nfn b() { task::spawn(\"b\", x); tokio::task::spawn_local(x) }\n";
        let files = [
            ("crates/a/src/a.rs", text),
            ("crates/a/src/tests.rs", text),
            ("crates/polity-runtime/src/task.rs", text),
            ("examples/a/src/main.rs", text),
        ];
        expect(
            check,
            &files,
            &[("crates/a/src/a.rs", 1), ("crates/a/src/a.rs", 2)],
        );
    }
}
