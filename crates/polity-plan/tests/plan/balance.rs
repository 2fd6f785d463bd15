//! What a plan says of how instances are chosen.

use std::time::Duration;

use polity_plan::{
    Balance, BalancePolicy, ConsistentHash, HashAlgorithm, HashBy, Origin, P2c, Sticky, Upstream,
};

use crate::{check_run, codes, plan, shown};

/// What `balance = ...` gives.
#[track_caller]
fn balance(value: &str) -> Balance {
    let text = format!("[service.a]\nrun = \"a\"\nroute = \"/\"\nbalance = {value}\n");
    plan(&text).services["a"].balance.clone()
}

/// The codes of a plan with `balance = ...`.
#[track_caller]
fn refused(value: &str, expected: &str) {
    check_run(&format!("balance = {value}"), &[expected]);
}

#[test]
fn each_word_is_its_policy() {
    for word in [
        "p2c",
        "round_robin",
        "weighted_round_robin",
        "random",
        "least_connections",
        "weighted_least_connections",
        "least_response_time",
        "peak_ewma",
        "join_shortest_queue",
        "ip_hash",
        "url_hash",
    ] {
        let expected = Balance {
            policy: balance(&format!("\"{word}\"")).policy,
            ..Balance::default()
        };
        assert_eq!(expected.policy.word(), word);
        assert_eq!(balance(&format!("{{ policy = \"{word}\" }}")), expected);
    }
    let text = "[service.a]\nrun = \"a\"\nroute = \"/\"\n";
    assert_eq!(plan(text).services["a"].balance, Balance::default());
    assert_eq!(balance("{}"), Balance::default());
}

#[test]
fn requests_are_alike_by_what_the_plan_says() {
    let by = |by: &str| balance(&format!("{{ policy = \"hash\", by = \"{by}\" }}")).policy;
    assert_eq!(by("ip"), BalancePolicy::Hash(HashBy::Ip));
    assert_eq!(by("url"), BalancePolicy::Hash(HashBy::Url));
    let header = HashBy::Header("x-user".to_owned());
    assert_eq!(by("header:X-User"), BalancePolicy::Hash(header));
    let cookie = HashBy::Cookie("User".to_owned());
    assert_eq!(by("cookie:User"), BalancePolicy::Hash(cookie));
    for by in [
        "",
        "IP",
        "header",
        "header:",
        "cookie:a b",
        "cookie:a;b",
        "query:a",
        "header:ä",
    ] {
        refused(&format!("{{ policy = \"hash\", by = \"{by}\" }}"), "P0106");
    }
}

#[test]
fn a_consistent_hash_is_a_table_with_a_bound_unless_it_is_said_otherwise() {
    let policy = |keys: &str| {
        let value = format!("{{ policy = \"consistent_hash\", by = \"ip\"{keys} }}");
        balance(&value).policy
    };
    let expected = |algorithm, load| {
        let by = HashBy::Ip;
        BalancePolicy::ConsistentHash(ConsistentHash {
            by,
            algorithm,
            load,
        })
    };
    assert_eq!(policy(""), expected(HashAlgorithm::Maglev, Some(1.25)));
    let ring = ", algorithm = \"ring\", load = 2";
    assert_eq!(policy(ring), expected(HashAlgorithm::Ring, Some(2.0)));
    let unbound = ", algorithm = \"maglev\", load = false";
    assert_eq!(policy(unbound), expected(HashAlgorithm::Maglev, None));
    for (keys, code) in [
        (", algorithm = \"table\"", "P0106"),
        (", load = 0.9", "P0106"),
        (", load = true", "P0104"),
        (", ramp = \"1s\"", "P0110"),
    ] {
        refused(
            &format!("{{ policy = \"consistent_hash\", by = \"ip\"{keys} }}"),
            code,
        );
    }
    refused("\"consistent_hash\"", "P0105");
    refused("{ policy = \"hash\", by = \"ip\", load = 2 }", "P0110");
    refused("{ algorithm = \"ring\" }", "P0110");
}

