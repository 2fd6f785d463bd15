//! aiokafka, and the tests that kafka-python holds against Kafka itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use super::verdict;
use super::{Folders, Outcome, outcome, succeed};
use crate::bench::find;

/// The version of Kafka that the tests take the broker for.
const AS_KAFKA: &str = "4.1";

const MISSING: &str = "as root on Debian: apt-get install python3-venv";

pub(super) fn aiokafka(folders: &Folders, address: &str) -> anyhow::Result<Outcome> {
    let Some(python) = install(folders)? else {
        return Ok(Outcome::Missing(MISSING));
    };
    let script = folders.root.join("compat/python/aiokafka_client.py");
    outcome(Command::new(python).arg(script).arg(address))
}

pub(super) fn kafka_python(folders: &Folders, address: &str) -> anyhow::Result<Outcome> {
    let Some(python) = install(folders)? else {
        return Ok(Outcome::Missing(MISSING));
    };
    let tests = unpack(folders, &python)?;
    let mut pytest = Command::new(python);
    pytest
        .args(["-m", "pytest", "test/integration"])
        .args(["--quiet", "--no-header", "--tb=short", "-rfEp"])
        .args(["-p", "no:cacheprovider", "-p", "no:warnings"])
        .current_dir(tests)
        .env("PYTHONPATH", ".")
        .env("KAFKA_URI", format!("kafka://{address}"))
        .env("KAFKA_VERSION", AS_KAFKA)
        // Where Kafka would be, were it not running already: any folder that there is.
        .env("KAFKA_ROOT", "/");
    let output = pytest.output().context("could not run pytest")?;
    let output = String::from_utf8_lossy(&output.stdout);
    let page = fs::read_to_string(folders.root.join(verdict::PAGE))?;
    Ok(verdict::of(&output, &page))
}

/// Makes an environment with what `requirements.txt` names; with that, its Python. None where Python
/// is not there to do it.
fn install(folders: &Folders) -> anyhow::Result<Option<PathBuf>> {
    if find("python3").is_none() {
        return Ok(None);
    }
    let wanted = folders.root.join("compat/python/requirements.txt");
    let environment = folders.installed.join("python");
    let note = environment.join("requirements.txt");
    let python = environment.join("bin/python3");
    if fs::read(&wanted).ok() != fs::read(&note).ok() {
        println!("installing Kafka's Python clients");
        succeed(
            Command::new("python3")
                .args(["-m", "venv"])
                .arg(&environment),
        )?;
        let pip = ["-m", "pip", "install", "--quiet", "--requirement"];
        succeed(Command::new(&python).args(pip).arg(&wanted))?;
        fs::copy(&wanted, &note)?;
    }
    Ok(Some(python))
}

/// kafka-python as it is published: its sources hold its tests, which what pip installs does not.
fn unpack(folders: &Folders, python: &Path) -> anyhow::Result<PathBuf> {
    let wanted = folders.root.join("compat/python");
    let requirements = fs::read_to_string(wanted.join("requirements.txt"))?;
    let package = requirements
        .lines()
        .find(|line| line.starts_with("kafka-python=="));
    let package = package.context("requirements.txt does not name kafka-python")?;
    let folder = folders.installed.join("kafka-python");
    let name = package.replace("kafka-python==", "kafka_python-");
    let sources = folder.join(&name);
    let tests = sources.join("test");
    if !tests.join("service.py").exists() {
        println!("fetching kafka-python's tests");
        let pip = [
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--no-binary=:all:",
        ];
        let pip = [&pip[..], &["--dest"]].concat();
        succeed(Command::new(python).args(pip).arg(&folder).arg(package))?;
        let archive = folder.join(format!("{name}.tar.gz"));
        let unpack = ["-m", "tarfile", "--extract"];
        succeed(Command::new(python).args(unpack).arg(archive).arg(&folder))?;
        // Without it Python's own package of that name is found.
        fs::write(tests.join("__init__.py"), "")?;
        fs::copy(wanted.join("service.py"), tests.join("service.py"))?;
    }
    Ok(sources)
}
