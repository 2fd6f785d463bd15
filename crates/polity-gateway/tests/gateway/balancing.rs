//! Which instance requests go to, as the plan says it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use polity_catalog::{Change, Health, Instance};

use crate::support::{Answer, Client, Origin, System, name, until};

/// A service of this balance, and a route to it.
pub(crate) fn service(balance: &str) -> String {
    format!("[service.a]\nrun = \"a\"\nroute = \"/\"\nbalance = {balance}\n")
}

/// A gateway with instances `a-1` and so on, of these weights.
pub(crate) async fn fleet(plan: &str, weights: &[u32]) -> (System, Vec<Origin>) {
    let system = System::start(plan).await;
    let mut origins = Vec::new();
    for (number, weight) in weights.iter().enumerate() {
        let id = format!("a-{}", number + 1);
        let origin = Origin::start(&id).await;
        put(&system, &id, origin.address.port(), *weight, None);
        origins.push(origin);
    }
    for number in 1..=weights.len() {
        let id = format!("a-{number}");
        until(|| system.handle.instance_stats(&id.as_str().into()).is_some()).await;
    }
    (system, origins)
}

pub(crate) fn put(system: &System, id: &str, port: u16, weight: u32, zone: Option<&str>) {
    let instance = Instance {
        id: id.into(),
        host: "127.0.0.1".to_owned(),
        port,
        version: None,
        health: Health::Ready,
        weight,
        zone: zone.map(str::to_owned),
    };
    system.change(Change::Put(name("a"), instance));
}

/// Who answered so many requests, one after the other.
async fn answered(system: &System, requests: usize) -> BTreeMap<String, usize> {
    let mut client = system.client().await;
    let mut counts = BTreeMap::new();
    for _ in 0..requests {
        *counts.entry(by(&client.get("/").await)).or_default() += 1;
    }
    counts
}

pub(crate) fn by(answer: &Answer) -> String {
    assert_eq!(answer.status, 200);
    answer.field("x-instance").unwrap().to_owned()
}

fn counts(of: [(&str, usize); 3]) -> BTreeMap<String, usize> {
    of.map(|(id, count)| (id.to_owned(), count)).into()
}

/// Who answered so many requests, of instances that say how many requests they have.
async fn asked_first(in_flight: [&str; 3]) -> BTreeMap<String, usize> {
    let plan = service("{ policy = \"prequal\", probe = \"/load\" }");
    let system = System::start(&plan).await;
    let mut origins = Vec::new();
    for (number, in_flight) in in_flight.iter().enumerate() {
        let id = format!("a-{}", number + 1);
        let field = match in_flight.is_empty() {
            true => String::new(),
            false => format!("x-server-in-flight: {in_flight}\r\n"),
        };
        let origin = Origin::saying(&id, &field).await;
        put(&system, &id, origin.address.port(), 1, None);
        until(|| system.handle.instance_stats(&id.as_str().into()).is_some()).await;
        origins.push(origin);
    }
    let mut counts = answered(&system, 300).await;
    let answer = system.get("/").await;
    assert_eq!(answer.field("x-server-in-flight"), None, "not for clients");
    counts.entry("a-1".to_owned()).or_default();
    counts
}

#[tokio::test]
async fn instances_are_asked_how_busy_they_are() {
    let counts = asked_first(["9", "0", "0"]).await;
    assert!(counts["a-1"] < 60, "{counts:?}");
}

#[tokio::test]
async fn instances_that_do_not_say_how_busy_they_are_are_chosen_by_what_is_seen() {
    let counts = asked_first(["", "", ""]).await;
    assert_eq!(counts.len(), 3, "{counts:?}");
}

#[tokio::test]
async fn a_rotation_is_exact() {
    let turns = |word: &str| service(&format!("{{ policy = \"{word}\", ramp = false }}"));
    let (system, _origins) = fleet(&turns("round_robin"), &[1, 1, 1]).await;
    let expected = counts([("a-1", 20), ("a-2", 20), ("a-3", 20)]);
    assert_eq!(answered(&system, 60).await, expected);
    let (system, origins) = fleet(&turns("weighted_round_robin"), &[1, 2, 3]).await;
    let expected = counts([("a-1", 10), ("a-2", 20), ("a-3", 30)]);
    assert_eq!(answered(&system, 60).await, expected);
    // A weight that changes takes no statistics with it.
    put(&system, "a-1", origins[0].address.port(), 3, None);
    system.leave("a", "nobody").await;
    let expected = counts([("a-1", 30), ("a-2", 20), ("a-3", 30)]);
    assert_eq!(answered(&system, 80).await, expected);
    let seen = system.handle.instance_stats(&"a-1".into()).unwrap();
    assert!(seen.requests > 30, "{seen:?}");
}

