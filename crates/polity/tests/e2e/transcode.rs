//! JSON over HTTP for a service that speaks gRPC only, by the descriptors that it tells.

use std::fs;

use serde_json::{Value, json};

use crate::http::{Answer, get, post};
use crate::https::installed;
use crate::system::{FREE_PORTS, System};
use crate::wait;

const PROTO: &str = include_str!("transcode/library.proto");

fn library(more: &str) -> System {
    let python = installed("python/bin/python3");
    let plan = format!(
        "{FREE_PORTS}[service.library]\nrun = \"{} service.py\"\nroute = \"/\"\nprotocol = \"http2\"\n{more}",
        python.display()
    );
    let system = System::folder(&plan);
    fs::write(system.path().join("library.proto"), PROTO).unwrap();
    let service = include_str!("transcode/service.py");
    fs::write(system.path().join("service.py"), service).unwrap();
    let system = system.started();
    // It is ready before it has told what it can be asked.
    wait::until("descriptors are read", || {
        let answer = get(system.gateway(), "/v1/shelves/1/books/2");
        (answer.status == 200).then_some(())
    });
    system
}

fn is_json(answer: &Answer, status: u16, expected: &Value) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(&answer.json(), expected);
}

#[test]
fn rest_is_answered_by_grpc() {
    let system = library("transcode = true\n");
    let gateway = system.gateway();
    // Numbers that a browser's cannot hold are text in protobuf's JSON.
    let book = get(gateway, "/v1/shelves/1/books/a%20b?loudly=true");
    is_json(
        &book,
        200,
        &json!({ "name": "SHELVES/1/BOOKS/A B", "pages": "9007199254740993" }),
    );
    let made = post(
        gateway,
        "/v1/shelves/1/books",
        r#"{"name": "moby", "pages": 635}"#,
    );
    is_json(
        &made,
        200,
        &json!({ "name": "shelves/1/moby", "pages": "635" }),
    );
    let lent = post(gateway, "/library.Library/Lend", r#"{"name": "moby"}"#);
    is_json(&lent, 200, &json!({ "name": "moby" }));
    let lines = get(gateway, "/v1/shelves/1:read");
    assert_eq!(lines.headers["content-type"], "application/x-ndjson");
    let names: Vec<Value> = lines
        .body
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(names[2], json!({ "name": "shelves/1/2" }));
    assert_eq!(names.len(), 3);
}

#[test]
fn what_fails_is_told_as_a_status() {
    let system = library("transcode = true\ntimeout = \"2s\"\n");
    let gateway = system.gateway();
    let lost = get(gateway, "/v1/shelves/1/books/lost");
    let detail = json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "LOST",
        "domain": "library",
    });
    let told = lost.json();
    assert_eq!(
        (lost.status, &told["code"], &told["message"]),
        (404, &json!(5), &json!("no such book: ä"))
    );
    // The service's own files do not tell of that type.
    assert_eq!(told["details"][0]["@type"], detail["@type"]);
    let late = get(gateway, "/v1/shelves/1/books/slow");
    assert_eq!(late.status, 504, "{late:?}");
    let wrong = post(gateway, "/v1/shelves/1/books", r#"{"colour": "red"}"#);
    assert_eq!((wrong.status, &wrong.json()["code"]), (400, &json!(3)));
    assert!(wrong.body.contains("colour"), "{wrong:?}");
    assert_eq!(get(gateway, "/v2").status, 404);
    let burnt = get(gateway, "/v1/shelves/1:read?loudly=true");
    let last: Value = serde_json::from_str(burnt.body.lines().last().unwrap()).unwrap();
    assert_eq!(last["error"]["code"], 15, "{burnt:?}");
}

#[test]
fn a_deploy_brings_its_methods() {
    let system = library("transcode = true\n");
    let gateway = system.gateway();
    assert_eq!(get(gateway, "/v2/shelves/1/books/2").status, 404);
    let newer = PROTO.replace(
        "get: \"/v1/{name=shelves/*/books/*}\"",
        "get: \"/v2/{name=shelves/*/books/*}\"",
    );
    assert_ne!(newer, PROTO);
    fs::write(system.path().join("library.proto"), newer).unwrap();
    system.succeeds(&["deploy", "library"]);
    wait::until("what is new is answered", || {
        (get(gateway, "/v2/shelves/1/books/2").status == 200).then_some(())
    });
}
