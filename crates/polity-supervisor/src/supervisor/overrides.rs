//! What `scale` said, kept with the data until `replicas` is edited in the plan.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use polity_core::ServiceName;
use polity_plan::{MAX_REPLICAS, Port, Program};
use serde::{Deserialize, Serialize};

/// The overrides in force, and the file they are kept in.
#[derive(Clone)]
pub(crate) struct Overrides {
    path: PathBuf,
    /// Locked while the file is written, so that two changes at once leave both in it.
    entries: Arc<Mutex<Entries>>,
}

type Entries = BTreeMap<ServiceName, Override>;

/// One service's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Override {
    /// How many instances there should be.
    replicas: u32,
    /// What the plan said when this was asked for: once it says something else, it was edited.
    planned: u32,
}

impl Overrides {
    /// Reads `<data>/scale.json`. One that cannot be read counts as none: the plan is still there.
    pub(crate) fn load(data: &Path) -> Self {
        let path = data.join("scale.json");
        let entries = read(&path).unwrap_or_else(|error| {
            tracing::warn!(path = %path.display(), %error, "ignoring the recorded scale");
            Entries::new()
        });
        Self {
            path,
            entries: Arc::new(Mutex::new(entries)),
        }
    }

    /// How many instances of a program: what was asked for, unless only one can listen on its port.
    pub(crate) fn of(&self, service: &ServiceName, program: &Program) -> u32 {
        match program.port {
            Port::Fixed(_) => program.replicas,
            Port::Auto | Port::None => self.replicas(service, program.replicas),
        }
    }

    /// What was asked for, or what the plan says if it was edited since: that ends the override,
    /// also when a later edit says the old number again.
    fn replicas(&self, service: &ServiceName, planned: u32) -> u32 {
        let mut entries = lock(&self.entries);
        match entries.get(service) {
            Some(known) if known.planned == planned => known.replicas.min(MAX_REPLICAS),
            None => planned,
            Some(_) => {
                entries.remove(service);
                if let Err(error) = self.save(&entries) {
                    tracing::warn!(%service, %error, "could not record that its scale was edited");
                }
                planned
            }
        }
    }

    /// Overrides the plan; saying what the plan says ends it.
    pub(crate) async fn set(
        &self,
        service: &ServiceName,
        replicas: u32,
        planned: u32,
    ) -> io::Result<()> {
        let (this, service) = (self.clone(), service.clone());
        let change = move || {
            let mut entries = lock(&this.entries);
            if replicas == planned {
                entries.remove(&service);
            } else {
                entries.insert(service, Override { replicas, planned });
            }
            this.save(&entries)
        };
        let written = tokio::task::spawn_blocking(change).await;
        written.unwrap_or_else(|error| Err(io::Error::other(error)))
    }

    fn save(&self, entries: &Entries) -> io::Result<()> {
        write(&self.path, &serde_json::to_vec_pretty(entries)?)
    }
}

fn lock(entries: &Mutex<Entries>) -> MutexGuard<'_, Entries> {
    entries.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read(path: &Path) -> io::Result<Entries> {
    match fs::read(path) {
        Ok(text) => Ok(serde_json::from_slice(&text)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Entries::new()),
        Err(error) => Err(error),
    }
}

/// Whole or not at all, whenever the machine stops: written aside, flushed, then renamed.
fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let aside = path.with_extension("json.new");
    let mut file = fs::File::create(&aside)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&aside, path)?;
    match path.parent() {
        Some(folder) => fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ServiceName {
        ServiceName::new(text).expect("a legal name")
    }

    #[tokio::test]
    async fn an_override_outlives_the_process_and_not_the_next_edit() {
        let folder = tempfile::tempdir().expect("a folder");
        let overrides = Overrides::load(folder.path());
        assert_eq!(overrides.replicas(&name("orders"), 2), 2);
        overrides.set(&name("orders"), 4, 2).await.expect("written");

        let again = Overrides::load(folder.path());
        assert_eq!(again.replicas(&name("orders"), 2), 4);
        assert_eq!(again.replicas(&name("orders"), 3), 3, "edited since");
        assert_eq!(again.replicas(&name("orders"), 2), 2, "and edited back");
        let later = Overrides::load(folder.path());
        assert_eq!(later.replicas(&name("orders"), 2), 2, "for good");
        assert_eq!(again.replicas(&name("tracker"), 1), 1);
    }

    #[tokio::test]
    async fn saying_what_the_plan_says_ends_the_override() {
        let folder = tempfile::tempdir().expect("a folder");
        let overrides = Overrides::load(folder.path());
        overrides.set(&name("orders"), 4, 2).await.expect("written");
        overrides.set(&name("orders"), 2, 2).await.expect("written");
        let text = fs::read_to_string(folder.path().join("scale.json")).expect("the file");
        assert_eq!(text, "{}");
    }

    #[test]
    fn a_torn_file_counts_as_none() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("scale.json"), b"{\"orders\": {\"re").expect("written");
        let overrides = Overrides::load(folder.path());
        assert_eq!(overrides.replicas(&name("orders"), 2), 2);
    }
}
