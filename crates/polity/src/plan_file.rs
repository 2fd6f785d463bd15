//! The plan as a file: finding it, reading it with its `.env`, and saying what is wrong with it.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use polity_plan::{Loaded, Located, Source};

use crate::style::Style;

/// The name looked for where a folder is given.
pub const FILE_NAME: &str = "polity.toml";

/// Where a plan is.
#[derive(Debug, Clone)]
pub struct PlanFile {
    /// The file, as the user gave or would give it.
    pub path: PathBuf,
    /// Its folder, absolute: what paths in the plan are relative to.
    pub root: PathBuf,
}

/// A plan as read at one moment: the text, and the environment its `${VAR}` are looked up in.
#[derive(PartialEq, Eq)]
pub struct PlanText {
    name: String,
    text: String,
    dotenv: BTreeMap<String, String>,
}

impl PlanFile {
    /// The plan that `path`, a folder or a file, stands for.
    pub fn locate(path: &Path) -> Result<Self> {
        let file = if path.is_dir() {
            path.join(FILE_NAME)
        } else {
            path.to_owned()
        };
        let absolute = match file.canonicalize() {
            Ok(absolute) => absolute,
            Err(error) if error.kind() == io::ErrorKind::NotFound => bail!(
                "no plan at {}: name its folder or file, or write a first one by `polity init`",
                file.display()
            ),
            Err(error) => {
                return Err(error).with_context(|| format!("could not read {}", file.display()));
            }
        };
        let root = absolute.parent().unwrap_or(Path::new("/")).to_owned();
        Ok(Self { path: file, root })
    }

    /// Reads the plan and the `.env` beside it.
    pub fn read(&self) -> Result<PlanText> {
        let text = std::fs::read_to_string(&self.path)
            .with_context(|| format!("could not read {}", self.path.display()))?;
        Ok(PlanText {
            name: self.path.display().to_string(),
            text,
            dotenv: self.read_dotenv()?,
        })
    }

    fn read_dotenv(&self) -> Result<BTreeMap<String, String>> {
        let path = self.root.join(".env");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(error) => {
                return Err(error).with_context(|| format!("could not read {}", path.display()));
            }
        };
        polity_plan::dotenv::parse(&text)
            .map_err(|error| anyhow::anyhow!("{}:{error}", path.display()))
    }
}

impl PlanText {
    /// Parses, validates and lints. A variable of the environment wins over `.env`.
    pub fn load(&self) -> Loaded {
        let environment = |name: &str| {
            std::env::var(name)
                .ok()
                .or_else(|| self.dotenv.get(name).cloned())
        };
        polity_plan::load(Source {
            name: &self.name,
            text: &self.text,
            environment: &environment,
        })
    }

    /// Shows what `loaded` has to say on standard error; colours only where a person looks.
    pub fn report(&self, loaded: &Loaded) -> Result<()> {
        let text = self.render(loaded, Style::of(&io::stderr()));
        io::stderr().write_all(text.as_bytes())?;
        Ok(())
    }

    /// What `loaded` has to say, for people.
    pub fn render(&self, loaded: &Loaded, style: Style) -> String {
        let style = match style {
            Style::Coloured => polity_plan::Style::Colour,
            Style::Plain => polity_plan::Style::Plain,
        };
        polity_plan::render(&loaded.diagnostics, &self.name, &self.text, style)
    }

    /// What `loaded` has to say, for machines.
    pub fn locate(&self, loaded: &Loaded) -> Vec<Located> {
        polity_plan::locate(&loaded.diagnostics, &self.name, &self.text)
    }
}
