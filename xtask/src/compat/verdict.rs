//! What became of a suite of tests, some of which are known to fail: the page that says which, and why,
//! is held to it.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::Outcome;

/// Where the tests stand that are known to fail, each with the reason.
pub(super) const PAGE: &str = "docs/kafka-compatibility.md";

/// Between these.
const BEGIN: &str = "<!-- kafka-python: tests that fail -->";
const END: &str = "<!-- end of kafka-python -->";

/// Judges by what pytest printed with `-rfEp`.
pub(super) fn of(output: &str, page: &str) -> Outcome {
    let known = known(page);
    let passed = named(output, &["PASSED "]);
    let failed = named(output, &["FAILED ", "ERROR "]);
    if passed.is_empty() {
        return Outcome::Failed(format!("no test passed:\n{output}"));
    }
    let mut why = String::new();
    for name in failed.difference(&known) {
        let _ = writeln!(why, "{name} failed");
    }
    for name in known.difference(&failed) {
        let _ = writeln!(why, "{name} does not fail, and {PAGE} says it does");
    }
    match why.is_empty() {
        true => {
            println!(
                "{} tests passed, {} failed as known",
                passed.len(),
                failed.len()
            );
            Outcome::Passed
        }
        false => Outcome::Failed(format!("{output}\n{why}")),
    }
}

/// The first column of the page's table.
fn known(page: &str) -> BTreeSet<&str> {
    let table = page
        .split_once(BEGIN)
        .and_then(|(_, rest)| rest.split_once(END));
    let rows = table.map_or("", |(table, _)| table).lines();
    rows.filter_map(|row| row.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name)
        .collect()
}

/// What tests are told of in lines that begin with one of `words`, without the folder they are in.
fn named<'a>(output: &'a str, words: &[&str]) -> BTreeSet<&'a str> {
    let lines = output.lines();
    lines
        .filter_map(|line| {
            let name = words.iter().find_map(|word| line.strip_prefix(word))?;
            let name = name.split(" - ").next()?.trim();
            name.rsplit('/').next()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "| `not/here` | |\n<!-- kafka-python: tests that fail -->\n\n| test | why |\n|---|---|\n\
                        | `a.py::known` | no reason |\n<!-- end of kafka-python -->\n| `nor` |";

    #[test]
    fn only_what_the_page_does_not_know_is_a_failure() {
        let judge = |output| match of(output, PAGE) {
            Outcome::Failed(why) => why.lines().last().unwrap_or_default().to_owned(),
            _ => "passed".to_owned(),
        };
        let known = "PASSED test/a.py::good\nFAILED test/a.py::known - Error: of - it\n";
        assert_eq!(judge(known), "passed");
        let other =
            "PASSED test/a.py::good\nFAILED test/a.py::known\nERROR test/b.py::C::other - no\n";
        assert_eq!(judge(other), "b.py::C::other failed");
        let mended = "PASSED test/a.py::known\n";
        assert!(judge(mended).starts_with("a.py::known does not fail"));
        assert_eq!(judge(""), "no test passed:");
    }
}