/// Whether three instances are given as much by this policy.
async fn is_fair(word: &str) -> bool {
    let (system, _origins) = fleet(&service(&format!("\"{word}\"")), &[1, 1, 1]).await;
    let counts = answered(&system, 600).await;
    // Five sigma of 600 draws with a chance of one in three.
    let fair = 200 - 58..=200 + 58;
    counts.len() == 3 && counts.values().all(|count| fair.contains(count))
}

#[tokio::test]
async fn chance_is_fair_and_heeds_weights() {
    for word in ["random", "least_connections"] {
        assert!(is_fair(word).await, "{word}");
    }
    // On a busy machine a slow first answer has one left alone for a while.
    let mut goes = 0;
    while !is_fair("p2c").await {
        goes += 1;
        assert!(goes < 10);
    }
    for word in ["random", "weighted_least_connections"] {
        let (system, _origins) = fleet(&service(&format!("\"{word}\"")), &[1, 1, 4]).await;
        let counts = answered(&system, 600).await;
        let heavy = 400 - 58..=400 + 58;
        assert!(heavy.contains(&counts["a-3"]), "{word}: {counts:?}");
    }
}

#[tokio::test]
async fn what_is_measured_begins_with_every_instance() {
    for word in ["least_response_time", "peak_ewma", "join_shortest_queue"] {
        let (system, _origins) = fleet(&service(&format!("\"{word}\"")), &[1, 1, 1]).await;
        let counts = answered(&system, 100).await;
        assert_eq!(counts.len(), 3, "{word}: {counts:?}");
    }
}

/// Who answers these requests; each has to have the same answer whenever it is asked.
async fn sticks(system: &System, requests: &[String]) -> Vec<String> {
    let mut answered = Vec::new();
    for request in requests {
        let first = by(&system.client().await.ask(request).await);
        for _ in 0..3 {
            assert_eq!(
                by(&system.client().await.ask(request).await),
                first,
                "{request}"
            );
        }
        answered.push(first);
    }
    answered
}

fn requests(of: impl Fn(usize) -> String) -> Vec<String> {
    let request = |number| format!("GET {}\r\n\r\n", of(number));
    (0..20).map(request).collect()
}

/// How many instances there are among them.
fn distinct(answered: &[String]) -> usize {
    answered
        .iter()
        .collect::<std::collections::BTreeSet<_>>()
        .len()
}

#[tokio::test]
async fn requests_that_are_alike_go_to_one_instance() {
    let header = "{ policy = \"hash\", by = \"header:x-user\" }";
    let cookie = "{ policy = \"hash\", by = \"cookie:user\" }";
    let by_header = |user| format!("/ HTTP/1.1\r\nhost: a\r\nx-user: {user}");
    let by_cookie = |user| format!("/ HTTP/1.1\r\nhost: a\r\ncookie: a=b; user={user}");
    let by_url = |user| format!("/?user={user} HTTP/1.1\r\nhost: a");
    // Without a bound: the request before may still be counted when the next one is there.
    let maglev = "{ policy = \"consistent_hash\", by = \"header:x-user\", load = false }";
    let ring = "{ policy = \"consistent_hash\", by = \"url\", algorithm = \"ring\", load = false }";
    for (balance, requests) in [
        (maglev, requests(by_header)),
        (ring, requests(by_url)),
        (header, requests(by_header)),
        (cookie, requests(by_cookie)),
        ("\"url_hash\"", requests(by_url)),
    ] {
        let (system, _origins) = fleet(&service(balance), &[1, 1, 1]).await;
        let found = sticks(&system, &requests).await;
        assert_eq!(distinct(&found), 3, "{balance}: {found:?}");
    }
}

#[tokio::test]
async fn a_request_without_what_the_hash_is_of_goes_anywhere() {
    let header = "{ policy = \"hash\", by = \"header:x-user\" }";
    let (system, _origins) = fleet(&service(header), &[1, 1, 1]).await;
    assert_eq!(answered(&system, 100).await.len(), 3);
    let empty = "GET / HTTP/1.1\r\nhost: a\r\nx-user: \r\n\r\n";
    let mut met = std::collections::BTreeSet::new();
    for _ in 0..100 {
        met.insert(by(&system.client().await.ask(empty).await));
    }
    assert_eq!(met.len(), 3, "nothing is no key");
}

