//! What a Cargo.toml says about dependencies.

use anyhow::Context;
use toml::{Table, Value};

/// One Cargo.toml.
#[derive(Debug)]
pub(crate) struct Manifest {
    pub(crate) path: String,
    /// None for the virtual root.
    pub(crate) package: Option<String>,
    /// Whether it is the root of a workspace: ours, or one of a package that stands apart.
    pub(crate) is_root: bool,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of a dependency section.
#[derive(Debug)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) line: usize,
    /// Whether the version and features are the workspace's.
    pub(crate) inherited: bool,
}

const SECTIONS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

impl Manifest {
    pub(crate) fn parse(path: &str, text: &str) -> anyhow::Result<Self> {
        let table: Table = toml::from_str(text)?;
        let package = table.get("package").and_then(|package| package.get("name"));
        let package = package.and_then(Value::as_str).map(str::to_owned);
        let mut sections: Vec<&Table> = sections_of(&table).collect();
        if let Some(targets) = table.get("target").and_then(Value::as_table) {
            sections.extend(
                targets
                    .values()
                    .filter_map(Value::as_table)
                    .flat_map(sections_of),
            );
        }
        if let Some(workspace) = table.get("workspace").and_then(Value::as_table) {
            sections.extend(sections_of(workspace));
        }
        let mut dependencies = Vec::new();
        for (name, value) in sections.into_iter().flatten() {
            dependencies.push(Dependency {
                name: name.clone(),
                line: line_of(text, name).with_context(|| format!("{name} stands nowhere"))?,
                inherited: value.get("workspace").and_then(Value::as_bool) == Some(true),
            });
        }
        Ok(Self {
            path: path.to_owned(),
            package,
            is_root: table.contains_key("workspace"),
            dependencies,
        })
    }

    /// The folder it stands in, without a final slash.
    pub(crate) fn folder(&self) -> &str {
        self.path.strip_suffix("/Cargo.toml").unwrap_or("")
    }
}

fn sections_of(table: &Table) -> impl Iterator<Item = &Table> {
    SECTIONS
        .into_iter()
        .filter_map(|section| table.get(section)?.as_table())
}

/// The first line that begins with the key.
fn line_of(text: &str, name: &str) -> Option<usize> {
    let starts = |line: &str| {
        let rest = line
            .trim_start()
            .trim_start_matches('"')
            .strip_prefix(name)?;
        rest.trim_start_matches('"')
            .trim_start()
            .starts_with(['=', '.'])
            .then_some(())
    };
    let table = format!("dependencies.{name}]");
    text.lines()
        .position(|line| starts(line).is_some() || line.ends_with(&table))
        .map(|index| index + 1)
}
