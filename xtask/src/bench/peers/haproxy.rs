//! HAProxy with one thread and every connection reused.

use std::process::Command;

use super::{Peer, Place};

pub(super) const PEER: Peer = Peer {
    name: "haproxy",
    install: "apt-get install haproxy",
    version: &["-v"],
    configure,
};

/// `no strict-limits`: it would count two files for each connection that it might have, idle or not.
const HEAD: &str = "global
    nbthread 1
    maxconn 12000
    no strict-limits
defaults
    mode http
    timeout connect 5s
    timeout client 300s
    timeout server 300s
    timeout http-keep-alive 300s
    http-reuse always
";

fn configure(place: &Place, command: &mut Command) -> anyhow::Result<()> {
    let map: String = place
        .routes()
        .map(|(prefix, service)| format!("{prefix} {service}\n"))
        .collect();
    let map = place.write("routes.map", &map)?;
    let backends: String = place
        .topology
        .services
        .iter()
        .map(|service| {
            let servers: String = service
                .instances
                .iter()
                .map(|instance| format!("    server {instance} {instance}:{}\n", place.origin))
                .collect();
            format!("backend {}\n{servers}", service.name)
        })
        .collect();
    let choice = match place.topology.services.as_slice() {
        [only] if only.prefixes == ["/"] => format!("default_backend {}", only.name),
        _ => format!("use_backend %[path,map_beg({})]", map.display()),
    };
    let port = place.port;
    let text = format!(
        "{HEAD}frontend clients\n    bind 127.0.0.1:{port} backlog 4096\n    {choice}\n{backends}"
    );
    let path = place.write("haproxy.cfg", &text)?;
    command.arg("-db").arg("-f").arg(path);
    Ok(())
}