#[test]
fn a_policys_keys_are_read() {
    let read = balance(
        "{ failure_limit = 0.25, utilization_limit = 1, ramp = \"5s\", panic_threshold = 0 }",
    );
    let expected = Balance {
        policy: BalancePolicy::P2c(P2c {
            failure_limit: 0.25,
            utilization_limit: Some(1.0),
        }),
        ramp: Duration::from_secs(5),
        panic_threshold: 0.0,
        sticky: None,
    };
    assert_eq!(read, expected);
    let blind = balance("{ policy = \"p2c\", utilization = false, ramp = false }");
    assert_eq!(blind.ramp, Duration::ZERO);
    let expected = P2c {
        utilization_limit: None,
        ..P2c::default()
    };
    assert_eq!(blind.policy, BalancePolicy::P2c(expected));
}

#[test]
fn a_sticky_session_is_a_cookie_over_any_policy() {
    let sticky = |value: &str| {
        let value = format!("{{ policy = \"least_connections\", sticky = {value} }}");
        balance(&value).sticky
    };
    let session = |max_age| Sticky {
        cookie: "Stay".to_owned(),
        max_age,
    };
    assert_eq!(sticky("\"Stay\""), Some(session(None)));
    assert_eq!(sticky("{ cookie = \"Stay\" }"), Some(session(None)));
    let hour = Some(Duration::from_secs(3600));
    let table = "{ cookie = \"Stay\", max_age = \"1h\" }";
    assert_eq!(sticky(table), Some(session(hour)));
    refused("{ sticky = \"a b\" }", "P0107");
    refused("{ sticky = \"a;b\" }", "P0107");
    refused("{ sticky = true }", "P0104");
    refused("{ sticky = {} }", "P0105");
    refused("{ sticky = { cookie = \"a\", path = \"/\" } }", "P0102");
}

#[test]
fn keys_that_mean_nothing_with_a_policy_are_refused() {
    for value in [
        "{ by = \"ip\" }",
        "{ probe = \"/load\" }",
        "{ policy = \"ip_hash\", by = \"ip\" }",
        "{ policy = \"random\", utilization = false }",
        "{ policy = \"round_robin\", failure_limit = 0.1 }",
        "{ policy = \"peak_ewma\", utilization_limit = 0.1 }",
        "{ policy = \"least_connections\", ramp = \"1s\" }",
        "{ policy = \"ip_hash\", ramp = false }",
        "{ utilization = false, utilization_limit = 0.5 }",
    ] {
        refused(value, "P0110");
    }
    check_run(
        "balance = { policy = \"peak_ewma\", ramp = \"1s\", panic_threshold = 0.1 }",
        &[],
    );
}

#[test]
fn values_beyond_their_bounds_and_words_there_are_not_are_refused() {
    for value in [
        "{ failure_limit = 1.5 }",
        "{ failure_limit = -0.1 }",
        "{ failure_limit = nan }",
        "{ utilization_limit = inf }",
        "{ panic_threshold = 2 }",
        "{ ramp = \"0s\" }",
        "\"roundrobin\"",
        "{ policy = \"best\" }",
    ] {
        refused(value, "P0106");
    }
    refused("{ policy = \"hash\" }", "P0105");
    refused("\"hash\"", "P0105");
    refused("\"prequal\"", "P0105");
    refused("{ policy = \"prequal\" }", "P0105");
    refused("{ policy = \"prequal\", probe = \"load\" }", "P0106");
    refused("{ ramp = true }", "P0104");
    refused("7", "P0104");
    refused("{ polcy = \"p2c\" }", "P0102");
    let text = "[service.a]\nrun = \"a\"\nroute = \"/\"\nbalance = \"roundrobin\"\n";
    assert!(shown(text).contains("did you mean `round_robin`?"));
    // Nothing is said of keys beside a policy that nobody knows.
    refused("{ policy = \"best\", by = \"ip\" }", "P0106");
}

