//! What outlasts a restart: the account, certificates with their keys, and what became of the last attempts.
//!
//! A certificate and its key are in one file: two could be of different orders after a crash.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::tls::files::{PRIVATE, make_folder, write};

/// More than any of them has.
const MAX_BYTES: u64 = 1 << 20;

/// One authority's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Store(PathBuf);

/// What is known of a domain's attempts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Made since the last that succeeded, the one that is being made included.
    #[serde(default)]
    pub(super) failures: u32,
    /// None is made before, in seconds since the Unix epoch.
    #[serde(default)]
    not_before: u64,
    /// Why the last failed.
    #[serde(default)]
    pub(super) why: Option<String>,
    /// What was begun and can be gone on with.
    #[serde(default)]
    pub(super) order: Option<Pending>,
}

/// An order, and the key that its certificate will be for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pending {
    pub(super) url: String,
    /// In PEM.
    pub(super) key: String,
}

impl std::fmt::Debug for Pending {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl Record {
    pub(super) fn not_before(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.not_before)
    }

    pub(super) fn wait_until(&mut self, at: SystemTime) {
        let since = at.duration_since(SystemTime::UNIX_EPOCH);
        self.not_before = since.unwrap_or_default().as_secs();
    }
}

impl Store {
    /// In `folder`, that of the authority whose directory is this.
    pub(super) fn new(folder: &Path, directory: &str) -> Self {
        let name = directory.trim_start_matches("https://");
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
        let name: String = name
            .chars()
            .map(|c| if is_plain(c) { c } else { '-' })
            .collect();
        // No name of a folder by itself.
        let name = name.trim_matches(['.', '-']);
        Self(folder.join("acme").join(name))
    }

    /// A certificate with its chain and its key.
    pub(super) fn certificate(&self, domain: &str) -> PathBuf {
        self.0.join(format!("{domain}.pem"))
    }

    fn record(&self, domain: &str) -> PathBuf {
        self.0.join(format!("{domain}.json"))
    }

    fn account(&self) -> PathBuf {
        self.0.join("account.json")
    }

    /// What is known of a domain; nothing where that cannot be read, which is told.
    pub(super) async fn load_record(&self, domain: &str) -> Record {
        match read(self.record(domain)).await {
            Ok(record) => record.unwrap_or_default(),
            Err(error) => {
                tracing::warn!("{error}; taken for empty");
                Record::default()
            }
        }
    }

    pub(super) async fn save_record(&self, domain: &str, record: &Record) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(record).map_err(io::Error::other)?;
        self.save(self.record(domain), text).await
    }

    pub(super) async fn save_certificate(
        &self,
        domain: &str,
        chain: &str,
        key: &str,
    ) -> io::Result<()> {
        let text = [chain.trim_end(), key.trim_end(), ""].join("\n");
        self.save(self.certificate(domain), text.into_bytes()).await
    }

    /// The account, if there is one.
    pub(super) async fn load_account<T: DeserializeOwned + Send + 'static>(
        &self,
    ) -> io::Result<Option<T>> {
        read(self.account()).await
    }

    pub(super) async fn save_account<T: Serialize>(&self, account: &T) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(account).map_err(io::Error::other)?;
        self.save(self.account(), text).await
    }

    /// The authority knows it no more. It is kept aside, in case that was an error.
    pub(super) async fn forget_account(&self) -> io::Result<()> {
        let (from, to) = (self.account(), self.0.join("account.json.unknown"));
        blocking(move || std::fs::rename(from, to)).await
    }

    async fn save(&self, path: PathBuf, bytes: Vec<u8>) -> io::Result<()> {
        let folder = self.0.clone();
        let named = path.clone();
        let written = blocking(move || {
            make_folder(&folder)?;
            write(&path, &bytes, PRIVATE)
        });
        written.await.map_err(|error| name(&named, error))
    }
}

async fn read<T: DeserializeOwned + Send + 'static>(path: PathBuf) -> io::Result<Option<T>> {
    let named = path.clone();
    let read = blocking(move || {
        let length = match std::fs::metadata(&path) {
            Ok(data) => data.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if length > MAX_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "it is too large",
            ));
        }
        let bytes = std::fs::read(&path)?;
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(io::Error::from)
    });
    read.await.map_err(|error| name(&named, error))
}

fn name(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(io::Error::other(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn what_is_written_is_read_again_by_its_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::new(folder.path(), "https://ca.example:14000/dir?x=..");
        assert_eq!(store.load_record("a.example").await, Record::default());
        let mut record = Record {
            failures: 2,
            why: Some("a reason".to_owned()),
            order: Some(Pending {
                url: "https://ca.example/order/1".to_owned(),
                key: "a key".to_owned(),
            }),
            ..Record::default()
        };
        record.wait_until(SystemTime::UNIX_EPOCH + Duration::from_secs(77));
        store
            .save_record("a.example", &record)
            .await
            .expect("saved");
        assert_eq!(store.load_record("a.example").await, record);
        assert!(!format!("{record:?}").contains("a key"));
        let path = folder
            .path()
            .join("acme/ca.example-14000-dir-x/a.example.json");
        let mode = |path: &Path| {
            let data = std::fs::metadata(path).expect("it is there");
            data.permissions().mode() & 0o777
        };
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().expect("a folder")), 0o700);
        for broken in ["", "{", "[]", "{\"failures\": -1}"] {
            std::fs::write(&path, broken).expect("it is written");
            assert_eq!(store.load_record("a.example").await, Record::default());
        }
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_written_to_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("acme"), "in the way").expect("it is written");
        let store = Store::new(folder.path(), "https://ca.example");
        let failed = store.save_record("a.example", &Record::default()).await;
        let why = failed.expect_err("it cannot").to_string();
        assert!(why.contains("a.example.json"), "{why}");
    }
}
