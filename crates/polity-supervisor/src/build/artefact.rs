//! The programs that builds made, one folder a version: `<data>/versions/SERVICE/ID/NAME`.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use polity_core::{ServiceName, VersionId};
use sha2::{Digest, Sha256};

/// How many versions are kept of a service besides those that run: to look at, and to go back to.
const KEPT_VERSIONS: usize = 3;

/// How much of the hash is the id: 48 bits, for the few versions of one service.
const ID_BYTES: usize = 6;

/// What is not whole yet begins so; no id does.
const UNFINISHED: &str = ".new";

/// The first bytes of programs that are compiled (ELF; Mach-O in its two widths and as a bundle).
const NATIVE: &[[u8; 4]] = &[
    *b"\x7fELF",
    [0xcf, 0xfa, 0xed, 0xfe],
    [0xce, 0xfa, 0xed, 0xfe],
    [0xca, 0xfe, 0xba, 0xbe],
];

/// Keeps artefacts. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Store {
    folder: PathBuf,
    /// One at a time looks through and changes the folder. Held by blocking threads only.
    turn: Arc<Mutex<()>>,
}

impl Store {
    pub(super) fn new(folder: PathBuf) -> Self {
        let turn = Arc::new(Mutex::new(()));
        Self { folder, turn }
    }

    /// Copies the program at `source` and says where to. A copy is believed only once it is whole and
    /// on the disk: it gets its place by a rename.
    ///
    /// # Errors
    /// When it cannot be read or the disk will not take it; nothing is left of it then.
    pub(super) fn take(
        &self,
        service: &ServiceName,
        source: &Path,
    ) -> io::Result<(VersionId, PathBuf)> {
        let _turn = self
            .turn
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let versions = self.folder.join(service.as_str());
        let name = source.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        fs::create_dir_all(&versions)?;
        let unfinished = versions.join(UNFINISHED);
        let taken = copy(source, &unfinished).and_then(|version| {
            let place = versions.join(version.as_str());
            fs::create_dir_all(&place)?;
            let kept = place.join(name);
            // Over an older copy of the same, should that have come to harm.
            fs::rename(&unfinished, &kept)?;
            File::open(&place)?.sync_all()?;
            File::open(&versions)?.sync_all()?;
            Ok((version, kept))
        });
        if taken.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        taken
    }

    /// Deletes the versions of a service but for these and the newest few.
    ///
    /// # Errors
    /// When the folder cannot be read, or one cannot be deleted.
    pub(super) fn keep_only(&self, service: &ServiceName, used: &[VersionId]) -> io::Result<()> {
        let _turn = self
            .turn
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let entries = match fs::read_dir(self.folder.join(service.as_str())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        let mut unused: Vec<(SystemTime, PathBuf)> = Vec::new();
        for entry in entries {
            let entry = entry?;
            let metadata = entry.metadata()?;
            let name = entry.file_name();
            if metadata.is_dir() && !used.iter().any(|version| name == version.as_str()) {
                unused.push((metadata.modified()?, entry.path()));
            }
        }
        unused.sort_by(|one, other| other.cmp(one));
        for (_, old) in unused.iter().skip(KEPT_VERSIONS) {
            fs::remove_dir_all(old)?;
        }
        Ok(())
    }
}

/// Whether the file at `path` is a program that can be run from elsewhere. A script finds its modules
/// beside itself, a link is often to a shared interpreter, and some compiled programs are only the
/// launchers of what lies around them: these are run where they are.
pub(super) fn stands_alone(path: &Path) -> bool {
    // The link, not what it leads to.
    if !fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file()) {
        return false;
    }
    let mut first = [0; 4];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut first));
    read.is_ok() && NATIVE.contains(&first) && !companions(path).iter().any(|path| path.exists())
}

/// What lies beside launchers: .NET's, Bazel's, PyInstaller's, and Python's virtual environments.
fn companions(path: &Path) -> [PathBuf; 4] {
    let with = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    [
        with(".dll"),
        with(".runfiles"),
        path.with_file_name("_internal"),
        path.with_file_name("..").join("pyvenv.cfg"),
    ]
}

/// The id of what has these bytes.
pub(super) fn version_of(bytes: &[u8]) -> VersionId {
    id(&Sha256::digest(bytes))
}

/// Copies, to the disk, and hashes what was copied: the source may be overwritten meanwhile.
fn copy(source: &Path, target: &Path) -> io::Result<VersionId> {
    // Not over a file that is there: it could be the very one that runs.
    match fs::remove_file(target) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Shares the blocks where the file system can, and keeps the permission to execute.
    fs::copy(source, target)?;
    let mut file = File::open(target)?;
    file.sync_all()?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(id(&hasher.finalize()));
        }
        hasher.update(&buffer[..count]);
    }
}

fn id(hash: &[u8]) -> VersionId {
    let digits: String = hash
        .iter()
        .take(ID_BYTES)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    VersionId::from(digits.as_str())
}
