//! Each dependency is chosen once, in the workspace, and used by whoever asks for it.

use crate::finding::Finding;
use crate::manifest::Manifest;
use crate::repository::Repository;

pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let members = || {
        repository
            .manifests()
            .iter()
            .filter(|manifest| manifest.package.is_some())
    };
    let mut findings: Vec<Finding> = members()
        .flat_map(|member| of_member(repository, member))
        .collect();
    for root in repository
        .manifests()
        .iter()
        .filter(|manifest| manifest.package.is_none())
    {
        for dependency in &root.dependencies {
            let name = &dependency.name;
            let wanted = members().any(|member| {
                member
                    .dependencies
                    .iter()
                    .any(|theirs| theirs.name == *name)
            });
            if !wanted && !name.starts_with("polity-") {
                let message = format!("no member depends on {name}");
                findings.push(Finding::new(
                    &root.path,
                    dependency.line,
                    message,
                    "remove the line",
                ));
            }
        }
    }
    findings
}

fn of_member(repository: &Repository, member: &Manifest) -> Vec<Finding> {
    let mut findings = Vec::new();
    for dependency in &member.dependencies {
        let name = &dependency.name;
        let mut add = |message: String, remedy: &str| {
            findings.push(Finding::new(&member.path, dependency.line, message, remedy));
        };
        if !dependency.inherited {
            let message = format!("{name} has a version or features of its own here");
            add(
                message,
                "choose them in [workspace.dependencies] and write `NAME.workspace = true`",
            );
        }
        let identifier = name.replace('-', "_");
        let used = repository
            .sources_in(member.folder())
            .any(|source| !source.find(&[&identifier]).is_empty());
        if !used {
            add(format!("{name} is never used"), "remove the line");
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::expect;

    #[test]
    fn versions_of_their_own_and_unused_crates_are_found() {
        let manifest = "[package]\nname = \"a\"\n[dependencies]\nserde = \"1\"\nfutures-util.workspace = true\nlog.workspace = true\n";
        let files = [
            ("a/Cargo.toml", manifest),
            (
                "a/src/lib.rs",
                "use serde::Serialize;\nfn f() { futures_util::x() }\n// log\n",
            ),
        ];
        expect(check, &files, &[("a/Cargo.toml", 4), ("a/Cargo.toml", 6)]);
    }

    #[test]
    fn a_workspace_dependency_nobody_wants_is_found() {
        let root = "[workspace.dependencies]\nserde = \"1\"\nlog = \"1\"\n";
        let member = "[package]\nname = \"a\"\n[dependencies]\nserde.workspace = true\n";
        let files = [
            ("Cargo.toml", root),
            ("a/Cargo.toml", member),
            ("a/src/lib.rs", "use serde::Serialize;"),
        ];
        expect(check, &files, &[("Cargo.toml", 3)]);
    }
}
