//! A release: one build of a service together with everything it is run with, fixed for good.
//!
//! Instances hold the release they were started as, so that one that crashes long after a failed
//! deploy comes back as what it was, whatever the plan says by then.

use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polity_core::VersionId;
use polity_plan::{Database, Plan, Program, Service};

use crate::environment::{self, Environment, Ingredients};
use crate::supervisor::parts::{Built, Parts};

/// What an instance runs.
#[derive(Debug, Clone)]
pub(crate) struct Release {
    pub(crate) service: Arc<Service>,
    pub(crate) program: Arc<Program>,
    pub(crate) built: Built,
    pub(crate) dir: PathBuf,
    pub(crate) environment: Environment,
}

impl Release {
    /// Puts a build and the plan together; makes the database where there is none.
    pub(crate) fn new(
        parts: &Parts,
        plan: &Plan,
        service: &Arc<Service>,
        program: &Arc<Program>,
        built: Built,
    ) -> Result<Arc<Self>, String> {
        make_database(parts, service)?;
        let environment = environment::of_release(Ingredients {
            plan,
            service,
            inherited: &parts.inherited,
            parts: parts.surroundings.variables(&service.name),
            calls: &|callee| parts.surroundings.call_address(&service.name, callee),
            data: &parts.data,
            version: &built.version,
        });
        Ok(Arc::new(Self {
            service: service.clone(),
            program: program.clone(),
            built,
            dir: parts.dir(&program.dir),
            environment: environment.map_err(|error| error.to_string())?,
        }))
    }

    pub(crate) fn version(&self) -> &VersionId {
        &self.built.version
    }
}

/// Makes the service's database where there is none, for its tasks as for itself.
pub(crate) fn make_database(parts: &Parts, service: &Service) -> Result<(), String> {
    let database = service
        .program()
        .and_then(|program| program.database.as_ref());
    if database != Some(&Database::Sqlite) {
        return Ok(());
    }
    let path = environment::database_path(&parts.data, &service.name);
    make_file(&path)
        .map_err(|error| format!("could not make its database {}: {error}", path.display()))
}

/// An empty file is a valid SQLite database. One that is there already is left as it is.
fn make_file(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = fs::OpenOptions::new();
    options.append(true).create(true).mode(0o600);
    options.open(path).map(drop)
}
