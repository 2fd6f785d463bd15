//! The other examples: hello, three of it, and the shop in three languages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::http::{get, post};
use crate::system::{FREE_PORTS, System};
use crate::wait;

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples")
        .canonicalize()
        .unwrap()
}

/// A copy of an example's files, run on free ports.
fn copy(name: &str) -> System {
    let plan = fs::read_to_string(examples().join(name).join("polity.toml")).unwrap();
    let plan = plan.replace("[gateway]\nlisten = \"127.0.0.1:8080\"\n", "");
    let hello = examples().join("hello");
    let plan = plan.replace("../hello", hello.to_str().unwrap());
    let system = System::folder(&format!("{FREE_PORTS}{plan}"));
    copy_files(&examples().join(name), system.path());
    system
}

fn copy_files(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let (entry, name) = entry
            .map(|entry| (entry.path(), entry.file_name()))
            .unwrap();
        let skipped = ["polity.toml", ".polity", "bin"]
            .map(AsRef::as_ref)
            .contains(&name.as_os_str());
        if entry.is_dir() && !skipped {
            fs::create_dir(to.join(&name)).unwrap();
            copy_files(&entry, &to.join(&name));
        } else if !skipped {
            fs::copy(&entry, to.join(&name)).unwrap();
        }
    }
}

/// Whether a program is in PATH and runs.
fn is_installed(program: &str, version: &str) -> bool {
    Command::new(program)
        .arg(version)
        .output()
        .is_ok_and(|output| output.status.success())
}

#[test]
fn hello_says_hello() {
    let system = copy("hello").started();
    assert_eq!(get(system.gateway(), "/").body, "hello from hello-1\n");
}

#[test]
fn three_hellos_say_hello() {
    let system = copy("hello-three").started();
    for name in ["alpha", "beta", "gamma"] {
        let said = get(system.gateway(), &format!("/{name}")).body;
        assert_eq!(said, format!("hello from {name}-1\n"));
    }
}

#[test]
fn the_shop_works_in_three_languages() {
    if !(is_installed("go", "version") && is_installed("node", "--version")) {
        eprintln!("skipped: Go or Node is not installed");
        return;
    }
    let system = copy("polyglot").started();
    let gateway = system.gateway();
    let order = post(gateway, "/orders", r#"{"item":"gopher","quantity":2}"#);
    assert_eq!(order.status, 201, "{order:?}");
    let id = order.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(get(gateway, &format!("/orders/{id}")).json(), order.json());
    assert_eq!(
        get(gateway, &format!("/shipments?order={id}")).json(),
        json!([{"order": id, "item": "gopher", "quantity": 2, "grams": 1800}])
    );
    let refused = post(gateway, "/orders", r#"{"item":"gopher","quantity":200}"#);
    assert_eq!(refused.status, 409, "{refused:?}");
    assert_eq!(get(gateway, "/stock/gopher").json()["in_stock"], 98);
}

#[test]
fn a_service_whose_language_is_missing_is_left_out_and_the_rest_runs() {
    // A PATH with Python, and neither Go nor Node.
    let system = copy("polyglot");
    let bin = system.path().join("path");
    fs::create_dir(&bin).unwrap();
    let python = Command::new("python3")
        .args(["-c", "import sys; print(sys.executable)"])
        .output();
    let python = String::from_utf8(python.unwrap().stdout).unwrap();
    std::os::unix::fs::symlink(python.trim(), bin.join("python3")).unwrap();

    let system = system.with_env("PATH", bin.to_str().unwrap()).started();
    let gateway = system.gateway();
    let output = system.output();
    for missing in ["go", "node"] {
        let said = output
            .lines()
            .any(|line| line.contains(&format!("`{missing}`")));
        assert!(said, "{missing}: {output}");
    }
    assert_eq!(get(gateway, "/orders").json(), json!([]));
    let order = post(gateway, "/orders", r#"{"item":"gopher","quantity":2}"#);
    assert_eq!(order.status, 503, "{order:?}");
    let stock = get(gateway, "/stock");
    assert_eq!(stock.status, 503, "{stock:?}");
    wait::until("ps tells why", || {
        let note = system.service("inventory")["note"].as_str()?.to_owned();
        note.contains("go").then_some(())
    });
}
