//! Keys of `balance` that its policy has no use for, or lacks.

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Findings, Span};
use crate::draft::{DraftBalance, DraftService, Place};
use crate::plan::{BalancePolicy, Gateway, HashBy, P2c, Protocol};

/// The keys that mean something with some policies only, and those.
const KEYS: &[(&str, &[&str])] = &[
    ("by", HASHES),
    ("probe", &["prequal"]),
    ("algorithm", &["consistent_hash"]),
    ("load", &["consistent_hash"]),
    ("utilization", &["p2c"]),
    ("failure_limit", &["p2c"]),
    ("utilization_limit", &["p2c"]),
    (
        "ramp",
        &[
            "p2c",
            "peak_ewma",
            "random",
            "round_robin",
            "weighted_round_robin",
        ],
    ),
];

/// The policies that need `by`.
const HASHES: &[&str] = &["hash", "consistent_hash"];

pub(super) fn check(service: &DraftService, gateway: &Gateway, findings: &mut Findings) {
    if let Some(balance) = &service.balance {
        keys(balance, findings);
        utilization(service, balance, findings);
        lacks_by(service, balance, findings);
        lacks_probe(service, balance, findings);
        of_requests(service, balance, findings);
        sticky(service, balance, findings);
        weights(service, balance, findings);
    }
    if gateway.zone.is_none() {
        zones(service, findings);
    }
}

fn keys(balance: &DraftBalance, findings: &mut Findings) {
    let Some(word) = balance.word else { return };
    for (key, policies) in KEYS {
        let Some(place) = balance.place(key).filter(|_| !policies.contains(&word)) else {
            continue;
        };
        let words = policies.iter().map(|policy| format!("`{policy}`"));
        let words = crate::descriptor::join_or(words);
        findings.add(
            meaningless(&format!("`{key}`"), &format!("`{word}`"), &place.key)
                .other(balance.policy.clone(), policy_label(balance))
                .help(format!("it is for {words}")),
        );
    }
}

fn utilization(service: &DraftService, balance: &DraftBalance, findings: &mut Findings) {
    let BalancePolicy::P2c(P2c {
        utilization_limit: None,
        ..
    }) = service.service.balance.policy
    else {
        return;
    };
    let place = |key| balance.place(key);
    if let (Some(limit), Some(switch)) = (place("utilization_limit"), place("utilization")) {
        findings.add(
            meaningless("`utilization_limit`", "`utilization = false`", &limit.key)
                .other(switch.value.clone(), "reports do not count by this")
                .help("remove one of the two"),
        );
    }
}

fn lacks_by(service: &DraftService, balance: &DraftBalance, findings: &mut Findings) {
    let word = balance.word.filter(|word| HASHES.contains(word));
    let Some(word) = word.filter(|_| balance.place("by").is_none()) else {
        return;
    };
    let message = format!("`service.{}.balance` lacks `by`", service.service.name);
    findings.add(
        Diagnostic::new(Code::Missing, message, balance.policy.clone())
            .label("by what are requests alike?")
            .help(format!(
                "for example `balance = {{ policy = \"{word}\", by = \"header:x-user\" }}`"
            )),
    );
}

fn lacks_probe(service: &DraftService, balance: &DraftBalance, findings: &mut Findings) {
    if balance.word != Some("prequal") || balance.place("probe").is_some() {
        return;
    }
    let message = format!("`service.{}.balance` lacks `probe`", service.service.name);
    findings.add(
        Diagnostic::new(Code::Missing, message, balance.policy.clone())
            .label("where do instances say how busy they are?")
            .help("for example `balance = { policy = \"prequal\", probe = \"/load\" }`"),
    );
}

/// What a plain connection does not have.
fn of_requests(service: &DraftService, balance: &DraftBalance, findings: &mut Findings) {
    if balance.word == Some("prequal") && service.service.protocol == Protocol::Tcp {
        findings.add(
            meaningless("`prequal`", "a service that is not HTTP", &balance.policy)
                .help("it asks instances for a path: `least_connections` works for these"),
        );
    }
    let what = match service.service.balance.policy.hash_by() {
        None | Some(HashBy::Ip) => return,
        Some(HashBy::Url) => "URL",
        Some(HashBy::Header(_)) => "headers",
        Some(HashBy::Cookie(_)) => "cookies",
    };
    if service.service.protocol == Protocol::Tcp {
        let by = balance.place("by").map(|by| &by.value);
        let message = format!("a service that is not HTTP is asked without {what}");
        findings.add(
            Diagnostic::new(
                Code::Inapplicable,
                message,
                by.unwrap_or(&balance.policy).clone(),
            )
            .label("whole connections are balanced here")
            .help("a hash by `ip` works for these"),
        );
    }
}

fn sticky(service: &DraftService, balance: &DraftBalance, findings: &mut Findings) {
    if service.service.protocol != Protocol::Tcp {
        return;
    }
    if let Some(place) = balance.place("sticky") {
        findings.add(
            meaningless("`sticky`", "a service that is not HTTP", &place.key)
                .help("a connection stays with its instance anyhow: remove it"),
        );
    }
}

fn weights(service: &DraftService, balance: &DraftBalance, findings: &mut Findings) {
    let Some(word) = balance.word else { return };
    if !matches!(word, "round_robin" | "least_connections") {
        return;
    }
    for place in places(service, "weight") {
        findings.add(
            meaningless("`weight`", &format!("`{word}`"), &place.key)
                .other(balance.policy.clone(), "this treats all alike")
                .help(format!("`weighted_{word}` heeds weights")),
        );
    }
}

fn zones(service: &DraftService, findings: &mut Findings) {
    for place in places(service, "zone") {
        findings.add(
            meaningless("`zone`", "no zone of the gateway", &place.key)
                .help("say in `[gateway]` which `zone` it is in"),
        );
    }
}

fn places<'a>(service: &'a DraftService, key: &'a str) -> impl Iterator<Item = &'a Place> {
    let places = service.urls.iter().flat_map(|url| &url.places);
    places.filter(move |place| place.name == key)
}

fn meaningless(key: &str, with: &str, span: &Span) -> Diagnostic {
    let message = format!("{key} means nothing with {with}");
    Diagnostic::new(Code::Inapplicable, message, span.clone())
}

fn policy_label(balance: &DraftBalance) -> &'static str {
    match balance.places.is_empty() || balance.place("policy").is_some() {
        true => "the policy is said here",
        false => "without a `policy`, it is `p2c`",
    }
}