#[tokio::test]
async fn a_client_is_told_apart_by_what_a_trusted_proxy_says_of_it() {
    let from = |number| format!("/ HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 192.0.2.{number}");
    let gateway = "[gateway]\nlisten = \"127.0.0.1:0\"\n";
    let trusting = format!("{gateway}trusted_proxies = [\"127.0.0.1\"]\n");
    for (gateway, expected) in [(gateway, 1), (&trusting, 3)] {
        let plan = format!("{gateway}{}", service("\"ip_hash\""));
        let (system, _origins) = fleet(&plan, &[1, 1, 1]).await;
        let found = sticks(&system, &requests(from)).await;
        assert_eq!(distinct(&found), expected, "{gateway}: {found:?}");
    }
}

#[tokio::test]
async fn only_the_keys_of_an_instance_that_goes_are_taken_over_by_others() {
    let header = "{ policy = \"consistent_hash\", by = \"header:x-user\", algorithm = \"ring\", load = false }";
    let (system, _origins) = fleet(&service(header), &[1, 1, 1]).await;
    let all = requests(|user| format!("/ HTTP/1.1\r\nhost: a\r\nx-user: {user}"));
    let before = sticks(&system, &all).await;
    assert_eq!(distinct(&before), 3);
    assert_eq!(system.leave("a", "a-3").await, 0);
    let after = sticks(&system, &all).await;
    assert_eq!(distinct(&after), 2);
    for (before, after) in before.iter().zip(&after) {
        assert!(before == after || before == "a-3", "{before} {after}");
    }
}

#[tokio::test]
async fn requests_stay_in_the_gateways_zone_while_it_is_well() {
    let plan = format!(
        "[gateway]\nlisten = \"127.0.0.1:0\"\nzone = \"near\"\n{}",
        service("\"round_robin\"")
    );
    let system = System::start(&plan).await;
    let (near, far) = (Origin::start("a-1").await, Origin::start("a-2").await);
    put(&system, "a-1", near.address.port(), 1, Some("near"));
    put(&system, "a-2", far.address.port(), 1, Some("far"));
    until(|| system.handle.instance_stats(&"a-2".into()).is_some()).await;
    assert_eq!(answered(&system, 20).await, [("a-1".to_owned(), 20)].into());
    assert_eq!(system.leave("a", "a-1").await, 0);
    assert_eq!(answered(&system, 5).await, [("a-2".to_owned(), 5)].into());
}

/// Outlier detection leaves out one of six at once, and so does not see it.
#[tokio::test]
async fn a_zone_that_is_down_costs_a_moment_and_not_every_request() {
    let plan = format!(
        "[gateway]\nlisten = \"127.0.0.1:0\"\nzone = \"near\"\n{}",
        service("\"p2c\"")
    );
    let system = System::start(&plan).await;
    let mut far = Vec::new();
    for number in 1..=6 {
        let id = format!("a-{number}");
        let origin = Origin::start(&id).await;
        let port = origin.address.port();
        let zone = if number <= 3 { "near" } else { "far" };
        put(&system, &id, port, 1, Some(zone));
        // Nobody has told the catalog that those near are gone.
        (number > 3).then(|| far.push(origin));
    }
    until(|| system.handle.instance_stats(&"a-6".into()).is_some()).await;
    let mut client = system.client().await;
    let mut failed = 0;
    for _ in 0..200 {
        failed += usize::from(client.get("/").await.status != 200);
    }
    // A second try meets another that is gone, until those are known to be.
    assert!(failed <= 10, "{failed} of 200");
}

#[tokio::test]
async fn a_service_is_balanced_anew_after_an_edit() {
    let (system, _origins) = fleet(&service("\"p2c\""), &[1, 1, 1]).await;
    answered(&system, 10).await;
    let edited = service("{ policy = \"hash\", by = \"header:x-user\" }");
    system
        .handle
        .apply(crate::support::plan(&edited))
        .await
        .unwrap();
    let all = requests(|user| format!("/ HTTP/1.1\r\nhost: a\r\nx-user: {user}"));
    let mut client = Client::connect(system.handle.public_address()).await;
    assert_eq!(
        by(&client.ask(&all[0]).await),
        by(&client.ask(&all[0]).await)
    );
    sticks(&system, &all).await;
}

/// How many of 200 requests a full instance is given beside an idle one that says so.
async fn given_to_a_full_one(balance: &str, full: &str, idle: &str) -> usize {
    let system = System::start(&service(balance)).await;
    let (full, idle) = (
        Origin::saying("a-1", full).await,
        Origin::saying("a-2", idle).await,
    );
    put(&system, "a-1", full.address.port(), 1, None);
    put(&system, "a-2", idle.address.port(), 1, None);
    until(|| system.handle.instance_stats(&"a-2".into()).is_some()).await;
    answered(&system, 200)
        .await
        .get("a-1")
        .copied()
        .unwrap_or(0)
}

