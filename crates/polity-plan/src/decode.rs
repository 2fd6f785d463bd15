//! From a tree that has been held against the descriptors to a draft of the plan.
//!
//! Whatever is not as its descriptor says has been reported before; here it is skipped.

mod balance;
mod events;
mod gateway;
mod program;
mod resilience;
mod route;
mod site;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use polity_core::{ByteSize, ServiceName, TaskName, TopicName, parse_duration};

use crate::address::parse_listen;
use crate::code::Code;
use crate::command;
use crate::diagnostic::Span;
use crate::draft::{At, Draft, DraftService, DraftTask, Place};
use crate::plan::{Command, Console, ListenAddress, Origin, Protocol, Service, Task, Transcode};
use crate::tree::{Entry, Node, Value};

const CONSOLE_PORT: u16 = 7070;
const SERVICE_TIMEOUT: Duration = Duration::from_secs(30);
/// As many requests as Envoy lets be in flight to one cluster.
const CALLS_IN_FLIGHT: u32 = 1024;
const TASK_TIMEOUT: Duration = Duration::from_secs(600);

/// Reads the whole file.
pub(crate) fn decode(entries: &[Entry]) -> Draft {
    let fields = Fields(entries);
    let gateway = fields.table("gateway");
    let console = fields.table("console");
    let redirects = gateway::redirects(gateway);
    let planned = gateway::gateway(gateway, &redirects);
    let body_size = planned.limits.body_size;
    let loopback = ListenAddress {
        host: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        port: CONSOLE_PORT,
    };
    Draft {
        gateway: planned,
        redirects: redirects.into_iter().map(|at| at.span).collect(),
        gateway_listen: gateway.span("listen"),
        entry: gateway::entry(gateway),
        console: Console {
            listen: console
                .parse("listen", |t| parse_listen(t).ok())
                .unwrap_or(loopback),
        },
        console_listen: console.span("listen"),
        events: events::events(fields),
        services: fields
            .table("service")
            .0
            .iter()
            .filter_map(|entry| service(entry, body_size))
            .collect(),
        sites: fields
            .table("site")
            .0
            .iter()
            .filter_map(site::site)
            .collect(),
        tasks: fields.table("task").0.iter().filter_map(task).collect(),
    }
}

fn service(entry: &Entry, body_size: Option<ByteSize>) -> Option<DraftService> {
    let name = ServiceName::new(&entry.key).ok()?;
    let fields = Fields(entry.node.table());
    let calls = fields.names("calls", |t| ServiceName::new(t).ok());
    let consumes = fields.names("consumes", |t| TopicName::new(t).ok());
    let routes = route::routes(fields, body_size);
    let urls = balance::urls(fields);
    let (balance, drafted_balance) = balance::balance(fields);
    let failures = resilience::places(fields);
    let protocol = match (fields.text("protocol"), urls.first()) {
        (Some("tcp"), _) => Protocol::Tcp,
        (Some("http2"), _) => Protocol::Http2,
        (Some("auto"), _) => Protocol::Auto,
        (None, Some(url)) => url.protocol,
        _ => Protocol::Http,
    };
    let elsewhere = fields.get("url").or(fields.get("urls")).is_some();
    let origin = if elsewhere && fields.get("run").is_none() {
        Origin::External(urls.iter().map(|url| url.upstream.clone()).collect())
    } else {
        Origin::Run(program::program(fields).into())
    };
    Some(DraftService {
        service: Arc::new(Service {
            name,
            origin,
            protocol,
            routes: routes.iter().map(|draft| draft.route.clone()).collect(),
            calls: calls.iter().map(|call| call.value.clone()).collect(),
            publishes: fields
                .parse_list("publishes", |t| t.parse().ok())
                .into_iter()
                .collect(),
            consumes: consumes.iter().map(|topic| topic.value.clone()).collect(),
            timeout: fields.duration("timeout", SERVICE_TIMEOUT),
            retry: resilience::retry(fields.table("retry")),
            hedge: resilience::hedge(fields),
            transcode: transcode(fields),
            circuit_breaker: resilience::by_scope(&failures.circuit_breakers),
            outlier: resilience::outlier(fields),
            balance,
            max_in_flight: fields.count("max_in_flight", None),
            max_calls_in_flight: fields.count("max_calls_in_flight", Some(CALLS_IN_FLIGHT)),
        }),
        name: entry.key_span.clone(),
        calls,
        routes,
        consumes,
        urls,
        balance: drafted_balance,
        failures,
        env: variables(fields),
        allow: fields.parse_list("allow", Code::parse),
        places: fields.places(),
    })
}

fn transcode(service: Fields<'_>) -> Option<Transcode> {
    let asked = service.get("transcode").is_some() && !service.is_false("transcode");
    let file = service.table("transcode");
    asked.then(|| match file.text("descriptors") {
        Some(file) => Transcode::File(file.into()),
        None => Transcode::Reflection,
    })
}

