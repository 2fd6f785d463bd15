//! Rust programs: the binaries of a package, or of a workspace's members.

use toml::{Table, Value};

use super::files::{Files, join};
use super::recognise::{Program, port_of, words};

/// Who depends on one of these serves something, rather than being a tool.
const SERVERS: [&str; 12] = [
    "actix-web",
    "axum",
    "hyper",
    "ntex",
    "poem",
    "rocket",
    "rouille",
    "salvo",
    "tide",
    "tiny_http",
    "tonic",
    "warp",
];

/// How many members of a workspace are looked at.
const MAX_MEMBERS: usize = 500;

struct Binary {
    package: String,
    name: String,
    /// Its main file and those beside it.
    source: String,
    serves: bool,
}

/// The programs of the Cargo.toml in `dir`.
pub fn programs(files: &dyn Files, dir: &str) -> Vec<Program> {
    let manifest_path = join(dir, "Cargo.toml");
    let Some(manifest) = manifest(files, &manifest_path) else {
        return Vec::new();
    };
    let mut binaries = binaries(files, dir, &manifest);
    for member in members(files, dir, &manifest) {
        if let Some(manifest) = self::manifest(files, &join(&member, "Cargo.toml")) {
            binaries.extend(self::binaries(files, &member, &manifest));
        }
    }
    // A workspace has tools beside its services; where all look like tools, the guess was wrong.
    if binaries.iter().any(|binary| binary.serves) {
        binaries.retain(|binary| binary.serves);
    }
    let in_workspace = manifest.contains_key("workspace");
    let program = |binary: Binary| program(dir, &manifest_path, in_workspace, binary);
    binaries.into_iter().map(program).collect()
}

fn program(dir: &str, manifest_path: &str, in_workspace: bool, binary: Binary) -> Program {
    let mut build = words(["cargo", "build", "--release"]);
    if in_workspace {
        build.extend(words(["-p", &binary.package]));
    }
    let (port, remark) = port_of("its source", &binary.source);
    Program {
        dir: dir.to_owned(),
        build: Some(build),
        run: vec![format!("target/release/{}", binary.name)],
        port,
        evidence: format!("Rust, the binary {} of {manifest_path}", binary.name),
        remarks: remark.into_iter().collect(),
        name: Some(binary.name),
    }
}

fn manifest(files: &dyn Files, path: &str) -> Option<Table> {
    files.read(path)?.parse().ok()
}

/// What a package's manifest makes programs of (the Cargo Book, "Cargo Targets").
fn binaries(files: &dyn Files, dir: &str, manifest: &Table) -> Vec<Binary> {
    let package = manifest
        .get("package")
        .and_then(|package| package.get("name"));
    let Some(package) = package.and_then(Value::as_str) else {
        return Vec::new();
    };
    let depends = |name: &str| {
        let dependencies = manifest.get("dependencies").and_then(Value::as_table);
        dependencies.is_some_and(|all| all.contains_key(name))
    };
    let has_server = SERVERS.iter().any(|name| depends(name));
    let binary = |name: &str, path: &str| {
        let main = join(dir, path);
        let folder = main.rsplit_once('/').map_or(".", |(folder, _)| folder);
        let beside = files
            .names(folder)
            .into_iter()
            .map(|name| join(folder, &name));
        let beside = beside.filter(|path| path.ends_with(".rs") && *path != main);
        let mut source = files.read(&main)?;
        source.extend(beside.filter_map(|path| files.read(&path)));
        Some(Binary {
            package: package.to_owned(),
            name: name.to_owned(),
            serves: has_server || source.contains("TcpListener") || source.contains("PORT"),
            source,
        })
    };
    let declared = manifest.get("bin").and_then(Value::as_array);
    let declared = declared.into_iter().flatten().filter_map(|entry| {
        let name = entry.get("name")?.as_str()?;
        let usual = format!("src/bin/{name}.rs");
        let path = entry.get("path").and_then(Value::as_str);
        let main = (name == package).then_some("src/main.rs");
        binary(name, path.or(main).unwrap_or(&usual)).or_else(|| binary(name, &usual))
    });
    let declared: Vec<Binary> = declared.collect();
    if !declared.is_empty() {
        return declared;
    }
    if let Some(main) = binary(package, "src/main.rs") {
        return vec![main];
    }
    let names = files.names(&join(dir, "src/bin"));
    let names = names.iter().filter_map(|name| name.strip_suffix(".rs"));
    names
        .filter_map(|name| binary(name, &format!("src/bin/{name}.rs")))
        .collect()
}

/// The folders of a workspace's members, `*` as the last part understood.
fn members(files: &dyn Files, dir: &str, manifest: &Table) -> Vec<String> {
    let Some(workspace) = manifest.get("workspace") else {
        return Vec::new();
    };
    let list = |key: &str| -> Vec<String> {
        let all = workspace.get(key).and_then(Value::as_array);
        let texts = all.into_iter().flatten().filter_map(Value::as_str);
        texts
            .map(|path| path.trim_end_matches('/').to_owned())
            .collect()
    };
    let excluded = list("exclude");
    let expanded = list("members")
        .into_iter()
        .flat_map(|member| match member.strip_suffix("/*") {
            Some(parent) => {
                let folders = files.folders(&join(dir, parent));
                folders
                    .iter()
                    .map(|name| format!("{parent}/{name}"))
                    .collect()
            }
            None if member == "*" => files.folders(dir),
            None => vec![member],
        });
    expanded
        .filter(|member| !excluded.contains(member) && member != ".")
        .take(MAX_MEMBERS)
        .map(|member| join(dir, &member))
        .collect()
}
