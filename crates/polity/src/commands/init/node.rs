//! Node programs: `scripts.start`, `main` or a `server.js` of a package.json.

use serde_json::Value;

use super::files::{Files, join};
use super::recognise::{Program, port_of, words};

/// Where a program is looked for that package.json does not name.
const USUAL_FILES: [&str; 4] = ["server.js", "index.js", "app.js", "server.mjs"];

/// The program of the package.json in `dir`, if it has one.
pub fn program(files: &dyn Files, dir: &str) -> Option<Program> {
    let text = files.read(&join(dir, "package.json"))?;
    let package: Value = serde_json::from_str(&text).ok()?;
    let script = |name: &str| package["scripts"][name].as_str();
    let manager = manager(files, dir);
    let usual = USUAL_FILES
        .into_iter()
        .find(|file| files.exists(&join(dir, file)));
    let main = package["main"]
        .as_str()
        .filter(|file| files.exists(&join(dir, file)));
    let (file, key) = match (script("start"), main, usual) {
        (Some(start), ..) => (file_of_node(start), "scripts.start"),
        (None, Some(main), _) => (Some(main), "main"),
        (None, None, Some(usual)) => (Some(usual), usual),
        (None, None, None) => return None,
    };
    // Run directly, node gets the signal to stop; npm would stand in between.
    let run = match file {
        Some(file) => words(["node", file]),
        None => words([manager.name, "start"]),
    };
    let path = file.map(|file| join(dir, file));
    let source = path
        .as_ref()
        .and_then(|path| Some((path, files.read(path)?)));
    let (port, remark) = source.map_or((None, None), |(path, source)| port_of(path, &source));
    Some(Program {
        name: package["name"].as_str().map(str::to_owned),
        dir: dir.to_owned(),
        build: build(
            &manager,
            has_dependencies(&package),
            script("build").is_some(),
        ),
        evidence: format!("Node, by {key} of {}", join(dir, "package.json")),
        run,
        port,
        remarks: remark.into_iter().collect(),
    })
}

struct Manager {
    name: &'static str,
    install: &'static str,
}

fn manager(files: &dyn Files, dir: &str) -> Manager {
    let known = [
        ("pnpm-lock.yaml", "pnpm", "pnpm install --frozen-lockfile"),
        ("yarn.lock", "yarn", "yarn install --frozen-lockfile"),
        ("package-lock.json", "npm", "npm ci"),
    ];
    let found = known
        .into_iter()
        .find(|(lock, ..)| files.exists(&join(dir, lock)));
    let (_, name, install) = found.unwrap_or(("", "npm", "npm install"));
    Manager { name, install }
}

fn build(manager: &Manager, installs: bool, builds: bool) -> Option<Vec<String>> {
    let Manager { name, install } = manager;
    let split = |text: &str| text.split(' ').map(str::to_owned).collect();
    match (installs, builds) {
        (false, false) => None,
        (true, false) => Some(split(install)),
        (false, true) => Some(words([name, "run", "build"])),
        (true, true) => Some(words([
            "sh",
            "-c",
            &format!("{install} && {name} run build"),
        ])),
    }
}

fn has_dependencies(package: &Value) -> bool {
    let some = |key: &str| package[key].as_object().is_some_and(|all| !all.is_empty());
    some("dependencies") || some("devDependencies")
}

/// `FILE` when the script is `node FILE` and nothing else.
fn file_of_node(script: &str) -> Option<&str> {
    let mut words = script.split_whitespace();
    let file = match (words.next(), words.next(), words.next()) {
        (Some("node"), Some(file), None) => file,
        _ => return None,
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./-".contains(c);
    (!file.starts_with('-') && file.chars().all(plain)).then_some(file)
}