fn task(entry: &Entry) -> Option<DraftTask> {
    let name = TaskName::new(&entry.key).ok()?;
    let fields = Fields(entry.node.table());
    let before = fields.names("before", |t| ServiceName::new(t).ok());
    Some(DraftTask {
        task: Arc::new(Task {
            name: name.clone(),
            build: fields.command("build"),
            run: fields
                .command("run")
                .unwrap_or(Command { words: Vec::new() }),
            dir: fields.text("dir").unwrap_or(".").into(),
            before: before.iter().map(|name| name.value.clone()).collect(),
            env: environment(fields),
            timeout: fields.duration("timeout", TASK_TIMEOUT),
        }),
        name: At {
            value: name,
            span: entry.key_span.clone(),
        },
        before,
        env: variables(fields),
        places: fields.places(),
    })
}

fn environment(fields: Fields<'_>) -> BTreeMap<String, String> {
    let value = |node: &Node| match &node.value {
        Value::Text(text) => Some(text.value.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Boolean(boolean) => Some(boolean.to_string()),
        _ => None,
    };
    let entries = fields.table("env").0.iter();
    entries
        .filter_map(|entry| Some((entry.key.clone(), value(&entry.node)?)))
        .collect()
}

fn variables(fields: Fields<'_>) -> Vec<At<String>> {
    let entries = fields.table("env").0.iter();
    entries
        .map(|entry| At {
            value: entry.key.clone(),
            span: entry.key_span.clone(),
        })
        .collect()
}

/// The keys of one table.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a [Entry]);

impl<'a> Fields<'a> {
    fn get(self, name: &str) -> Option<&'a Entry> {
        self.0.iter().find(|entry| entry.key == name)
    }

    fn text(self, name: &str) -> Option<&'a str> {
        Some(&self.get(name)?.node.text()?.value)
    }

    fn parse<T>(self, name: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        parse(self.text(name)?)
    }

    fn list(self, name: &str) -> &'a [Node] {
        self.get(name).map_or(&[], |entry| entry.node.list())
    }

    fn parse_list<T>(self, name: &str, parse: impl Fn(&str) -> Option<T>) -> Vec<T> {
        self.names(name, parse)
            .into_iter()
            .map(|at| at.value)
            .collect()
    }

    fn names<T>(self, name: &str, parse: impl Fn(&str) -> Option<T>) -> Vec<At<T>> {
        let read = |node: &Node| {
            let value = parse(&node.text()?.value)?;
            let span = node.span.clone();
            Some(At { value, span })
        };
        self.list(name).iter().filter_map(read).collect()
    }

    fn table(self, name: &str) -> Fields<'a> {
        Fields(self.get(name).map_or(&[], |entry| entry.node.table()))
    }

    fn integer<T: TryFrom<i64>>(self, name: &str) -> Option<T> {
        match self.get(name)?.node.value {
            Value::Integer(number) => T::try_from(number).ok(),
            _ => None,
        }
    }

    fn number(self, name: &str) -> Option<f64> {
        match self.get(name)?.node.value {
            Value::Float(number) => Some(number),
            Value::Integer(number) => Some(number as f64),
            _ => None,
        }
    }

    fn boolean(self, name: &str) -> Option<bool> {
        match self.get(name)?.node.value {
            Value::Boolean(boolean) => Some(boolean),
            _ => None,
        }
    }

    fn is_false(self, name: &str) -> bool {
        self.boolean(name) == Some(false)
    }

    fn is_true(self, name: &str) -> bool {
        self.boolean(name) == Some(true)
    }

    /// A bound, which `false` lifts.
    fn count(self, name: &str, default: Option<u32>) -> Option<u32> {
        self.integer(name)
            .or(default.filter(|_| !self.is_false(name)))
    }

    /// The same in bytes.
    fn size(self, name: &str, default: Option<ByteSize>) -> Option<ByteSize> {
        self.parse(name, |text| ByteSize::parse(text).ok())
            .or(default.filter(|_| !self.is_false(name)))
    }

    fn duration(self, name: &str, default: Duration) -> Duration {
        self.parse(name, |text| parse_duration(text).ok())
            .unwrap_or(default)
    }

    fn optional_duration(self, name: &str) -> Option<Duration> {
        self.parse(name, |text| parse_duration(text).ok())
    }

    fn command(self, name: &str) -> Option<Command> {
        let node = &self.get(name)?.node;
        let words = match &node.value {
            Value::Text(text) => command::split(&text.pieces).ok()?,
            _ => node
                .list()
                .iter()
                .filter_map(|n| Some(n.text()?.value.clone()))
                .collect(),
        };
        Some(Command { words })
    }

    fn span(self, name: &str) -> Option<Span> {
        Some(self.get(name)?.node.span.clone())
    }

    fn places(self) -> Vec<Place> {
        let place = |entry: &Entry| Place {
            name: entry.key.clone(),
            key: entry.key_span.clone(),
            value: entry.node.span.clone(),
        };
        self.0.iter().map(place).collect()
    }
}
