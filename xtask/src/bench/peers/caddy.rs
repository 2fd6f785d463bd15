//! Caddy without TLS and with as many kept connections as the others.

use std::process::Command;

use super::{Peer, Place};

pub(super) const PEER: Peer = Peer {
    name: "caddy",
    install: "apt-get install caddy",
    version: &["version"],
    configure,
};

const GLOBAL: &str = "{
    admin off
    auto_https off
    log {
        level ERROR
    }
}
";

fn configure(place: &Place, command: &mut Command) -> anyhow::Result<()> {
    let (origin, kept) = (place.origin, place.kept());
    let mut handles = String::new();
    for service in &place.topology.services {
        let instances: String = service
            .instances
            .iter()
            .map(|instance| format!(" {instance}:{origin}"))
            .collect();
        for prefix in &service.prefixes {
            let prefix = prefix.trim_end_matches('/');
            handles += &format!(
                "    handle {prefix}/* {{\n        reverse_proxy{instances} {{\n            transport http {{\n                keepalive_idle_conns_per_host {kept}\n            }}\n        }}\n    }}\n"
            );
        }
    }
    let port = place.port;
    let text = format!("{GLOBAL}http://:{port} {{\n    bind 127.0.0.1\n{handles}}}\n");
    let path = place.write("Caddyfile", &text)?;
    command.args(["run", "--adapter", "caddyfile", "--config"]);
    command.arg(path);
    // Else it would write into the home of whoever runs this.
    command.env("XDG_DATA_HOME", place.folder);
    command.env("XDG_CONFIG_HOME", place.folder);
    Ok(())
}
