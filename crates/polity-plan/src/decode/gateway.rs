//! The public entry.

use polity_core::ByteSize;
use polity_route::Rewrite;

use crate::address::{parse_listen, parse_network};
use crate::decode::{Fields, route};
use crate::draft::At;
use crate::origin::parse_redirect;
use crate::plan::{CertificateFiles, Gateway, Limits, Redirect, Timeouts, Tls};
use crate::tree::Node;

const REDIRECT_STATUS: u16 = 308;

pub(super) fn gateway(fields: Fields<'_>, redirects: &[At<Redirect>]) -> Gateway {
    let default = Gateway::default();
    Gateway {
        listen: fields
            .parse("listen", |t| parse_listen(t).ok())
            .unwrap_or(default.listen),
        tls: tls(fields),
        trusted_proxies: fields.parse_list("trusted_proxies", |t| parse_network(t).ok()),
        zone: fields.text("zone").map(str::to_owned),
        limits: limits(fields.table("limits"), default.limits),
        timeouts: timeouts(fields.table("timeouts"), default.timeouts),
        redirects: redirects.iter().map(|at| at.value.clone()).collect(),
    }
}

fn tls(fields: Fields<'_>) -> Option<Tls> {
    if fields.text("tls").is_some() {
        return Some(Tls::Local);
    }
    let files = |node: &Node| {
        let fields = Fields(node.table());
        Some(CertificateFiles {
            certificate: fields.text("certificate")?.into(),
            key: fields.text("key")?.into(),
        })
    };
    let node = &fields.get("tls")?.node;
    let several = fields.list("tls");
    let listed: Option<Vec<_>> = match several.is_empty() {
        true => files(node).map(|one| vec![one]),
        false => several.iter().map(files).collect(),
    };
    listed.map(Tls::Files)
}

fn limits(fields: Fields<'_>, default: Limits) -> Limits {
    Limits {
        connections_per_address: fields
            .count("connections_per_address", default.connections_per_address),
        requests_per_connection: fields
            .count("requests_per_connection", default.requests_per_connection),
        header_count: fields
            .integer("header_count")
            .unwrap_or(default.header_count),
        header_size: fields
            .parse("header_size", |t| ByteSize::parse(t).ok())
            .unwrap_or(default.header_size),
        body_size: fields.size("body_size", default.body_size),
        max_in_flight: fields.count("max_in_flight", default.max_in_flight),
        bulkhead: match fields.is_false("bulkhead") {
            true => None,
            false => fields.number("bulkhead").or(default.bulkhead),
        },
        queue_delay: match (fields.is_false("queue_delay"), default.queue_delay) {
            (false, Some(default)) => Some(fields.duration("queue_delay", default)),
            _ => None,
        },
    }
}

fn timeouts(fields: Fields<'_>, default: Timeouts) -> Timeouts {
    Timeouts {
        head: fields.duration("head", default.head),
        keep_alive: fields.duration("keep_alive", default.keep_alive),
        body: fields.duration("body", default.body),
        send: fields.duration("send", default.send),
        connect: fields.duration("connect", default.connect),
        idle: fields.duration("idle", default.idle),
    }
}

/// What `redirects` says, in the order of the file, and where each stands.
pub(super) fn redirects(fields: Fields<'_>) -> Vec<At<Redirect>> {
    let read = |node: &crate::tree::Node| {
        let fields = Fields(node.table());
        let (origin, path) = fields.parse("to", |text| parse_redirect(text).ok())?;
        Some(At {
            value: Redirect {
                pattern: route::pattern(fields)?,
                origin,
                rewrite: Rewrite::Replace(path),
                status: fields.integer("status").unwrap_or(REDIRECT_STATUS),
            },
            span: route::pointed(fields).unwrap_or_else(|| node.span.clone()),
        })
    };
    fields.list("redirects").iter().filter_map(read).collect()
}