/// Whether it is given about half of the requests in one of a few goes: on a busy machine one of the two may
/// have been slow to answer its first request, and be left alone for that.
async fn is_given_its_part(balance: &str, said: &str) -> bool {
    for _ in 0..5 {
        let count = given_to_a_full_one(balance, said, "").await;
        if (50..=150).contains(&count) {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn an_instance_that_says_it_is_full_is_given_less() {
    let full = "x-server-utilization: 0.99\r\n";
    let busy = "endpoint-load-metrics: TEXT cpu_utilization=0.9\r\n";
    let line = "endpoint-load-metrics: JSON {\"named_metrics\": {\"in_flight\": 40}}\r\n";
    // Once each has answered, the better of the two is known.
    for (balance, said) in [
        ("\"p2c\"", full),
        ("\"p2c\"", busy),
        ("\"join_shortest_queue\"", line),
    ] {
        let count = given_to_a_full_one(balance, said, "x-server-utilization: 0\r\n").await;
        assert!(count <= 2, "{balance}, {said}: {count}");
    }
    let blind = "{ policy = \"p2c\", utilization = false }";
    assert!(is_given_its_part(blind, full).await);
    let lies = "x-server-utilization: NaN\r\nendpoint-load-metrics: JSON {\r\n";
    assert!(is_given_its_part("\"p2c\"", lies).await);
}

#[tokio::test]
async fn what_instances_say_of_themselves_is_for_services_only() {
    let plan = format!(
        "{}[service.b]\nrun = \"b\"\ncalls = [\"a\"]\n",
        service("\"p2c\"")
    );
    let system = System::start(&plan).await;
    let fields = "x-server-utilization: 0.5\r\nendpoint-load-metrics: TEXT cpu_utilization=0.5\r\n";
    let origin = Origin::saying("a-1", fields).await;
    put(&system, "a-1", origin.address.port(), 1, None);
    until(|| system.handle.instance_stats(&"a-1".into()).is_some()).await;
    let outside = system.get("/").await;
    let said = |answer: &Answer| {
        ["x-server-utilization", "endpoint-load-metrics"].map(|name| answer.field(name).is_some())
    };
    assert_eq!(said(&outside), [false, false]);
    let call = system.handle.call_address(&name("b"), &name("a")).unwrap();
    let inside = Client::connect(call).await.get("/").await;
    assert_eq!(said(&inside), [true, true]);
}

#[tokio::test]
async fn it_can_be_seen_how_an_instance_stands() {
    let system = System::start(&service("{ policy = \"p2c\", ramp = \"10s\" }")).await;
    let standing = |id: &str| system.handle.standing(&id.into());
    assert_eq!(standing("a-1"), None);
    let origin = Origin::saying("a-1", "x-server-utilization: 0.5\r\n").await;
    put(&system, "a-1", origin.address.port(), 3, None);
    until(|| standing("a-1").is_some()).await;
    let first = standing("a-1").unwrap();
    assert_eq!((first.weight, first.is_ejected), (3, false));
    assert_eq!((first.failure_rate, first.utilization), (0.0, None));
    assert_eq!(first.share, 1.0, "it is as old as any");
    system.get("/").await;
    let heard = standing("a-1").unwrap().utilization.unwrap();
    // It fades with every second.
    assert!(heard > 0.0 && heard <= 0.5, "{heard}");

    // One that has come later gets less.
    let later = Instant::now() + Duration::from_millis(5);
    until(|| Instant::now() > later).await;
    let late = Origin::start("a-2").await;
    put(&system, "a-2", late.address.port(), 1, None);
    until(|| standing("a-2").is_some()).await;
    assert!(standing("a-2").unwrap().share < 1.0);
}

#[tokio::test]
async fn it_can_be_seen_that_an_instance_is_left_out() {
    let turns = service("{ policy = \"round_robin\", ramp = false }");
    let (system, mut origins) = fleet(&turns, &[1, 1, 1]).await;
    let standing = || system.handle.standing(&"a-1".into()).unwrap();
    drop(origins.remove(0));
    for _ in 0..30 {
        assert_eq!(system.get("/").await.status, 200);
    }
    assert!(standing().is_ejected, "{:?}", standing());
    assert!(standing().failure_rate > 0.0);
}