#[test]
fn a_fault_points_at_both_of_its_places() {
    let text = "[service.a]\nrun = \"a\"\nroute = \"/\"\nbalance = { policy = \"ip_hash\", ramp = \"1s\" }\n";
    let shown = shown(text);
    for part in [
        "`ramp` means nothing with `ip_hash`",
        "the policy is said here",
        "it is for `p2c`, `peak_ewma`, `random`, `round_robin` or `weighted_round_robin`",
    ] {
        assert!(shown.contains(part), "{shown}");
    }
}

#[test]
fn places_have_weights_and_zones() {
    let text = "[gateway]\nzone = \"eu-1a\"\n[service.a]\nroute = \"/\"\n\
                urls = [\"http://a:9000\", { url = \"http://b\", weight = 3, zone = \"eu-1b\" }]\n";
    let plan = plan(text);
    assert_eq!(plan.gateway.zone.as_deref(), Some("eu-1a"));
    let place = |host: &str, port, weight, zone: Option<&str>| Upstream {
        host: host.to_owned(),
        port,
        weight,
        zone: zone.map(str::to_owned),
    };
    let expected = vec![place("a", 9000, 1, None), place("b", 80, 3, Some("eu-1b"))];
    assert_eq!(plan.services["a"].origin, Origin::External(expected));
}

/// The codes of a plan with these `urls`, whose gateway has a zone.
#[track_caller]
fn urls(lines: &str, expected: &[&str]) {
    let text = format!("[gateway]\nzone = \"a\"\n[service.a]\nroute = \"/\"\nurls = {lines}\n");
    assert_eq!(codes(&text), expected, "{lines}");
}

#[test]
fn what_is_wrong_about_a_place_is_said() {
    urls("[{ url = \"http://b\", weight = 65535 }]", &[]);
    urls("[{ url = \"http://b\", weight = 0 }]", &["P0106"]);
    urls("[{ url = \"http://b\", weight = 65536 }]", &["P0106"]);
    urls("[{ url = \"http://b\", weight = 1.5 }]", &["P0104"]);
    urls("[{ url = \"http://b\", zone = \"a b\" }]", &["P0107"]);
    urls("[{ weight = 2 }]", &["P0105"]);
    urls("[{ url = \"b\" }]", &["P0106"]);
    urls("[\"http://b\", { url = \"http://b\" }]", &["P0106"]);
    urls(
        "[\"tcp://a:1\", { url = \"http://b\" }]",
        &["P0118", "P0106"],
    );
    let weighed = "[{ url = \"http://b\", weight = 2 }, \"http://c\"]\nbalance = ";
    urls(&format!("{weighed}\"round_robin\""), &["P0110"]);
    urls(&format!("{weighed}\"least_connections\""), &["P0110"]);
    urls(&format!("{weighed}\"weighted_round_robin\""), &[]);
    let zoned = "[service.a]\nroute = \"/\"\nurls = [{ url = \"http://b\", zone = \"a\" }]\n";
    assert_eq!(codes(zoned), ["P0110"]);
    assert_eq!(
        codes(&format!("[gateway]\nzone = \"\"\n{zoned}")),
        ["P0107"]
    );
}

#[test]
fn connections_have_no_url_no_header_and_no_cookie() {
    let check = |balance: &str, expected: &[&str]| {
        let text = format!(
            "[service.a]\nurls = [\"tcp://a:1\", \"tcp://b:1\"]\nbalance = {balance}\n\
             [service.b]\nrun = \"b\"\nroute = \"/\"\ncalls = [\"a\"]\n"
        );
        assert_eq!(codes(&text), expected, "{balance}");
    };
    check("\"ip_hash\"", &[]);
    check("\"least_connections\"", &[]);
    check("{ sticky = \"a\" }", &["P0110"]);
    check("\"url_hash\"", &["P0110"]);
    check("{ policy = \"hash\", by = \"header:a\" }", &["P0110"]);
    check("{ policy = \"hash\", by = \"cookie:a\" }", &["P0110"]);
}
