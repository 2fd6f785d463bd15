//! What a plan says of requests that fail.

use std::time::Duration;

use polity_plan::CircuitBreakers;
use polity_resilience::hedge::{self, After};
use polity_resilience::retry::{Ending, Rules};
use polity_resilience::{circuit_breaker, outlier};

use crate::{check_run, plan};

fn service(lines: &str) -> std::sync::Arc<polity_plan::Service> {
    let plan = plan(&format!("[service.a]\nrun = \"a\"\n{lines}"));
    plan.services["a"].clone()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn answer(status: u16, grpc: Option<u32>) -> Ending {
    Ending::Answer { status, grpc }
}

/// Which endings are retried: three of the connection, 503, and unavailable of gRPC.
fn covered(rules: Rules) -> [bool; 5] {
    [
        Ending::ConnectFailure,
        Ending::Reset,
        Ending::Timeout,
        answer(503, None),
        answer(200, Some(14)),
    ]
    .map(|ending| rules.cover(ending))
}

#[test]
fn without_a_word_connections_are_retried_and_outliers_left_out() {
    let service = service("");
    let retry = &service.retry;
    assert_eq!(covered(retry.on), [true, true, true, false, false]);
    assert_eq!(retry.per_try_timeout, None);
    let pause = (retry.pause.base.as_millis(), retry.pause.cap.as_millis());
    assert_eq!(pause, (20, 200));
    assert_eq!(service.circuit_breaker, CircuitBreakers::default());
    assert_eq!(service.outlier, Some(outlier::Settings::default()));
}

#[test]
fn retries_are_for_what_is_named_and_nothing_else() {
    let check = |on: &str, expected| {
        let service = service(&format!("retry = {{ on = {on} }}"));
        assert_eq!(covered(service.retry.on), expected, "{on}");
    };
    check("[\"connect-failure\"]", [true, false, false, false, false]);
    check("[\"reset\", 503]", [false, true, false, true, false]);
    check(
        "[\"timeout\", \"unavailable\"]",
        [false, false, true, false, true],
    );
    let service =
        service("retry = { per_try_timeout = \"2s\", backoff = { base = \"1s\", cap = \"3s\" } }");
    assert_eq!(service.retry.per_try_timeout, Some(seconds(2)));
    let pause = service.retry.pause;
    assert_eq!((pause.base, pause.cap), (seconds(1), seconds(3)));
}

#[test]
fn what_may_be_done_twice_can_be_said_of_all_or_by_path() {
    let covers = |line: &str| {
        let idempotent = service(line).retry.idempotent.clone();
        [
            "/shop.Catalog/Find",
            "/shop.Catalog/Findings",
            "/shop.Catalogs/A",
        ]
        .map(|path| idempotent.covers(path))
    };
    assert_eq!(covers(""), [false; 3]);
    assert_eq!(covers("retry = { idempotent = false }"), [false; 3]);
    assert_eq!(covers("retry = { idempotent = true }"), [true; 3]);
    let find = "retry = { idempotent = [\"/shop.Catalog/Find\"] }";
    assert_eq!(covers(find), [true, false, false]);
    let catalog = "retry = { idempotent = [\"/shop.Catalog\", \"/a\"] }";
    assert_eq!(covers(catalog), [true, true, false]);
    check_run("retry = { idempotent = [] }", &["P0106"]);
    check_run("retry = { idempotent = [\"shop\"] }", &["P0106"]);
    check_run("retry = { attempts = 1, idempotent = true }", &["P0110"]);
}

#[test]
fn a_second_instance_is_asked_only_where_the_plan_says_so() {
    assert_eq!(service("").hedge, None);
    assert_eq!(service("hedge = false").hedge, None);
    let default = Some(hedge::Settings::default());
    assert_eq!(service("hedge = true").hedge, default);
    assert_eq!(service("hedge = {}").hedge, default);
    let check = |lines: &str, after, budget| {
        let expected = Some(hedge::Settings { after, budget });
        let hedge = format!("hedge = {{ {lines} }}");
        assert_eq!(service(&hedge).hedge, expected, "{lines}");
    };
    check("after = \"p99\"", After::Quantile(0.99), 0.1);
    let fixed = After::Fixed(Duration::from_millis(250));
    check("after = \"250ms\", budget = 1", fixed, 1.0);
}

#[test]
fn a_circuit_breaker_has_defaults_of_its_own() {
    let breakers = |lines: &str| service(lines).circuit_breaker;
    assert_eq!(
        breakers("circuit_breaker = false"),
        CircuitBreakers::default()
    );
    let default = breakers("circuit_breaker = {}");
    assert_eq!(default.instance, None);
    let settings = default.service.expect("one");
    assert_eq!(settings.consecutive_failures, Some(5));
    assert_eq!((settings.base, settings.cap), (seconds(5), seconds(60)));
    assert_eq!((settings.probes, settings.successes), (1, 2));
    assert_eq!(settings.rate, None);
    let other = breakers(
        "circuit_breaker = { per = \"instance\", consecutive_failures = false, failure_rate = 0.5, requests = 7, base = \"1s\", cap = \"2s\", probes = 3, successes = 4 }",
    );
    assert_eq!(other.service, None);
    let settings = other.instance.expect("one");
    assert_eq!(settings.consecutive_failures, None);
    let rate = settings.rate.expect("one");
    assert_eq!((rate.share, rate.requests), (0.5, 7));
    assert_eq!((settings.base, settings.cap), (seconds(1), seconds(2)));
    assert_eq!((settings.probes, settings.successes), (3, 4));
}

#[test]
fn a_service_and_its_instances_may_have_circuit_breakers_at_once() {
    let both = service(
        "circuit_breaker = [{ per = \"instance\", consecutive_failures = 3 }, { failure_rate = 0.5 }]",
    );
    let both = both.circuit_breaker;
    let failures = |it: Option<circuit_breaker::Settings>| it.expect("one").consecutive_failures;
    assert_eq!(
        (failures(both.instance), failures(both.service)),
        (Some(3), Some(5))
    );
    check_run("circuit_breaker = []", &["P0106"]);
    check_run("circuit_breaker = [{}, { per = \"service\" }]", &["P0106"]);
    check_run(
        "circuit_breaker = [{}, { per = \"instance\", requests = 3 }]",
        &["P0110"],
    );
}

#[test]
fn what_makes_an_outlier_can_be_said_in_parts() {
    assert_eq!(service("outlier = false").outlier, None);
    let outlier = service(
        "outlier = { consecutive_5xx = false, connection_failures = 3, interval = \"1s\", base = \"2s\", cap = \"3s\", share = 0.5, success_rate = { requests = 7 } }",
    );
    let settings = outlier.outlier.expect("one");
    assert_eq!(settings.consecutive_errors, None);
    assert_eq!(settings.connection_failures, Some(3));
    let rate = settings.success_rate.expect("one");
    let rate = (rate.deviations, rate.endpoints, rate.requests);
    assert_eq!(rate, (1.9, 5, 7));
    let times = (settings.interval, settings.base, settings.cap);
    assert_eq!(times, (seconds(1), seconds(2), seconds(3)));
    assert_eq!(settings.share, 0.5);
    let without = service("outlier = { success_rate = false }").outlier;
    assert_eq!(without.expect("one").success_rate, None);
}

#[test]
fn what_makes_no_sense_is_refused() {
    check_run("retry = { on = [399] }", &["P0106"]);
    check_run("retry = { on = [600] }", &["P0106"]);
    check_run("retry = { on = [\"rest\"] }", &["P0106"]);
    check_run("retry = { on = \"reset\" }", &["P0104"]);
    check_run("retry = { per_try_timeout = \"0s\" }", &["P0106"]);
    check_run("hedge = { after = \"p100\" }", &["P0106"]);
    check_run("hedge = { after = \"p49\" }", &["P0106"]);
    check_run("hedge = { after = \"0s\" }", &["P0106"]);
    check_run("hedge = { budget = 1.1 }", &["P0106"]);
    check_run("hedge = \"p95\"", &["P0104"]);
    check_run("circuit_breaker = true", &["P0104"]);
    check_run("circuit_breaker = { base = \"900ms\" }", &["P0106"]);
    check_run("circuit_breaker = { probes = 0 }", &["P0106"]);
    check_run("circuit_breaker = { probes = 5000 }", &["P0106"]);
    check_run("outlier = { share = 2 }", &["P0106"]);
    check_run("outlier = { connection_failures = 0 }", &["P0106"]);
    crate::check(
        "run = \"a\"\nport = false\noutlier = {}",
        &["P0118", "P0110"],
    );
}

#[test]
fn a_try_has_less_time_than_all_tries() {
    check_run("retry = { per_try_timeout = \"30s\" }", &["P0129"]);
    check_run("retry = { per_try_timeout = \"29s\" }", &[]);
    check_run(
        "timeout = \"1s\"\nretry = { per_try_timeout = \"1s\" }",
        &["P0129"],
    );
    check_run(
        "timeout = \"2s\"\nretry = { per_try_timeout = \"1s\" }",
        &[],
    );
    check_run("hedge = { after = \"30s\" }", &["P0129"]);
    check_run("hedge = { after = \"29s\" }", &[]);
}

#[test]
fn a_wait_never_begins_beyond_its_cap() {
    check_run(
        "retry = { backoff = { base = \"3s\", cap = \"2s\" } }",
        &["P0129"],
    );
    check_run("retry = { backoff = { base = \"201ms\" } }", &["P0129"]);
    check_run("retry = { backoff = { cap = \"19ms\" } }", &["P0129"]);
    check_run("retry = { backoff = { base = \"2s\", cap = \"2s\" } }", &[]);
    check_run("circuit_breaker = { base = \"61s\" }", &["P0129"]);
    check_run("circuit_breaker = { cap = \"4s\" }", &["P0129"]);
    check_run("outlier = { base = \"301s\" }", &["P0129"]);
    check_run("outlier = { base = \"2s\", cap = \"1s\" }", &["P0129"]);
}

#[test]
fn what_is_for_further_tries_needs_some() {
    check_run("retry = { attempts = 1 }", &[]);
    let hedged = "hedge = true\nretry = { attempts = 1, idempotent = true }";
    check_run(hedged, &[]);
    let off = "hedge = false\nretry = { attempts = 1, idempotent = true }";
    check_run(off, &["P0110"]);
    check_run("retry = { attempts = 1, per_try_timeout = \"1s\" }", &[]);
    check_run("retry = { attempts = 1, on = [503] }", &["P0110"]);
    check_run(
        "retry = { attempts = 1, budget = 0.1, backoff = {} }",
        &["P0110", "P0110"],
    );
    check_run("retry = { on = [] }", &["P0106"]);
}

#[test]
fn what_guards_can_be_set_off() {
    check_run(
        "circuit_breaker = { consecutive_failures = false }",
        &["P0130"],
    );
    check_run("circuit_breaker = { requests = 7 }", &["P0110"]);
    check_run(
        "circuit_breaker = { consecutive_failures = false, requests = 7 }",
        &["P0130", "P0110"],
    );
    check_run(
        "circuit_breaker = { consecutive_failures = false, failure_rate = 0.5 }",
        &[],
    );
    let off = "consecutive_5xx = false, connection_failures = false";
    check_run(
        &format!("outlier = {{ {off}, success_rate = false }}"),
        &["P0130"],
    );
    check_run(&format!("outlier = {{ {off} }}"), &[]);
    check_run("outlier = { success_rate = false }", &[]);
}
