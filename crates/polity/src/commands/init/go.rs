//! Go programs: the main package of a module, or those under its `cmd`.

use super::files::{Files, join};
use super::recognise::{Program, port_of};

/// The programs of the go.mod in `dir`.
pub fn programs(files: &dyn Files, dir: &str) -> Vec<Program> {
    let Some(module) = files.read(&join(dir, "go.mod")) else {
        return Vec::new();
    };
    let name = module.lines().find_map(|line| line.strip_prefix("module "));
    let name = name.map(|path| last_of(path.trim()).to_owned());
    if let Some(source) = main_of(files, dir) {
        let binary = name.clone().unwrap_or_else(|| "service".to_owned());
        return vec![program(dir, name, &binary, ".", &source)];
    }
    let commands = join(dir, "cmd");
    files
        .folders(&commands)
        .into_iter()
        .filter_map(|command| {
            let source = main_of(files, &join(&commands, &command))?;
            let package = format!("./cmd/{command}");
            Some(program(
                dir,
                Some(command.clone()),
                &command,
                &package,
                &source,
            ))
        })
        .collect()
}

fn program(dir: &str, name: Option<String>, binary: &str, package: &str, source: &str) -> Program {
    let binary = format!("bin/{binary}");
    let (port, remark) = port_of("its source", source);
    let build = ["go", "build", "-o", &binary, package];
    Program {
        name,
        dir: dir.to_owned(),
        build: Some(build.map(str::to_owned).to_vec()),
        evidence: format!("Go, the main package {package} of {}", join(dir, "go.mod")),
        run: vec![binary],
        port,
        remarks: remark.into_iter().collect(),
    }
}

/// The sources of the folder's main package, if it is one.
fn main_of(files: &dyn Files, dir: &str) -> Option<String> {
    let names = files.names(dir).into_iter();
    let sources = names.filter(|name| name.ends_with(".go") && !name.ends_with("_test.go"));
    let sources: Vec<String> = sources
        .filter_map(|name| files.read(&join(dir, &name)))
        .collect();
    let is_main = |source: &String| source.lines().any(|line| line.trim() == "package main");
    sources.iter().any(is_main).then(|| sources.concat())
}

/// A module's name without its place and its major version: `example.com/shop/orders/v2`.
fn last_of(path: &str) -> &str {
    let is_version = |part: &str| {
        let digits = part.strip_prefix('v').unwrap_or("");
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    let mut parts = path.rsplit('/');
    let last = parts.next().unwrap_or(path);
    match parts.next() {
        Some(before) if is_version(last) => before,
        _ => last,
    }
}
