//! `<data>/run.json`: what runs on the data folder and where it listens, for the commands that look for it.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::data::DataFolder;

const FILE_NAME: &str = "run.json";

/// More than any run.json has.
const MAX_BYTES: u64 = 64 * 1024;

/// The part that clients come to.
pub const GATEWAY: &str = "gateway";

/// Where clients are sent from to HTTPS, where that has an address of its own.
pub const HTTP: &str = "http";

/// The part whose address the commands need.
pub const CONSOLE: &str = "console";

/// Polity's own broker, where it runs.
pub const EVENTS: &str = "events";

/// A system that has just taken its folder says where it listens soon; a command waits this long.
const START_TRIES: u32 = 100;
const START_PAUSE: Duration = Duration::from_millis(50);

/// What runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFile {
    /// The process id, for people. Whether it runs is told by the folder's lock.
    pub pid: u32,
    /// When it started, in milliseconds since the Unix epoch.
    pub started_ms: u64,
    /// Polity's own version.
    pub version: String,
    /// The plan it runs, absolute.
    pub plan: PathBuf,
    /// Where each part listens: `gateway`, `http`, `console`, `events`.
    pub addresses: BTreeMap<String, SocketAddr>,
}

impl RunFile {
    /// Writes aside and renames: a reader sees the old file, this one or none, never half.
    ///
    /// # Errors
    /// When the folder cannot be written to or is full.
    pub fn write(&self, data: &DataFolder) -> Result<()> {
        let path = data.path().join(FILE_NAME);
        let aside = data.path().join("run.json.new");
        let text =
            serde_json::to_string_pretty(self).context("could not write run.json as JSON")?;
        write_and_rename(&aside, &path, &text)
            .with_context(|| format!("could not write {}", path.display()))
    }

    /// What the file says, if there is one.
    ///
    /// # Errors
    /// When it cannot be read or says something else.
    pub fn read(data: &DataFolder) -> Result<Option<Self>> {
        let path = data.path().join(FILE_NAME);
        let mut text = String::new();
        let read =
            File::open(&path).and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text));
        match read {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("could not read {}", path.display()));
            }
        }
        let damaged = || {
            format!(
                "{} is damaged: restart the system by `polity down` and `polity up`",
                path.display()
            )
        };
        serde_json::from_str(&text).map(Some).with_context(damaged)
    }

    /// What runs on the folder now. A file that a killed system left is not believed: the lock is.
    ///
    /// # Errors
    /// When nothing runs on it, or what runs does not say where.
    pub fn of_running(data: &DataFolder) -> Result<Self> {
        for _ in 0..START_TRIES {
            if !data.is_held()? {
                bail!(
                    "no system runs on {}: start it by `polity up`",
                    data.path().display()
                );
            }
            if let Some(run) = Self::read(data)? {
                return Ok(run);
            }
            thread::sleep(START_PAUSE);
        }
        bail!(
            "the system on {} has not started to listen yet: try again",
            data.path().display()
        )
    }

    /// Takes the file away; that there is none is as good.
    ///
    /// # Errors
    /// When it is there and stays.
    pub fn remove(data: &DataFolder) -> Result<()> {
        let path = data.path().join(FILE_NAME);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("could not remove {}", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// Where a client on this machine reaches the admin API.
    pub fn console(&self) -> Option<SocketAddr> {
        self.addresses.get(CONSOLE).map(|address| {
            let ip = match address.ip() {
                IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
                ip => ip,
            };
            SocketAddr::new(ip, address.port())
        })
    }

    /// The same for people.
    pub fn console_text(&self) -> String {
        let address = self.console();
        address.map_or_else(
            || "an unknown address".to_owned(),
            |at| format!("http://{at}"),
        )
    }
}

fn write_and_rename(aside: &Path, path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(aside)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(aside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(console: &str) -> RunFile {
        RunFile {
            pid: 7,
            started_ms: 1,
            version: "0.1.0".to_owned(),
            plan: PathBuf::from("/shop/polity.toml"),
            addresses: BTreeMap::from([(CONSOLE.to_owned(), console.parse().expect("an address"))]),
        }
    }

    fn folder() -> (tempfile::TempDir, DataFolder) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = DataFolder::locate(None, folder.path()).expect("located");
        (folder, data)
    }

    #[test]
    fn what_is_written_is_read() {
        let (_folder, data) = folder();
        let lock = data.open_exclusive().expect("free");
        assert_eq!(RunFile::read(&data).expect("readable"), None);
        let written = run("127.0.0.1:7070");
        written.write(&data).expect("written");
        assert_eq!(RunFile::of_running(&data).expect("runs"), written);
        RunFile::remove(&data).expect("removed");
        RunFile::remove(&data).expect("gone already");
        assert_eq!(RunFile::read(&data).expect("readable"), None);
        drop(lock);
    }

    #[test]
    fn what_a_killed_system_left_is_not_believed() {
        let (_folder, data) = folder();
        let lock = data.open_exclusive().expect("free");
        run("127.0.0.1:7070").write(&data).expect("written");
        drop(lock);
        let error = RunFile::of_running(&data)
            .expect_err("nothing runs")
            .to_string();
        assert!(error.starts_with("no system runs on "), "{error}");
        assert!(error.ends_with(": start it by `polity up`"), "{error}");
        let _lock = data.open_exclusive().expect("free");
        assert_eq!(
            RunFile::read(&data).expect("readable"),
            None,
            "swept at the next start"
        );
    }

    #[test]
    fn a_damaged_file_is_named() {
        let (_folder, data) = folder();
        let _lock = data.open_exclusive().expect("free");
        fs::write(data.path().join(FILE_NAME), "{").expect("written");
        let error = RunFile::of_running(&data).expect_err("damaged").to_string();
        assert!(error.contains("run.json is damaged"), "{error}");
    }

    #[test]
    fn clients_go_to_this_machine() {
        let check = |listen, expected: &str| {
            let console = run(listen).console().map(|at| at.to_string());
            assert_eq!(console.as_deref(), Some(expected));
        };
        check("0.0.0.0:7070", "127.0.0.1:7070");
        check("[::]:7070", "[::1]:7070");
        check("10.0.0.7:7070", "10.0.0.7:7070");
    }
}
