//! Each Rust file says first what it is for.

use crate::finding::Finding;
use crate::repository::Repository;

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let headless = repository.sources().iter().filter(|source| {
        let sentence = source
            .text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("//! "));
        sentence.is_none_or(|sentence| sentence.trim().is_empty())
    });
    headless
        .map(|source| {
            let remedy = "begin it with a `//!` sentence that says what the file is for";
            Finding::new(
                &source.path,
                1,
                "the file does not say what it is for",
                remedy,
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::expect;

    #[test]
    fn a_file_without_a_head_is_found() {
        let files = [
            ("a.rs", "//! What it is for.\n"),
            ("b.rs", "use x;\n"),
            ("c.rs", "\n//! Too late.\n"),
            ("d.rs", "// No doc comment.\n"),
            ("e.rs", ""),
        ];
        expect(
            check,
            &files,
            &[("b.rs", 1), ("c.rs", 1), ("d.rs", 1), ("e.rs", 1)],
        );
    }
}
