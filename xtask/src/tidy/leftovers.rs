//! Nothing is left for later: no reminders, no stubs, no tests that do not run.

use crate::finding::Finding;
use crate::repository::Repository;

/// In two parts, so that this file does not find itself.
const REMINDERS: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

const STUBS: [(&[&str], &str); 3] = [
    (&["todo", "!"], "a stub"),
    (&["unimplemented", "!"], "a stub"),
    (&["#", "[", "ignore"], "a test that does not run"),
];

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repository.texts() {
        for (line, number) in text.lines().zip(1..) {
            for reminder in REMINDERS.iter().filter(|reminder| has_word(line, reminder)) {
                findings.push(Finding::new(
                    path,
                    number,
                    format!("a {reminder}"),
                    "do it, or open an issue",
                ));
            }
        }
    }
    for source in repository.sources() {
        for (words, what) in STUBS {
            let stubs = source.find(words).into_iter();
            findings.extend(stubs.map(|token| {
                Finding::new(&source.path, token.line, what, "finish it, or take it out")
            }));
        }
    }
    findings
}

fn has_word(line: &str, word: &str) -> bool {
    let is_part =
        |neighbour: Option<char>| neighbour.is_some_and(|it| it.is_alphanumeric() || it == '_');
    line.match_indices(word).any(|(at, _)| {
        !is_part(line[..at].chars().next_back()) && !is_part(line[at + word.len()..].chars().next())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::expect;

    #[test]
    fn reminders_are_found_in_any_text() {
        let [first, second] = REMINDERS;
        let files = [
            ("a.md", &*format!("fine\n{first}: later\n")),
            ("b.sh", &*format!("# ({second})\n")),
            ("c.py", &*format!("{first}S = MY_{first}\n")),
        ];
        expect(check, &files, &[("a.md", 2), ("b.sh", 1)]);
    }

    #[test]
    fn stubs_and_ignored_tests_are_found() {
        let text = "fn a() { todo!() }\nfn b() { unimplemented!(\"x\") }\n#[ignore = \"slow\"]\nfn c() {}\n// todo!() in a comment\n";
        expect(
            check,
            &[("a.rs", text)],
            &[("a.rs", 1), ("a.rs", 2), ("a.rs", 3)],
        );
    }
}
