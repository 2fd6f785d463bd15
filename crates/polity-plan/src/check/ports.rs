//! One port, one listener.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Findings, Span};
use crate::draft::Draft;
use crate::plan::{Broker, ListenAddress, Port};

struct Listener {
    who: String,
    /// None for every address: a service may choose any.
    host: Option<IpAddr>,
    port: u16,
    span: Option<Span>,
}

pub(super) fn check(draft: &Draft, findings: &mut Findings) {
    replicas(draft, findings);
    let own = |who: &str, address: &ListenAddress, span: &Option<Span>| Listener {
        who: who.to_owned(),
        host: address.host,
        port: address.port,
        span: span.clone(),
    };
    let mut listeners = vec![
        own("the gateway", &draft.gateway.listen, &draft.gateway_listen),
        own("the console", &draft.console.listen, &draft.console_listen),
    ];
    if let Some(address) = &draft.gateway.listen_http {
        listeners.push(own(
            "the gateway's redirects",
            address,
            &draft.entry.listen_http,
        ));
    }
    if let (true, Broker::Embedded(broker)) = (draft.has_events(), &draft.events.broker) {
        let events = own("the events' broker", &broker.listen, &draft.events.listen);
        listeners.push(events);
    }
    for service in &draft.services {
        if let Some(Port::Fixed(port)) = service.service.program().map(|program| program.port) {
            listeners.push(Listener {
                who: format!("`{}`", service.service.name),
                host: None,
                port,
                span: Some(service.value_span("port")),
            });
        }
    }
    let mut by_port: BTreeMap<u16, Vec<Listener>> = BTreeMap::new();
    for later in listeners {
        let others = by_port.entry(later.port).or_default();
        let finding = others
            .iter()
            .find(|earlier| meet(earlier, &later))
            .and_then(|earlier| clash(earlier, &later));
        if let Some(finding) = finding {
            findings.add(finding);
        }
        others.push(later);
    }
}

fn clash(earlier: &Listener, later: &Listener) -> Option<Diagnostic> {
    // The defaults differ, so that one of the two is written.
    let span = later.span.clone().or(earlier.span.clone())?;
    let message = format!(
        "{} and {} would both listen on port {}",
        earlier.who, later.who, later.port
    );
    let finding = Diagnostic::new(Code::PortTaken, message, span.clone())
        .label("the port is taken")
        .help("change one of the two");
    Some(match &earlier.span {
        Some(first) if *first != span => finding.other(first.clone(), "by this"),
        _ => finding,
    })
}

/// Whether two listeners of one port number cannot both have it.
fn meet(one: &Listener, other: &Listener) -> bool {
    let hosts = match (one.host, other.host) {
        (Some(one), Some(other)) => one == other || one.is_unspecified() || other.is_unspecified(),
        _ => true,
    };
    one.port != 0 && hosts
}

fn replicas(draft: &Draft, findings: &mut Findings) {
    for service in &draft.services {
        let Some(program) = service.service.program() else {
            continue;
        };
        if let (Port::Fixed(port), 2..) = (program.port, program.replicas) {
            let message = format!(
                "{} replicas of `{}` would all listen on port {port}",
                program.replicas, service.service.name
            );
            findings.add(
                Diagnostic::new(Code::PortTaken, message, service.value_span("replicas"))
                    .label("more than one")
                    .other(service.value_span("port"), "one port")
                    .help("remove `port`, so that each replica has its own in `$PORT`"),
            );
        }
    }
}
