//! Who is compared: each with the means it has against servers that fail, and one more try.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::servers::Fleet;
use crate::bench::machine;
use crate::bench::session::Session;

/// From start to the first answer.
pub(super) const START: Duration = Duration::from_secs(30);

/// A program, and how it is told to balance.
pub(super) struct Balancer {
    pub(super) name: &'static str,
    kind: Kind,
    /// In its own words; of Polity, with what more its plan says of the service.
    policy: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Polity,
    /// With what is said of each server.
    Nginx(&'static str),
    Haproxy,
}

/// A server with so many failures is out for a while. Answers that say that it is full are among them, as
/// nginx counts as a failure whatever is to be tried again.
const OUT: &str = "max_fails=5 fail_timeout=10s";
/// In turn, servers fill up one after the other, and with [`OUT`] all of them are out soon: nginx answers
/// 502 itself then ("no live upstreams"), three requests of four. So it counts no failures there, and
/// with the others it has the choice.
const IN: &str = "max_fails=0";

pub(super) const BALANCERS: [Balancer; 15] = [
    polity("polity p2c", "\"p2c\""),
    polity(
        "polity p2c, not listening",
        "{ policy = \"p2c\", utilization = false }",
    ),
    polity("polity round_robin", "\"round_robin\""),
    polity("polity least_connections", "\"least_connections\""),
    polity("polity least_response_time", "\"least_response_time\""),
    polity("polity peak_ewma", "\"peak_ewma\""),
    polity("polity p2c, hedging", "\"p2c\"\nhedge = true"),
    polity(
        "polity least_connections, hedging",
        "\"least_connections\"\nhedge = true",
    ),
    peer("nginx round robin", Kind::Nginx(IN), ""),
    peer("nginx least_conn", Kind::Nginx(OUT), "least_conn;"),
    peer("nginx least_conn, all in", Kind::Nginx(IN), "least_conn;"),
    peer("nginx random two", Kind::Nginx(OUT), NGINX_RANDOM),
    peer("nginx random two, all in", Kind::Nginx(IN), NGINX_RANDOM),
    peer("haproxy leastconn", Kind::Haproxy, "leastconn"),
    peer("haproxy random", Kind::Haproxy, "random"),
];

const NGINX_RANDOM: &str = "random two least_conn;";

const fn polity(name: &'static str, policy: &'static str) -> Balancer {
    peer(name, Kind::Polity, policy)
}

const fn peer(name: &'static str, kind: Kind, policy: &'static str) -> Balancer {
    Balancer { name, kind, policy }
}

impl Balancer {
    /// None where it is not installed.
    pub(super) fn program(&self, session: &Session) -> Option<PathBuf> {
        match self.kind {
            Kind::Polity => Some(session.ground.programs.polity.clone()),
            Kind::Nginx(_) => machine::find("nginx"),
            Kind::Haproxy => machine::find("haproxy"),
        }
    }

    /// Whether it is one that others have made.
    pub(super) fn is_peer(name: &str) -> bool {
        let mut peers = BALANCERS.iter().filter(|it| it.kind != Kind::Polity);
        peers.any(|peer| peer.name == name)
    }

    /// Writes its configuration into `folder` and adds what starts it to `command`.
    pub(super) fn configure(
        &self,
        folder: &Path,
        port: u16,
        fleet: &Fleet,
        command: &mut Command,
    ) -> anyhow::Result<()> {
        match self.kind {
            Kind::Polity => {
                fs::write(
                    folder.join("polity.toml"),
                    polity_plan(self.policy, port, fleet),
                )?;
                command.arg("up").arg(folder);
            }
            Kind::Nginx(server) => {
                let path = folder.join("nginx.conf");
                let upstream: String = fleet
                    .addresses()
                    .map(|address| format!("server {address} {server}; "))
                    .collect();
                let upstream = format!("{} {upstream}", self.policy);
                fs::write(&path, nginx(&upstream, folder, port))?;
                command.arg("-p").arg(folder).arg("-c").arg(path);
            }
            Kind::Haproxy => {
                let path = folder.join("haproxy.cfg");
                fs::write(&path, haproxy(self.policy, port, fleet))?;
                command.arg("-db").arg("-f").arg(path);
            }
        }
        Ok(())
    }
}

fn polity_plan(policy: &str, port: u16, fleet: &Fleet) -> String {
    let urls: Vec<String> = fleet
        .addresses()
        .map(|address| format!("\"http://{address}\""))
        .collect();
    format!(
        "[gateway]\nlisten = \"127.0.0.1:{port}\"\nlimits.connections_per_address = false\n\n\
         [console]\nlisten = \"127.0.0.1:0\"\n\n\
         [service.fleet]\nroute = \"/\"\nurls = [{}]\nbalance = {policy}\n\
         retry.on = [\"connect-failure\", \"reset\", 500, 503]\n",
        urls.join(", ")
    )
}

fn nginx(upstream: &str, folder: &Path, port: u16) -> String {
    let folder = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("    {kind}_temp_path {folder}/{kind};\n"))
        .collect();
    format!(
        "user root;\nworker_processes 1;\ndaemon off;\npid {folder}/nginx.pid;\nerror_log stderr crit;\n\
         events {{ worker_connections 8192; }}\n\
         http {{\n    access_log off;\n    keepalive_requests 1000000000;\n{temporary}\
         \x20   upstream fleet {{ {upstream}keepalive 1024; keepalive_requests 1000000000; }}\n\
         \x20   server {{\n        listen 127.0.0.1:{port} backlog=4096;\n        location / {{\n\
         \x20           proxy_pass http://fleet;\n            proxy_http_version 1.1;\n\
         \x20           proxy_set_header Connection \"\";\n\
         \x20           proxy_next_upstream error timeout http_500 http_503;\n\
         \x20           proxy_next_upstream_tries 2;\n        }}\n    }}\n}}\n"
    )
}

/// Servers whose answers are errors are taken out, and come back when a check succeeds.
fn haproxy(policy: &str, port: u16, fleet: &Fleet) -> String {
    let servers: String = fleet
        .addresses()
        .enumerate()
        .map(|(number, address)| {
            format!(
                "    server s{number} {address} check inter 1s observe layer7 error-limit 5 on-error mark-down\n"
            )
        })
        .collect();
    format!(
        "global\n    nbthread 1\n    maxconn 12000\n    no strict-limits\n\
         defaults\n    mode http\n    timeout connect 5s\n    timeout client 60s\n    timeout server 60s\n\
         \x20   http-reuse always\n    option redispatch 1\n    retries 1\n\
         \x20   retry-on conn-failure empty-response 500 503\n\
         frontend clients\n    bind 127.0.0.1:{port} backlog 4096\n    default_backend fleet\n\
         backend fleet\n    balance {policy}\n    option httpchk GET /\n{servers}"
    )
}
