//! Links between the documents lead somewhere.

use crate::finding::Finding;
use crate::repository::Repository;

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repository.texts().filter(|(path, _)| path.ends_with(".md")) {
        for (line, target) in links(text) {
            let file = target.split(['#', '?']).next().unwrap_or_default();
            let outside = target.contains("://") || target.starts_with("mailto:");
            if outside || file.is_empty() {
                continue;
            }
            let found = resolve(path, file).is_some_and(|file| repository.exists(&file));
            if !found {
                let message = format!("the link to {target} leads nowhere");
                findings.push(Finding::new(
                    path,
                    line,
                    message,
                    "links are relative to the file they stand in",
                ));
            }
        }
    }
    findings
}

/// Targets of `[text](target)` and `[name]: target` with their lines, code aside.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    let mut fence: Option<&str> = None;
    for (line, number) in text.lines().zip(1..) {
        let trimmed = line.trim_start();
        let marker = ["```", "~~~"]
            .into_iter()
            .find(|marker| trimmed.starts_with(marker));
        match (fence, marker) {
            (None, Some(marker)) => fence = Some(marker),
            (Some(open), Some(marker)) if open == marker => fence = None,
            (Some(_), _) => {}
            (None, None) => links.extend(of_line(line).map(|target| (number, target))),
        }
    }
    links
}

fn of_line(line: &str) -> impl Iterator<Item = String> {
    // What stands between backticks is every second piece.
    let prose: Vec<&str> = line.split('`').step_by(2).collect();
    let prose = prose.join("");
    let mut targets: Vec<String> = Vec::new();
    for (at, opening) in prose.match_indices("](") {
        let rest = &prose[at + opening.len()..];
        targets.extend(rest.split_once(')').map(|(target, _)| target.to_owned()));
    }
    if let Some((_, target)) = prose
        .trim_start()
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("]: "))
    {
        targets.push(target.to_owned());
    }
    // A title may follow the target.
    targets.into_iter().filter_map(|target| {
        Some(
            target
                .split_whitespace()
                .next()?
                .trim_matches(['<', '>'])
                .to_owned(),
        )
    })
}

/// The path from the root of what `target` means in the file at `from`; none where it leaves the
/// repository.
fn resolve(from: &str, target: &str) -> Option<String> {
    let mut segments: Vec<&str> = from.split('/').collect();
    segments.pop();
    for segment in target.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop()?;
            }
            name => segments.push(name),
        }
    }
    Some(segments.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::expect;

    #[test]
    fn dead_links_are_found() {
        let text =
            "[a](b.md) and ![c](img/d.svg)\n[x](gone.md \"title\") [y](../out.md)\n[r]: lost.md\n";
        let files = [
            ("docs/a.md", text),
            ("docs/b.md", ""),
            ("docs/img/d.svg", ""),
        ];
        expect(
            check,
            &files,
            &[("docs/a.md", 2), ("docs/a.md", 2), ("docs/a.md", 3)],
        );
    }

    #[test]
    fn live_links_outside_links_and_code_are_not() {
        let text = "[a](../README.md#part) [b](#here) [c](https://x.example/y) [d](mailto:a@b.example)\n[folder](../docs/)\n`[x](gone.md)`\n```\n[x](gone.md)\n```\n";
        expect(check, &[("docs/a.md", text), ("README.md", "")], &[]);
    }

    #[test]
    fn a_link_out_of_the_repository_is_found() {
        expect(check, &[("a.md", "[x](../../x.md)\n")], &[("a.md", 1)]);
    }
}
