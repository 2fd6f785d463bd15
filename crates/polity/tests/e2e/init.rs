//! `polity init` writes a plan that `polity up` runs.

use std::fs;
use std::process::Command;

use crate::http::get;
use crate::system::{FREE_PORTS, System};

/// Makes a plan for these files, puts free ports in front of it, and starts it.
fn initialised(files: &[(&str, &str)]) -> System {
    let system = System::folder("");
    fs::remove_file(system.path().join("polity.toml")).unwrap();
    for (path, text) in files {
        let path = system.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    system.succeeds(&["init"]);
    let path = system.path().join("polity.toml");
    let plan = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{FREE_PORTS}{plan}")).unwrap();
    system.started()
}

const PYTHON: &str = r#"
import os
from http.server import BaseHTTPRequestHandler, HTTPServer

class Hello(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"python")

HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Hello).serve_forever()
"#;

const NODE: &str = r#"
require("node:http").createServer((_, answer) => answer.end("node")).listen(process.env.PORT);
"#;

const RUST: &str = r#"
use std::io::{BufRead, BufReader, Write};

fn main() {
    let port: u16 = std::env::var("PORT").unwrap().parse().unwrap();
    for stream in std::net::TcpListener::bind(("127.0.0.1", port)).unwrap().incoming() {
        let mut stream = stream.unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap()).lines();
        lines.map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 4\r\n\r\nrust");
    }
}
"#;

const CARGO: &str = "[package]\nname = \"hello\"\nversion = \"0.1.0\"\nedition = \"2021\"\n";

#[test]
fn for_python() {
    let system = initialised(&[("app.py", PYTHON)]);
    assert_eq!(get(system.gateway(), "/").body, "python");
}

#[test]
fn for_node() {
    let package = r#"{"name": "hello", "scripts": {"start": "node server.js"}}"#;
    if Command::new("node").arg("--version").output().is_err() {
        eprintln!("skipped: Node is not installed");
        return;
    }
    let system = initialised(&[("package.json", package), ("server.js", NODE)]);
    assert_eq!(get(system.gateway(), "/").body, "node");
}

#[test]
fn for_rust() {
    let system = initialised(&[("Cargo.toml", CARGO), ("src/main.rs", RUST)]);
    assert_eq!(get(system.gateway(), "/").body, "rust");
}

#[test]
fn a_plan_that_is_there_stays() {
    let system = System::folder("# mine\n");
    let said = system.polity(&["init"]);
    assert_eq!(said.status.code(), Some(1), "{said:#?}");
    assert_eq!(
        fs::read_to_string(system.path().join("polity.toml")).unwrap(),
        "# mine\n"
    );
}
