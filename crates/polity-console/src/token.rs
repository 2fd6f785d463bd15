//! The token that opens the admin API: a file only its owner can read.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use subtle::ConstantTimeEq;

/// The file's name in the data folder.
const FILE_NAME: &str = "token";

/// 256 bits, from the operating system.
const RANDOM_BYTES: usize = 32;

/// The token as text: two hexadecimal digits a byte.
const TEXT_LENGTH: usize = RANDOM_BYTES * 2;

/// The secret that every call of the API must bring.
#[derive(Clone)]
pub struct Token(String);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file could not be read or made.
    #[error("could not {verb} the admin token {}", path.display())]
    File {
        /// What was tried.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file does not hold a token.
    #[error("{} does not hold a token: delete it, and the next `polity up` makes a new one", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The operating system gave no randomness.
    #[error("the operating system gave no random bytes for the admin token")]
    Random,
}

impl Token {
    /// The token of the data folder, made when there is none. Only the holder of the folder's
    /// lock may call it.
    ///
    /// A token that others could read is a secret no more: it is replaced, with a warning.
    /// Clients read the file at each call, so a new token costs them nothing.
    ///
    /// # Errors
    /// When the file can be neither read nor made, or holds something else.
    pub fn load_or_create(folder: &Path) -> Result<Self, TokenError> {
        let path = folder.join(FILE_NAME);
        let metadata = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return create(&path),
            Err(source) => return Err(file_error("read", &path, source)),
        };
        if metadata.is_file() && metadata.mode() & 0o077 != 0 {
            let path = path.display();
            tracing::warn!(%path, "the admin token could be read by others, so it is replaced by a new one");
            return create(&folder.join(FILE_NAME));
        }
        Self::read(folder)
    }

    /// The token of the data folder of a system that runs.
    ///
    /// # Errors
    /// When the file cannot be read or holds something else.
    pub fn read(folder: &Path) -> Result<Self, TokenError> {
        let path = folder.join(FILE_NAME);
        let mut text = String::new();
        // One byte over the length tells a longer file from a token without reading all of it.
        File::open(&path)
            .and_then(|file| {
                let limit = TEXT_LENGTH as u64 + 2;
                file.take(limit).read_to_string(&mut text)
            })
            .map_err(|source| file_error("read", &path, source))?;
        let text = text.trim_end();
        let is_token =
            text.len() == TEXT_LENGTH && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match is_token {
            true => Ok(Self(text.to_owned())),
            false => Err(TokenError::Damaged { path }),
        }
    }

    /// A token for a system that keeps none on disk: a test, or a part run alone.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn random() -> Result<Self, TokenError> {
        let mut bytes = [0u8; RANDOM_BYTES];
        getrandom::fill(&mut bytes).map_err(|_| TokenError::Random)?;
        Ok(Self(bytes.map(|byte| format!("{byte:02x}")).concat()))
    }

    /// The secret itself, for the `Authorization` header of a client.
    pub fn secret(&self) -> &str {
        &self.0
    }

    /// Whether `given` is this token, in a time that does not tell how much of it is right.
    pub(crate) fn matches(&self, given: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(given).into()
    }
}

/// Never shows the secret.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

/// Writes aside and renames, so that a crash leaves the old token, the new one or none, never half.
fn create(path: &Path) -> Result<Token, TokenError> {
    let token = Token::random()?;
    let aside = path.with_extension("new");
    let written = write_private(&aside, &token).and_then(|()| fs::rename(&aside, path));
    written.map_err(|source| file_error("write", path, source))?;
    Ok(token)
}

fn write_private(path: &Path, token: &Token) -> io::Result<()> {
    // Left by a crash between writing and renaming; create_new refuses any other thing in its place.
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(token.0.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

fn file_error(verb: &'static str, path: &Path, source: io::Error) -> TokenError {
    let path = path.to_owned();
    TokenError::File { verb, path, source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary folder")
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("is there").mode() & 0o777
    }

    #[test]
    fn a_token_is_private_and_kept_over_restarts() {
        let folder = folder();
        let first = Token::load_or_create(folder.path()).expect("made");
        assert_eq!(mode(&folder.path().join("token")), 0o600);
        assert_eq!(first.secret().len(), 64);
        let second = Token::load_or_create(folder.path()).expect("read");
        assert_eq!(first.secret(), second.secret());
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn a_token_others_could_read_is_replaced() {
        let folder = folder();
        let leaked = Token::load_or_create(folder.path()).expect("made");
        let path = folder.path().join("token");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("ours");
        let fresh = Token::load_or_create(folder.path()).expect("made anew");
        assert_ne!(leaked.secret(), fresh.secret());
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn what_is_not_a_token_is_not_believed() {
        for text in ["", "short\n", &"g".repeat(64), &"a".repeat(65)] {
            let folder = folder();
            let mut options = OpenOptions::new();
            let options = options.write(true).create_new(true).mode(0o600);
            let mut file = options.open(folder.path().join("token")).expect("new");
            file.write_all(text.as_bytes()).expect("written");
            let error = Token::load_or_create(folder.path()).expect_err(text);
            assert!(matches!(error, TokenError::Damaged { .. }), "{error}");
        }
    }

    #[test]
    fn a_leftover_of_a_crash_does_not_stop_the_next_start() {
        let folder = folder();
        fs::write(folder.path().join("token.new"), "half").expect("written");
        let token = Token::load_or_create(folder.path()).expect("made");
        let read = Token::read(folder.path()).expect("read");
        assert_eq!(token.secret(), read.secret());
    }

    #[test]
    fn only_the_whole_token_matches() {
        let token = Token::random().expect("random");
        let secret = token.secret().as_bytes();
        assert!(token.matches(secret));
        assert!(!token.matches(&secret[1..]));
        assert!(!token.matches(b""));
        assert!(!token.matches(&[b'0'; 64]));
        assert_eq!(format!("{token:?}"), "Token(***)");
    }
}
