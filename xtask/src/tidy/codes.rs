//! Each page in docs/codes is the page of a code there is, and says so.

use crate::finding::Finding;
use crate::repository::Repository;

/// Where the codes are listed; that each of them has a page, the compiler checks there.
const LIST: &str = "crates/polity-plan/src/code.rs";

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let list = repository
        .sources()
        .iter()
        .find(|source| source.path == LIST);
    let mut findings = Vec::new();
    for (path, text) in repository.texts() {
        let name = path
            .strip_prefix("docs/codes/")
            .and_then(|name| name.strip_suffix(".md"));
        let Some(code) = name.filter(|name| *name != "README") else {
            continue;
        };
        let number = code
            .strip_prefix('P')
            .map(|digits| digits.trim_start_matches('0'));
        let listed =
            number.is_some_and(|number| list.is_some_and(|list| !list.find(&[number]).is_empty()));
        if !listed {
            let message = format!("{code} is the code of nothing");
            findings.push(Finding::new(
                path,
                0,
                message,
                format!("list it in {LIST}, or remove the page"),
            ));
        }
        if !text
            .lines()
            .next()
            .is_some_and(|title| title.starts_with("# ") && title.contains(code))
        {
            let message = format!("the title does not name {code}");
            findings.push(Finding::new(
                path,
                1,
                message,
                format!("begin it with `# {code}: ...`"),
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
    fn a_page_of_no_code_and_a_page_without_its_code_are_found() {
        let files = [
            (LIST, "enum Code { Syntax = 101, Missing = 102 }"),
            ("docs/codes/P0101.md", "# P0101: not TOML\n"),
            ("docs/codes/P0102.md", "# Something is missing\n"),
            ("docs/codes/P0199.md", "# P0199\n"),
            ("docs/codes/README.md", "# Codes\n"),
        ];
        expect(
            check,
            &files,
            &[("docs/codes/P0102.md", 1), ("docs/codes/P0199.md", 0)],
        );
    }
}
