//! The public entry.

use polity_core::ByteSize;
use polity_route::Rewrite;

use crate::address::{parse_domain, parse_listen, parse_network};
use crate::decode::{Fields, route};
use crate::draft::{At, DraftEntry};
use crate::origin::parse_redirect;
use crate::plan::{
    Acme, CertificateFiles, ClientCertificates, Coding, Compression, ExternalAccount, Gateway,
    Hsts, Limits, ListenAddress, Redirect, Timeouts, Tls,
};
use crate::tree::Node;

const REDIRECT_STATUS: u16 = 308;
const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;

pub(super) fn gateway(fields: Fields<'_>, redirects: &[At<Redirect>]) -> Gateway {
    let default = Gateway::default();
    let domains = domains(fields);
    let usual = match domains.is_empty() {
        true => default.listen,
        false => ListenAddress {
            host: None,
            port: HTTPS_PORT,
        },
    };
    let listen = fields
        .parse("listen", |t| parse_listen(t).ok())
        .unwrap_or(usual);
    let acme = || (!domains.is_empty()).then(|| Tls::Acme(acme(fields.table("acme"), &domains)));
    Gateway {
        client_certificates: client_certificates(fields.table("client_certificates")),
        listen_http: listen_http(fields, &listen, &domains),
        tls: tls(fields).or_else(acme),
        listen,
        domains,
        hsts: hsts(fields),
        trusted_proxies: fields.parse_list("trusted_proxies", |t| parse_network(t).ok()),
        zone: fields.text("zone").map(str::to_owned),
        compress: compress(fields, default.compress),
        limits: limits(fields.table("limits"), default.limits),
        timeouts: timeouts(fields.table("timeouts"), default.timeouts),
        redirects: redirects.iter().map(|at| at.value.clone()).collect(),
    }
}

fn domains(fields: Fields<'_>) -> Vec<String> {
    let one = fields.parse("domain", |text| parse_domain(text).ok());
    let several = fields.parse_list("domain", |text| parse_domain(text).ok());
    let mut domains: Vec<String> = Vec::new();
    for domain in one.into_iter().chain(several) {
        if !domains.contains(&domain) {
            domains.push(domain);
        }
    }
    domains
}

/// Who knows a domain may leave the scheme out, or have it proved over plain HTTP.
fn listen_http(
    fields: Fields<'_>,
    listen: &ListenAddress,
    domains: &[String],
) -> Option<ListenAddress> {
    let is_usual = !domains.is_empty() && listen.port == HTTPS_PORT;
    match fields.get("listen_http") {
        Some(_) => fields.parse("listen_http", |t| parse_listen(t).ok()),
        None => is_usual.then_some(ListenAddress {
            host: listen.host,
            port: HTTP_PORT,
        }),
    }
}

fn acme(fields: Fields<'_>, domains: &[String]) -> Acme {
    let eab = fields.table("eab");
    let account = || {
        Some(ExternalAccount {
            kid: eab.text("kid")?.to_owned(),
            hmac_key: eab.text("hmac_key")?.to_owned(),
        })
    };
    Acme {
        domains: domains.to_vec(),
        directory: fields
            .text("directory")
            .unwrap_or(Acme::DIRECTORY)
            .to_owned(),
        email: fields.text("email").map(str::to_owned),
        eab: account(),
        roots: fields.text("roots").map(Into::into),
    }
}

fn client_certificates(fields: Fields<'_>) -> Option<ClientCertificates> {
    Some(ClientCertificates {
        roots: fields.text("roots")?.into(),
        required: !fields.is_false("required"),
    })
}

/// Where it says how it is reached.
pub(super) fn entry(fields: Fields<'_>) -> DraftEntry {
    let hsts = fields.table("hsts");
    DraftEntry {
        listen_http: fields.span("listen_http"),
        acme: fields.span("acme"),
        client_certificates: fields.span("client_certificates"),
        preload: hsts.span("preload").filter(|_| hsts.is_true("preload")),
    }
}

fn hsts(fields: Fields<'_>) -> Option<Hsts> {
    let table = fields.table("hsts");
    let default = Hsts::default();
    let is_wanted = fields.get("hsts").is_some() && !fields.is_false("hsts");
    is_wanted.then(|| Hsts {
        max_age: table.duration("max_age", default.max_age),
        subdomains: table.is_true("subdomains"),
        preload: table.is_true("preload"),
    })
}

fn compress(fields: Fields<'_>, default: Compression) -> Compression {
    let named = |text: &str| Coding::ALL.into_iter().find(|it| it.name() == text);
    let codings = fields.parse_list("compress", named);
    match (fields.boolean("compress"), codings.is_empty()) {
        (None, true) => default,
        (None, false) => Compression {
            services: true,
            sites: true,
            codings,
        },
        (Some(is_on), _) => Compression {
            services: is_on,
            sites: is_on,
            ..default
        },
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
