//! A crate we ask for by name should be built in one version.

use std::collections::BTreeSet;

use toml::{Table, Value};

use crate::finding::Finding;
use crate::repository::Repository;

const PATH: &str = "Cargo.lock";

/// Notes only: a second version comes with somebody else's crate, and goes when they update.
pub(crate) fn check(repository: &Repository) -> Vec<Finding> {
    let lock = repository
        .text(PATH)
        .and_then(|text| toml::from_str::<Table>(text).ok());
    let Some(lock) = lock else {
        return vec![Finding::new(
            PATH,
            0,
            "missing, or not TOML",
            "run cargo check and commit it",
        )];
    };
    let packages: Vec<&Value> = lock
        .get("package")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .collect();
    let named = |name: &str| -> Vec<&str> {
        let same = packages
            .iter()
            .filter(|it| it.get("name").and_then(Value::as_str) == Some(name));
        same.filter_map(|it| it.get("version")?.as_str()).collect()
    };
    let direct: BTreeSet<&str> = repository
        .manifests()
        .iter()
        .flat_map(|manifest| &manifest.dependencies)
        .map(|dependency| dependency.name.as_str())
        .collect();
    let doubled = direct
        .into_iter()
        .map(|name| (name, named(name)))
        .filter(|(_, versions)| versions.len() > 1);
    doubled
        .map(|(name, versions)| {
            let message = format!(
                "{name} is built in {} versions: {}",
                versions.len(),
                versions.join(", ")
            );
            Finding::new(
                PATH,
                0,
                message,
                format!("see who asks: cargo tree -i {name}@VERSION"),
            )
            .note()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::expect;

    const MANIFEST: &str = "[package]\nname = \"a\"\n[dependencies]\nserde.workspace = true\n";

    #[test]
    fn a_direct_dependency_in_two_versions_is_found() {
        let package =
            |name, version| format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n");
        let lock = [
            package("serde", "1.0.0"),
            package("serde", "2.0.0"),
            package("syn", "1.0.0"),
            package("syn", "2.0.0"),
        ];
        expect(
            check,
            &[("Cargo.toml", MANIFEST), (PATH, &lock.concat())],
            &[(PATH, 0)],
        );
        expect(
            check,
            &[("Cargo.toml", MANIFEST), (PATH, &lock[1..].concat())],
            &[],
        );
    }

    #[test]
    fn a_missing_lockfile_is_found() {
        expect(check, &[("Cargo.toml", MANIFEST)], &[(PATH, 0)]);
    }
}
