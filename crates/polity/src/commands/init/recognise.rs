//! From a folder's files to services: which programs there are, and how each is built and run.

use std::collections::BTreeSet;

use super::files::{Files, join};
use super::{go, node, python, rust};

/// Folders that hold what was made or fetched, never a program of the user's.
const NOT_SOURCES: [&str; 8] = [
    "node_modules",
    "target",
    "vendor",
    "venv",
    "dist",
    "build",
    "test",
    "tests",
];

/// How deep below the root a program may be: `services/orders`.
const MAX_DEPTH: usize = 2;

/// How many folders are looked into.
const MAX_FOLDERS: usize = 1000;

/// The longest name of a service.
const MAX_NAME: usize = polity_core::name::MAX_NAME;

/// Services of these names are where a visitor arrives.
const FRONTS: [&str; 7] = ["web", "www", "frontend", "ui", "app", "site", "gateway"];

/// A program as one language's rules found it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Program {
    /// What it calls itself; none to be called by its folder.
    pub name: Option<String>,
    /// Where it is built and run, relative to the root.
    pub dir: String,
    /// What makes it, as words.
    pub build: Option<Vec<String>>,
    /// What starts it, as words.
    pub run: Vec<String>,
    /// The port it listens on whatever it is told.
    pub port: Option<u16>,
    /// What told it, for people.
    pub evidence: String,
    /// What the user should know.
    pub remarks: Vec<String>,
}

/// A program that has its name and its route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    pub name: String,
    pub route: String,
    pub dir: String,
    pub build: Option<Vec<String>>,
    pub run: Vec<String>,
    pub port: Option<u16>,
    pub evidence: String,
    pub remarks: Vec<String>,
}

/// The services of a folder: of its own programs, or where it has none, of those below it.
pub fn recognise(files: &dyn Files, root_name: &str) -> Vec<Service> {
    let mut folders = vec![".".to_owned()];
    let mut looked_into = 0;
    for _ in 0..=MAX_DEPTH {
        folders.truncate(MAX_FOLDERS - looked_into);
        looked_into += folders.len();
        let programs: Vec<Program> = folders
            .iter()
            .flat_map(|dir| programs(files, dir))
            .collect();
        // One level at a time: beside `web` and `api`, what lies below `web/tools` is no service.
        if !programs.is_empty() {
            return named(programs, root_name);
        }
        folders = folders.iter().flat_map(|dir| below(files, dir)).collect();
    }
    Vec::new()
}

/// `words` as a command is made of them.
pub fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

/// What the source in `file` tells of the port: nothing to say when it reads `$PORT`; else the
/// port it seems to fix, and a remark.
pub fn port_of(file: &str, source: &str) -> (Option<u16>, Option<String>) {
    let reads = |line: &str| line.contains("PORT") && line.to_ascii_lowercase().contains("env");
    if source.lines().any(reads) {
        return (None, None);
    }
    let port = fixed_port(source);
    let remark = match port {
        Some(port) => format!(
            "{file} seems to listen on {port}: let it read $PORT, and it can run more than once."
        ),
        None => format!("It must listen on $PORT: nothing in {file} says that it does."),
    };
    (port, Some(remark))
}

fn programs(files: &dyn Files, dir: &str) -> Vec<Program> {
    let mut programs = rust::programs(files, dir);
    programs.extend(go::programs(files, dir));
    programs.extend(node::program(files, dir));
    programs.extend(python::program(files, dir));
    programs
}

fn below(files: &dyn Files, dir: &str) -> Vec<String> {
    let is_source = |name: &String| !name.starts_with('.') && !NOT_SOURCES.contains(&name.as_str());
    let folders = files.folders(dir).into_iter().filter(is_source);
    folders.map(|name| join(dir, &name)).collect()
}

fn named(programs: Vec<Program>, root_name: &str) -> Vec<Service> {
    let mut taken = BTreeSet::new();
    let alone = programs.len() == 1;
    let mut front_taken = false;
    let service = |program: Program| {
        let folder = match program.dir.as_str() {
            "." => root_name,
            dir => dir.rsplit('/').next().unwrap_or(dir),
        };
        let name = free(
            &mut taken,
            &sanitised(program.name.as_deref().unwrap_or(folder)),
        );
        let is_front = alone || !front_taken && FRONTS.contains(&name.as_str());
        front_taken |= is_front;
        let route = if is_front {
            "/".to_owned()
        } else {
            format!("/{name}")
        };
        Service {
            name,
            route,
            dir: program.dir,
            build: program.build,
            run: program.run,
            port: program.port,
            evidence: program.evidence,
            remarks: program.remarks,
        }
    };
    programs.into_iter().map(service).collect()
}

/// A legal name of a service (`[a-z][a-z0-9-]*`) that is as near to `text` as can be.
fn sanitised(text: &str) -> String {
    // `@shop/orders` is `orders` in the scope `shop`, and a Go module's name ends its path.
    let text = text.rsplit('/').next().unwrap_or(text);
    let mut name = String::new();
    for c in text.chars() {
        match c.to_ascii_lowercase() {
            c if c.is_ascii_lowercase() || c.is_ascii_digit() => name.push(c),
            _ if !name.ends_with('-') => name.push('-'),
            _ => {}
        }
    }
    let name = name.trim_start_matches(|c: char| !c.is_ascii_lowercase());
    let name = &name[..name.len().min(MAX_NAME)];
    match name.trim_end_matches('-') {
        "" => "service".to_owned(),
        name => name.to_owned(),
    }
}

/// `name`, or the first of `name-2`, `name-3`... that is not taken.
fn free(taken: &mut BTreeSet<String>, name: &str) -> String {
    let mut candidate = name.to_owned();
    let mut number = 1;
    while !taken.insert(candidate.clone()) {
        number += 1;
        let suffix = format!("-{number}");
        let kept = name.len().min(MAX_NAME - suffix.len());
        candidate = format!("{}{suffix}", &name[..kept]);
    }
    candidate
}

/// The first number that can be a port on a line about listening, and not about whom to call.
fn fixed_port(source: &str) -> Option<u16> {
    const LISTENING: [&str; 4] = ["listen", "port", "bind", "server("];
    const CALLING: [&str; 8] = [
        "connect", "client", "postgres", "mysql", "redis", "mongo", "kafka", "import",
    ];
    let about_listening = |line: &&str| {
        let line = line.to_ascii_lowercase();
        let speaks_of = |words: &[&str]| words.iter().any(|word| line.contains(word));
        speaks_of(&LISTENING) && !speaks_of(&CALLING)
    };
    source.lines().filter(about_listening).find_map(|line| {
        let mut numbers = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        numbers.find_map(|number| number.parse().ok().filter(|port| *port >= 1024))
    })
}
