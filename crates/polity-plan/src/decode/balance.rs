//! How an instance of a service is chosen.

use std::time::Duration;

use polity_core::parse_duration;

use crate::address::{parse_hash_by, parse_upstream};
use crate::decode::Fields;
use crate::descriptor;
use crate::draft::{DraftBalance, DraftUrl};
use crate::plan::{
    Balance, BalancePolicy, ConsistentHash, HashAlgorithm, HashBy, P2c, Prequal, Sticky, Upstream,
};
use crate::tree::{Node, Value};

/// Mirrokni, Thorup and Zadimoghaddam's example, and what is usual.
const LOAD: f64 = 1.25;

/// What `balance` of a service says.
pub(super) fn balance(service: Fields<'_>) -> (Balance, Option<DraftBalance>) {
    let Some(entry) = service.get("balance") else {
        return (Balance::default(), None);
    };
    let fields = Fields(entry.node.table());
    let policy = match &entry.node.value {
        Value::Table(_) => fields.get("policy").map(|entry| &entry.node),
        _ => Some(&entry.node),
    };
    let default = Balance::default();
    let word = match policy.map(Node::text) {
        None => Some(default.policy.word()),
        Some(text) => text.and_then(|text| descriptor::balance::policy(&text.value)),
    };
    let draft = DraftBalance {
        word,
        policy: policy.map_or(entry.node.span.clone(), |node| node.span.clone()),
        places: fields.places(),
    };
    let balance = Balance {
        policy: word.map_or(default.policy, |word| of_word(word, fields)),
        ramp: match fields.is_false("ramp") {
            true => Duration::ZERO,
            false => fields.duration("ramp", default.ramp),
        },
        panic_threshold: fields
            .number("panic_threshold")
            .unwrap_or(default.panic_threshold),
        sticky: fields.get("sticky").and_then(|entry| sticky(&entry.node)),
    };
    (balance, Some(draft))
}

fn of_word(word: &str, fields: Fields<'_>) -> BalancePolicy {
    match word {
        "round_robin" => BalancePolicy::RoundRobin,
        "weighted_round_robin" => BalancePolicy::WeightedRoundRobin,
        "random" => BalancePolicy::Random,
        "least_connections" => BalancePolicy::LeastConnections,
        "weighted_least_connections" => BalancePolicy::WeightedLeastConnections,
        "least_response_time" => BalancePolicy::LeastResponseTime,
        "peak_ewma" => BalancePolicy::PeakEwma,
        "join_shortest_queue" => BalancePolicy::JoinShortestQueue,
        // Without `probe`, no plan comes of it.
        "prequal" => BalancePolicy::Prequal(Prequal {
            probe: fields.text("probe").unwrap_or_default().to_owned(),
        }),
        "ip_hash" => BalancePolicy::Hash(HashBy::Ip),
        "url_hash" => BalancePolicy::Hash(HashBy::Url),
        // Without `by`, no plan comes of it.
        "hash" => BalancePolicy::Hash(by(fields).unwrap_or(HashBy::Ip)),
        "consistent_hash" => BalancePolicy::ConsistentHash(ConsistentHash {
            by: by(fields).unwrap_or(HashBy::Ip),
            algorithm: match fields.text("algorithm") {
                Some("ring") => HashAlgorithm::Ring,
                _ => HashAlgorithm::Maglev,
            },
            load: match fields.is_false("load") {
                true => None,
                false => Some(fields.number("load").unwrap_or(LOAD)),
            },
        }),
        _ => BalancePolicy::P2c(p2c(fields)),
    }
}

fn sticky(node: &Node) -> Option<Sticky> {
    let fields = Fields(node.table());
    let cookie = match node.text() {
        Some(text) => &text.value,
        None => fields.text("cookie")?,
    };
    Some(Sticky {
        cookie: cookie.to_owned(),
        max_age: fields.parse("max_age", |text| parse_duration(text).ok()),
    })
}

fn by(fields: Fields<'_>) -> Option<HashBy> {
    fields.parse("by", |text| parse_hash_by(text).ok())
}

fn p2c(fields: Fields<'_>) -> P2c {
    let default = P2c::default();
    let utilization_limit = fields.number("utilization_limit");
    P2c {
        failure_limit: fields
            .number("failure_limit")
            .unwrap_or(default.failure_limit),
        utilization_limit: match fields.is_false("utilization") {
            true => None,
            false => utilization_limit.or(default.utilization_limit),
        },
    }
}

/// The places of a service that runs elsewhere.
pub(super) fn urls(service: Fields<'_>) -> Vec<DraftUrl> {
    let one = service.get("url").map(|entry| &entry.node);
    let places = one.into_iter().chain(service.list("urls"));
    places.filter_map(url).collect()
}

fn url(node: &Node) -> Option<DraftUrl> {
    let fields = Fields(node.table());
    let at = match &node.value {
        Value::Table(_) => &fields.get("url")?.node,
        _ => node,
    };
    let (protocol, host, port) = parse_upstream(&at.text()?.value).ok()?;
    Some(DraftUrl {
        protocol,
        upstream: Upstream {
            host,
            port,
            weight: fields.integer("weight").unwrap_or(1),
            zone: fields.text("zone").map(str::to_owned),
        },
        span: at.span.clone(),
        places: fields.places(),
    })
}
