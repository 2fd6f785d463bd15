//! What Polity runs for a service.

use std::time::Duration;

use crate::address::parse_database;
use crate::decode::{Fields, environment};
use crate::plan::{Command, HealthAsks, HealthCheck, Port, Program};
use crate::tree::Value;

const START_TIMEOUT: Duration = Duration::from_secs(60);
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
const RESTART_AFTER: Duration = Duration::from_secs(30);
const HEALTH_INTERVAL: Duration = Duration::from_secs(2);
const HEALTH_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) fn program(fields: Fields<'_>) -> Program {
    Program {
        build: fields.command("build"),
        run: fields
            .command("run")
            .unwrap_or(Command { words: Vec::new() }),
        dir: fields.text("dir").unwrap_or(".").into(),
        replicas: fields.integer("replicas").unwrap_or(1),
        port: port(fields),
        health: health(fields),
        start_timeout: fields.duration("start_timeout", START_TIMEOUT),
        stop_timeout: fields.duration("stop_timeout", STOP_TIMEOUT),
        restart_after: fields.duration("restart_after", RESTART_AFTER),
        database: fields.parse("database", |text| parse_database(text).ok()),
        env: environment(fields),
        requires: fields.parse_list("requires", |text| Some(text.to_owned())),
        watch: fields.parse_list("watch", |text| Some(text.into())),
    }
}

fn port(fields: Fields<'_>) -> Port {
    if fields.boolean("port") == Some(false) {
        return Port::None;
    }
    fields.integer("port").map_or(Port::Auto, Port::Fixed)
}

fn health(fields: Fields<'_>) -> HealthCheck {
    let entry = fields.get("health").map(|entry| &entry.node.value);
    let (path, table) = match entry {
        Some(Value::Text(path)) => (Some(path.value.clone()), Fields(&[])),
        _ => {
            let table = fields.table("health");
            (table.text("path").map(str::to_owned), table)
        }
    };
    let grpc = match table.boolean("grpc") {
        Some(is_asked) => is_asked.then(String::new),
        None => table.text("grpc").map(str::to_owned),
    };
    let speaks_http2 = fields.text("protocol") == Some("http2");
    HealthCheck {
        asks: match (grpc, path) {
            (Some(service), _) => HealthAsks::Grpc(service),
            (None, Some(path)) if speaks_http2 => HealthAsks::GetOverHttp2(path),
            (None, Some(path)) => HealthAsks::Get(path),
            (None, None) => HealthAsks::Connect,
        },
        interval: table.duration("interval", HEALTH_INTERVAL),
        timeout: table.duration("timeout", HEALTH_TIMEOUT),
    }
}
