//! The papers a visitor looks for are there, and the map shows every crate.

use crate::finding::Finding;
use crate::repository::Repository;

const PAPERS: [&str; 4] = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "LICENSE"];

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let empty = |path: &&str| {
        repository
            .text(path)
            .is_none_or(|text| text.trim().is_empty())
    };
    let missing = PAPERS.into_iter().filter(empty);
    let mut findings: Vec<Finding> = missing
        .map(|path| Finding::new(path, 0, "missing", "write it"))
        .collect();
    let map = repository.text("ARCHITECTURE.md").unwrap_or_default();
    for manifest in repository
        .manifests()
        .iter()
        .filter(|it| it.folder().starts_with("crates/"))
    {
        let folder = manifest.folder();
        let drawn = map.split_whitespace().any(|word| word == folder);
        if !drawn {
            let message = format!("{folder} is not on the map");
            findings.push(Finding::new(
                "ARCHITECTURE.md",
                0,
                message,
                "add it to the code map",
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::expect;

    #[test]
    fn missing_papers_and_crates_off_the_map_are_found() {
        let files = [
            ("README.md", "text"),
            ("ARCHITECTURE.md", "crates/a   does a\ncrates/bc  does bc\n"),
            ("LICENSE", " \n"),
            ("crates/a/Cargo.toml", "[package]\nname = \"a\"\n"),
            ("crates/b/Cargo.toml", "[package]\nname = \"b\"\n"),
        ];
        expect(
            check,
            &files,
            &[("ARCHITECTURE.md", 0), ("CHANGELOG.md", 0), ("LICENSE", 0)],
        );
    }
}
