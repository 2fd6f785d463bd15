//! The files of the workspace as the checks see them: read once, and made by hand in tests.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context;

use crate::manifest::Manifest;
use crate::source::Source;

/// What is made, not written.
const SKIPPED_FOLDERS: [&str; 5] = [".git", "target", ".polity", "node_modules", "__pycache__"];

/// Larger files are data, not text to check.
const MAX_TEXT: u64 = 1 << 20;

/// Every file by its path from the root, with slashes.
#[derive(Debug, Default)]
pub(crate) struct Repository {
    /// None for a file that is not text.
    files: BTreeMap<String, Option<String>>,
    sources: Vec<Source>,
    manifests: Vec<Manifest>,
}

impl Repository {
    pub(crate) fn load(root: &Path) -> anyhow::Result<Self> {
        let mut files = BTreeMap::new();
        walk(root, "", &mut files)?;
        Self::of(files)
    }

    fn of(files: BTreeMap<String, Option<String>>) -> anyhow::Result<Self> {
        let mut repository = Self::default();
        for (path, text) in files
            .iter()
            .filter_map(|(path, text)| Some((path, text.as_ref()?)))
        {
            if path.ends_with(".rs") {
                let source =
                    Source::parse(path, text).with_context(|| format!("{path} is not Rust"))?;
                repository.sources.push(source);
            }
            if path == "Cargo.toml" || path.ends_with("/Cargo.toml") {
                let manifest = Manifest::parse(path, text)
                    .with_context(|| format!("{path} is no manifest"))?;
                // A package that is a workspace of its own answers to none of our rules for packages.
                if manifest.package.is_none() || !manifest.is_root {
                    repository.manifests.push(manifest);
                }
            }
        }
        let test_modules: Vec<String> = repository
            .sources
            .iter()
            .flat_map(Source::test_modules)
            .collect();
        for source in &mut repository.sources {
            source.is_test |= test_modules.iter().any(|module| {
                let rest = source.path.strip_prefix(module.as_str());
                rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
            });
        }
        repository.files = files;
        Ok(repository)
    }

    /// A workspace of these files and no others.
    #[cfg(test)]
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), Some((*text).to_owned())));
        Self::of(files.collect()).expect("the test's files parse")
    }

    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }

    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.as_deref()
    }

    /// Whether there is such a file or folder.
    pub(crate) fn exists(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        path.is_empty()
            || self.files.contains_key(path)
            || self
                .files
                .range(folder.clone()..)
                .next()
                .is_some_and(|(next, _)| next.starts_with(&folder))
    }

    pub(crate) fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The Rust files below a folder, named without its final slash.
    pub(crate) fn sources_in(&self, folder: &str) -> impl Iterator<Item = &Source> {
        let folder = format!("{folder}/");
        self.sources
            .iter()
            .filter(move |source| source.path.starts_with(&folder))
    }

    /// The workspace's own manifest among them.
    pub(crate) fn manifests(&self) -> &[Manifest] {
        &self.manifests
    }
}

fn walk(
    folder: &Path,
    prefix: &str,
    files: &mut BTreeMap<String, Option<String>>,
) -> anyhow::Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        let kind = entry.file_type()?;
        if kind.is_dir() && !SKIPPED_FOLDERS.contains(&name.as_str()) {
            walk(&entry.path(), &format!("{path}/"), files)?;
        } else if kind.is_file() {
            let text = match entry.metadata()?.len() {
                0..=MAX_TEXT => String::from_utf8(fs::read(entry.path())?).ok(),
                _ => None,
            };
            files.insert(path, text);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_declared_for_tests_are_tests_with_all_below() {
        let declaration = "#[cfg(test)]\nmod fake;\nmod real;\n";
        let paths = [
            "a/src/fake.rs",
            "a/src/fake/part.rs",
            "a/src/faked.rs",
            "a/src/real.rs",
            "a/src/b/fake.rs",
        ];
        let mut files: Vec<_> = paths.into_iter().map(|path| (path, "")).collect();
        files.extend([
            ("a/src/lib.rs", declaration),
            ("a/src/b.rs", declaration),
            ("a/tests/t.rs", ""),
        ]);
        let repository = Repository::with(&files);
        let tests = repository.sources().iter().filter(|source| source.is_test);
        let tests: Vec<&str> = tests.map(|source| source.path.as_str()).collect();
        assert_eq!(
            tests,
            [
                "a/src/b/fake.rs",
                "a/src/fake.rs",
                "a/src/fake/part.rs",
                "a/tests/t.rs"
            ]
        );
    }

    #[test]
    fn a_package_that_is_a_workspace_of_its_own_is_none_of_ours() {
        let files = [
            ("Cargo.toml", "[workspace]\n"),
            ("a/Cargo.toml", "[package]\nname = \"a\"\n"),
            ("b/Cargo.toml", "[package]\nname = \"b\"\n[workspace]\n"),
        ];
        let repository = Repository::with(&files);
        let paths = repository.manifests().iter().map(|it| it.path.as_str());
        assert_eq!(paths.collect::<Vec<_>>(), ["Cargo.toml", "a/Cargo.toml"]);
    }

    #[test]
    fn folders_exist_as_far_as_files_stand_in_them() {
        let repository = Repository::with(&[("a/b/c.md", "")]);
        let exist = ["", "a", "a/b", "a/b/c.md"].map(|path| repository.exists(path));
        assert_eq!(exist, [true; 4]);
        assert!(!repository.exists("a/b/c") && !repository.exists("b"));
    }
}
