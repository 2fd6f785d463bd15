//! What becomes of requests to a service that fail.

use std::time::Duration;

use polity_resilience::circuit_breaker::{self, Rate};
use polity_resilience::hedge;
use polity_resilience::outlier::{self, SuccessRate};
use polity_resilience::retry::{GrpcStatus, Rules};

use crate::address::{parse_hedge_after, parse_path};
use crate::decode::Fields;
use crate::draft::{BreakerScope, DraftBreaker, DraftFailures};
use crate::plan::{CircuitBreakers, Idempotent, Retry, RetryPause};
use crate::tree::{Node, Value};

const BREAKER_BASE: Duration = Duration::from_secs(5);
const BREAKER_CAP: Duration = Duration::from_secs(60);
const BREAKER_FAILURES: u32 = 5;
const RATE_REQUESTS: u32 = 20;

pub(super) fn retry(fields: Fields<'_>) -> Retry {
    let (pause, default) = (fields.table("backoff"), Retry::default());
    Retry {
        attempts: fields.integer("attempts").unwrap_or(default.attempts),
        budget: fields.number("budget").unwrap_or(default.budget),
        on: match fields.get("on") {
            Some(_) => rules(fields),
            None => default.on,
        },
        idempotent: match fields.boolean("idempotent") {
            Some(true) => Idempotent::All,
            _ => Idempotent::Paths(fields.parse_list("idempotent", |text| parse_path(text).ok())),
        },
        per_try_timeout: fields.optional_duration("per_try_timeout"),
        pause: RetryPause {
            base: pause.duration("base", default.pause.base),
            cap: pause.duration("cap", default.pause.cap),
        },
    }
}

fn rules(fields: Fields<'_>) -> Rules {
    let mut rules = Rules::default();
    for node in fields.list("on") {
        match &node.value {
            Value::Integer(status) => {
                let status = u16::try_from(*status).unwrap_or_default();
                rules.add_status(status);
            }
            Value::Text(word) => match word.value.as_str() {
                "connect-failure" => rules.connect_failure = true,
                "reset" => rules.reset = true,
                "timeout" => rules.timeout = true,
                name => {
                    let mut known = GrpcStatus::ALL.into_iter();
                    let status = known.find(|status| status.name() == name);
                    status.into_iter().for_each(|status| rules.add_grpc(status));
                }
            },
            _ => {}
        }
    }
    rules
}

pub(super) fn places(service: Fields<'_>) -> DraftFailures {
    let retry = service.table("retry");
    DraftFailures {
        retry: retry.places(),
        backoff: retry.table("backoff").places(),
        hedge: service.table("hedge").places(),
        circuit_breakers: circuit_breakers(service),
        outlier: service.table("outlier").places(),
    }
}

pub(super) fn hedge(service: Fields<'_>) -> Option<hedge::Settings> {
    let asked = service.get("hedge").is_some() && !service.is_false("hedge");
    let (fields, default) = (service.table("hedge"), hedge::Settings::default());
    asked.then(|| hedge::Settings {
        after: fields
            .parse("after", parse_hedge_after)
            .unwrap_or(default.after),
        budget: fields.number("budget").unwrap_or(default.budget),
    })
}

/// The circuit breakers of a service: one, or several in a list.
pub(super) fn circuit_breakers(service: Fields<'_>) -> Vec<DraftBreaker> {
    let Some(entry) = service.get("circuit_breaker") else {
        return Vec::new();
    };
    let nodes = match &entry.node.value {
        Value::Table(_) => std::slice::from_ref(&entry.node),
        _ => entry.node.list(),
    };
    nodes.iter().map(breaker).collect()
}

fn breaker(node: &Node) -> DraftBreaker {
    let fields = Fields(node.table());
    let count = |name, default| fields.integer(name).unwrap_or(default);
    DraftBreaker {
        scope: match fields.text("per") {
            Some("instance") => BreakerScope::Instance,
            _ => BreakerScope::Service,
        },
        settings: circuit_breaker::Settings {
            consecutive_failures: fields
                .count("consecutive_failures", Some(BREAKER_FAILURES))
                .and_then(|count| u16::try_from(count).ok()),
            rate: fields.number("failure_rate").map(|share| Rate {
                share,
                requests: fields.integer("requests").unwrap_or(RATE_REQUESTS),
            }),
            base: fields.duration("base", BREAKER_BASE),
            cap: fields.duration("cap", BREAKER_CAP),
            probes: count("probes", 1),
            successes: count("successes", 2),
        },
        span: node.span.clone(),
        places: fields.places(),
    }
}

/// The one for each of what there are breakers for.
pub(super) fn by_scope(breakers: &[DraftBreaker]) -> CircuitBreakers {
    let of = |scope| {
        let found = breakers.iter().find(|it| it.scope == scope);
        found.map(|breaker| breaker.settings)
    };
    CircuitBreakers {
        service: of(BreakerScope::Service),
        instance: of(BreakerScope::Instance),
    }
}

pub(super) fn outlier(service: Fields<'_>) -> Option<outlier::Settings> {
    let fields = service.table("outlier");
    let default = outlier::Settings::default();
    (!service.is_false("outlier")).then(|| outlier::Settings {
        consecutive_errors: fields.count("consecutive_5xx", default.consecutive_errors),
        connection_failures: fields.count("connection_failures", default.connection_failures),
        success_rate: default
            .success_rate
            .map(|default| {
                let fields = fields.table("success_rate");
                SuccessRate {
                    deviations: fields.number("deviations").unwrap_or(default.deviations),
                    endpoints: fields.integer("instances").unwrap_or(default.endpoints),
                    requests: fields.integer("requests").unwrap_or(default.requests),
                }
            })
            .filter(|_| !fields.is_false("success_rate")),
        interval: fields.duration("interval", default.interval),
        base: fields.duration("base", default.base),
        cap: fields.duration("cap", default.cap),
        share: fields.number("share").unwrap_or(default.share),
    })
}
