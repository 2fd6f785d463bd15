//! The key of sticky sessions: a file in the data folder, so that sessions outlast a restart.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context, Result, bail};
use polity_gateway::SessionKey;

const FILE_NAME: &str = "sessions.key";

/// The key of the data folder, made when there is none. Only the holder of the folder's lock may call
/// it.
///
/// A key that others could read is replaced, with a warning: clients are given new sessions.
///
/// # Errors
/// When the file can be neither read nor made, or holds something else.
pub fn load_or_create(folder: &Path) -> Result<SessionKey> {
    let path = folder.join(FILE_NAME);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return create(&path),
        Err(error) => return Err(error).with_context(|| failed("read", &path)),
    };
    let mode = file
        .metadata()
        .with_context(|| failed("read", &path))?
        .mode();
    if mode & 0o077 != 0 {
        let path = path.display();
        tracing::warn!(%path, "the key of sessions could be read by others, so it is replaced by a new one");
        return create(&folder.join(FILE_NAME));
    }
    let mut bytes = Vec::new();
    // One byte over the length tells a longer file from a key without reading all of it.
    file.take(SessionKey::LENGTH as u64 + 1)
        .read_to_end(&mut bytes)
        .with_context(|| failed("read", &path))?;
    match bytes.try_into() {
        Ok(bytes) => Ok(SessionKey::new(bytes)),
        Err(_) => bail!(
            "{} does not hold a key: delete it, and the next `polity up` makes a new one",
            path.display()
        ),
    }
}

/// Writes aside and renames, so that a crash leaves no key or a whole one.
fn create(path: &Path) -> Result<SessionKey> {
    let mut bytes = [0; SessionKey::LENGTH];
    getrandom::fill(&mut bytes)
        .map_err(|_| anyhow::anyhow!("the operating system gave no random bytes for a key"))?;
    let aside = path.with_extension("new");
    write_private(&aside, &bytes)
        .and_then(|()| fs::rename(&aside, path))
        .with_context(|| failed("write", path))?;
    Ok(SessionKey::new(bytes))
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Whatever stands there, with whatever permissions, is of a crash.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn failed(verb: &str, path: &Path) -> String {
    format!("could not {verb} the key of sessions {}", path.display())
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_for_its_owner_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FILE_NAME);
        let read = || fs::read(&path).expect("there");
        load_or_create(folder.path()).expect("made");
        let made = read();
        assert_eq!(made.len(), SessionKey::LENGTH);
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o600);
        load_or_create(folder.path()).expect("read");
        assert_eq!(read(), made);

        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("ours");
        load_or_create(folder.path()).expect("replaced");
        assert_ne!(read(), made);
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o600);
    }

    #[test]
    fn what_is_no_key_is_not_believed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FILE_NAME);
        for length in [0, 31, 33] {
            write_private(&path, &vec![7; length]).expect("written");
            let error = load_or_create(folder.path())
                .expect_err("no key")
                .to_string();
            assert!(error.contains("delete it"), "{error}");
        }
    }

    #[test]
    fn what_a_crash_left_does_not_stand_in_the_way() {
        let folder = tempfile::tempdir().expect("a folder");
        let aside = folder.path().join("sessions.new");
        fs::write(&aside, "half").expect("written");
        load_or_create(folder.path()).expect("made");
        assert!(!aside.exists());
    }
}
