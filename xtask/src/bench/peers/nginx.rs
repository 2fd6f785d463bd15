//! nginx, as its manual and its users tune it for many small answers.

use std::process::Command;

use super::{Peer, Place};

pub(super) const PEER: Peer = Peer {
    name: "nginx",
    install: "apt-get install nginx-light",
    version: &["-v"],
    configure,
};

/// 64 KiB buffers, so that the large answer fits; nothing is spooled to disk.
const HTTP: &str = "
    access_log off;
    server_tokens off;
    keepalive_requests 1000000000;
    keepalive_timeout 300s;
    client_body_buffer_size 64k;
    proxy_http_version 1.1;
    proxy_set_header Connection \"\";
    proxy_buffer_size 64k;
    proxy_buffers 8 64k;
    proxy_busy_buffers_size 128k;
    proxy_max_temp_file_size 0;
";
/// Two for each client at most, and few enough for the usual limit of open files.
const CONNECTIONS: usize = 19_000;

fn configure(place: &Place, command: &mut Command) -> anyhow::Result<()> {
    let folder = place.folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("    {kind}_temp_path {folder}/{kind};\n"))
        .collect();
    let upstreams: String = place
        .topology
        .services
        .iter()
        .map(|service| {
            let servers: String = service
                .instances
                .iter()
                .map(|instance| format!("server {instance}:{}; ", place.origin))
                .collect();
            let (name, kept) = (&service.name, place.kept());
            format!(
                "    upstream {name} {{ {servers}keepalive {kept}; keepalive_requests 1000000000; }}\n"
            )
        })
        .collect();
    let locations: String = place
        .routes()
        .map(|(prefix, service)| {
            format!("        location {prefix} {{ proxy_pass http://{service}; }}\n")
        })
        .collect();
    let port = place.port;
    // Only root can change the user; anybody else is told that it is ignored.
    let text = format!(
        "user root;\nworker_processes 1;\ndaemon off;\npid {folder}/nginx.pid;\nerror_log stderr error;\n\
         events {{ worker_connections {CONNECTIONS}; }}\n\
         http {{\n{HTTP}{temporary}{upstreams}    server {{\n        listen 127.0.0.1:{port} backlog=4096;\n{locations}    }}\n}}\n"
    );
    let path = place.write("nginx.conf", &text)?;
    command.arg("-p").arg(place.folder).arg("-c").arg(path);
    Ok(())
}
