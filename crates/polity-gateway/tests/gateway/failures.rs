//! Services that answer with errors or not at all: retries, outliers, circuit breakers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::support::*;

const GET: &str = "GET /orders HTTP/1.1\r\nhost: a\r\n\r\n";
const POST: &str = "POST /orders HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody";

/// An instance that answers whatever it is told to.
pub(crate) struct Double {
    answer: Arc<Mutex<String>>,
    seen: Arc<AtomicUsize>,
    _serving: JoinSet<()>,
}

/// A whole answer.
pub(crate) fn answer(status: u16, fields: &str) -> String {
    format!("HTTP/1.1 {status} X\r\n{fields}content-length: 4\r\n\r\nbody")
}

impl Double {
    pub(crate) async fn start(system: &System, id: &str, answer: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let double = Self {
            answer: Arc::new(Mutex::new(answer)),
            seen: Arc::default(),
            _serving: JoinSet::new(),
        };
        let (answer, seen) = (double.answer.clone(), double.seen.clone());
        let mut double = double;
        double._serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, seen) = (answer.clone(), seen.clone());
                connections.spawn(async move {
                    let mut client = Client::new(stream);
                    while let Some(head) = client.head().await {
                        let length = field(&head, "content-length");
                        let length = length.map_or(0, |text| text.parse().unwrap());
                        client.exactly(length).await;
                        seen.fetch_add(1, Ordering::SeqCst);
                        let text = answer.lock().unwrap().clone();
                        client.send(&text).await;
                    }
                });
            }
        });
        system.put("orders", id, "127.0.0.1", port);
        until(|| system.handle.instance_stats(&id.into()).is_some()).await;
        double
    }

    fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }

    pub(crate) fn answers(&self, answer: String) {
        *self.answer.lock().unwrap() = answer;
    }
}

fn planned(lines: &str) -> String {
    let service =
        "[service.orders]\nrun = \"orders\"\nroute = \"/orders\"\nbalance = \"round_robin\"\n";
    format!("{service}{lines}\n")
}

async fn system(lines: &str) -> System {
    System::start(&planned(lines)).await
}

/// What so many requests are answered with, one after the other.
async fn statuses(system: &System, request: &str, count: usize) -> Vec<u16> {
    let mut client = system.client().await;
    let mut statuses = Vec::new();
    for _ in 0..count {
        client.send(request).await;
        statuses.push(client.answer().await.unwrap().status);
    }
    statuses
}

#[tokio::test]
async fn a_chosen_status_is_not_forwarded_but_asked_for_again() {
    let system = system("retry = { on = [503], budget = 1 }\noutlier = false").await;
    let bad = Double::start(&system, "orders-1", answer(503, "")).await;
    let good = Double::start(&system, "orders-2", answer(200, "")).await;
    assert_eq!(statuses(&system, GET, 10).await, [200; 10]);
    assert!(bad.seen() >= 5, "at least every second goes there first");
    assert_eq!(good.seen(), 10);
    let lines = system.lines(10).await;
    let again = lines.iter().filter(|line| line["retried"] == "status");
    assert_eq!(again.clone().count(), bad.seen());
    assert!(
        again
            .clone()
            .all(|line| line["attempts"] == 2 && line["instance"] == "orders-2")
    );
    assert!(
        statuses(&system, POST, 2).await.contains(&503),
        "not what may be done once"
    );
    bad.answers(answer(500, ""));
    assert!(
        statuses(&system, GET, 2).await.contains(&500),
        "not another status"
    );
}

#[tokio::test]
async fn the_last_answer_goes_on_as_it_is_and_no_more_attempts_are_made_than_allowed() {
    let system = system("retry = { on = [503], attempts = 3, budget = 1 }\noutlier = false").await;
    let bad = Double::start(&system, "orders-1", answer(503, "x-a: b\r\n")).await;
    let last = system.get("/orders").await;
    assert_eq!((last.status, last.field("x-a")), (503, Some("b")));
    assert_eq!(last.body, "body");
    assert_eq!(last.field("x-polity-reason"), None);
    assert_eq!(bad.seen(), 3);
}

#[tokio::test]
async fn an_answer_that_asks_to_wait_longer_than_there_is_time_goes_on_at_once() {
    let system =
        system("retry = { on = [503], budget = 1 }\noutlier = false\ntimeout = \"4s\"").await;
    let bad = Double::start(&system, "orders-1", answer(503, "retry-after: 5\r\n")).await;
    assert_eq!(system.get("/orders").await.status, 503);
    assert_eq!(bad.seen(), 1);
    bad.answers(answer(
        503,
        "retry-after: Fri, 31 Dec 1999 23:59:59 GMT\r\n",
    ));
    assert_eq!(system.get("/orders").await.status, 503);
    assert_eq!(bad.seen(), 2);
    bad.answers(answer(503, "retry-after: 0\r\n"));
    assert_eq!(system.get("/orders").await.status, 503);
    assert_eq!(bad.seen(), 4);
}

#[tokio::test]
async fn a_status_of_grpc_in_the_head_counts_too() {
    let system = system("retry = { on = [\"unavailable\"], budget = 1 }\noutlier = false").await;
    let bad = Double::start(&system, "orders-1", answer(200, "grpc-status: 14\r\n")).await;
    let _good = Double::start(&system, "orders-2", answer(201, "grpc-status: 0\r\n")).await;
    assert_eq!(statuses(&system, GET, 6).await, [201; 6]);
    bad.answers(answer(200, "grpc-status: 5\r\n"));
    assert!(statuses(&system, GET, 2).await.contains(&200));
}

#[tokio::test]
async fn an_instance_that_says_nothing_costs_the_time_of_one_try() {
    let system =
        system("retry = { per_try_timeout = \"100ms\", budget = 1 }\noutlier = false").await;
    let silent = Double::start(&system, "orders-1", String::new()).await;
    let _good = Double::start(&system, "orders-2", answer(200, "")).await;
    assert_eq!(statuses(&system, GET, 2).await, [200; 2]);
    assert!(silent.seen() >= 1);
    let lines = system.lines(2).await;
    let retried = lines
        .iter()
        .filter(|line| line["retried"] == "per-try-timeout");
    assert_eq!(retried.count(), silent.seen(), "{lines:?}");
    // What may have been done is not done again.
    let posts = statuses(&system, POST, 2).await;
    assert!(posts.contains(&504) && posts.contains(&200), "{posts:?}");
    let lines = system.lines(4).await;
    let refused = lines.iter().find(|line| line["status"] == 504).unwrap();
    assert_eq!(refused["reason"], "per-try-timeout");
}

#[tokio::test]
async fn what_one_instance_asks_to_wait_for_does_not_keep_a_request_from_another() {
    let system = system("retry = { on = [503], budget = 1 }\noutlier = false").await;
    let busy = Double::start(&system, "orders-1", answer(503, "retry-after: 20\r\n")).await;
    let _free = Double::start(&system, "orders-2", answer(200, "")).await;
    let at_once = async {
        assert_eq!(statuses(&system, GET, 4).await, [200; 4]);
        busy.answers(answer(
            503,
            "retry-after: Fri, 31 Dec 2100 23:59:59 GMT\r\n",
        ));
        assert_eq!(statuses(&system, GET, 4).await, [200; 4]);
    };
    // Less than any of them asks for.
    tokio::time::timeout(PATIENCE / 2, at_once)
        .await
        .expect("nobody waits");
    assert!(
        busy.seen() >= 4,
        "it is asked first at least every second time"
    );
}

#[tokio::test]
async fn what_the_plan_says_may_be_done_twice_is_done_again_whatever_its_method() {
    let lines = "outlier = false\nretry = { on = [\"unavailable\"], budget = 1, \
                 idempotent = [\"/orders/shop.Catalog\"] }";
    let system = system(lines).await;
    let unavailable = answer(200, "grpc-status: 14\r\n");
    let bad = Double::start(&system, "orders-1", unavailable).await;
    let _good = Double::start(&system, "orders-2", answer(201, "grpc-status: 0\r\n")).await;
    let post =
        |path: &str| format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody");
    let find = post("/orders/shop.Catalog/Find");
    assert_eq!(statuses(&system, &find, 6).await, [201; 6]);
    assert!(bad.seen() >= 3);
    for path in [
        "/orders/shop.Cart/Add",
        "/orders/shop.Catalog/../shop.Cart/Add",
    ] {
        let answers = statuses(&system, &post(path), 2).await;
        assert!(answers.contains(&200), "{path}: {answers:?}");
    }
}

#[tokio::test]
async fn a_rule_that_is_not_named_does_not_hold() {
    let system = system("retry = { on = [503], budget = 1 }\noutlier = false").await;
    let gone = Origin::start("orders-1").await.address.port();
    system.put("orders", "orders-1", "127.0.0.1", gone);
    let _good = Double::start(&system, "orders-2", answer(200, "")).await;
    assert!(statuses(&system, GET, 2).await.contains(&502));
}

#[tokio::test]
async fn an_instance_that_gives_errors_alone_is_left_out_after_five() {
    let system = system("").await;
    let bad = Double::start(&system, "orders-1", answer(500, "")).await;
    let _good = Double::start(&system, "orders-2", answer(200, "")).await;
    let answers = statuses(&system, GET, 40).await;
    let left_out = |id: &str| system.handle.why_left_out(&id.into());
    assert_eq!(
        left_out("orders-1").as_deref(),
        Some("gets no requests for now: too many requests in a row ended with an error")
    );
    assert_eq!(left_out("orders-2"), None);
    assert_eq!(bad.seen(), 5);
    assert_eq!(answers.iter().filter(|status| **status == 500).count(), 5);
}

#[tokio::test]
async fn an_instance_that_cannot_be_reached_is_left_out_after_five() {
    let system = system("").await;
    let gone = Origin::start("orders-1").await.address.port();
    system.put("orders", "orders-1", "127.0.0.1", gone);
    let _good = Double::start(&system, "orders-2", answer(200, "")).await;
    assert_eq!(statuses(&system, POST, 40).await, [200; 40]);
    let lines = system.lines(40).await;
    let second = lines
        .iter()
        .filter(|line| line["retried"] == "connect-failed");
    assert_eq!(second.count(), 5);
}

#[tokio::test]
async fn errors_that_all_instances_give_leave_none_out() {
    let system = system("").await;
    let one = Double::start(&system, "orders-1", answer(500, "")).await;
    let other = Double::start(&system, "orders-2", answer(500, "")).await;
    assert_eq!(statuses(&system, GET, 40).await, [500; 40]);
    assert_eq!((one.seen(), other.seen()), (20, 20));
}

#[tokio::test]
async fn an_instance_that_was_left_out_is_back_after_its_time() {
    let lines = "outlier = { base = \"1s\" }";
    let system = system(lines).await;
    let bad = Double::start(&system, "orders-1", answer(500, "")).await;
    let _good = Double::start(&system, "orders-2", answer(200, "")).await;
    statuses(&system, GET, 20).await;
    assert_eq!(bad.seen(), 5);
    bad.answers(answer(200, ""));
    let returned = async {
        while bad.seen() == 5 {
            assert_eq!(statuses(&system, GET, 2).await, [200; 2]);
        }
    };
    tokio::time::timeout(PATIENCE, returned)
        .await
        .expect("it returns");
}

#[tokio::test]
async fn an_instance_is_back_when_a_plan_leaves_none_out_and_may_be_left_out_again() {
    let system = system("").await;
    let bad = Double::start(&system, "orders-1", answer(500, "")).await;
    let _good = Double::start(&system, "orders-2", answer(200, "")).await;
    statuses(&system, GET, 20).await;
    assert_eq!(bad.seen(), 5);
    let none = plan(&planned("outlier = false"));
    system.handle.apply(none).await.unwrap();
    let returned = async {
        while bad.seen() == 5 {
            statuses(&system, GET, 2).await;
        }
    };
    tokio::time::timeout(PATIENCE, returned)
        .await
        .expect("it returns");
    system.handle.apply(plan(&planned(""))).await.unwrap();
    let before = bad.seen();
    statuses(&system, GET, 40).await;
    assert_eq!(bad.seen() - before, 5);
}

#[tokio::test]
async fn a_service_that_keeps_failing_is_left_alone_and_then_probed() {
    let lines = "circuit_breaker = { consecutive_failures = 3, base = \"1s\" }";
    let system = system(lines).await;
    let service = Double::start(&system, "orders-1", answer(500, "")).await;
    assert_eq!(statuses(&system, GET, 5).await, [500, 500, 500, 503, 503]);
    assert_eq!(service.seen(), 3);
    let refused = system.get("/orders").await;
    assert_eq!(refused.problem()["type"], "urn:polity:problem:circuit-open");
    let reason = refused.field("x-polity-reason");
    assert_eq!(reason, Some("circuit-open; reached=no"));
    let later = refused.field("retry-after");
    assert!(matches!(later, Some("1" | "2")), "{later:?}");
    assert_eq!(system.lines(6).await[5]["reason"], "circuit-open");
    service.answers(answer(200, ""));
    let recovered = async { while system.get("/orders").await.status != 200 {} };
    tokio::time::timeout(PATIENCE, recovered)
        .await
        .expect("it recovers");
    assert_eq!(statuses(&system, GET, 5).await, [200; 5]);
}

#[tokio::test]
async fn an_instances_own_circuit_breaker_keeps_requests_from_it_alone() {
    let lines =
        "outlier = false\ncircuit_breaker = { per = \"instance\", consecutive_failures = 3 }";
    let system = system(lines).await;
    let bad = Double::start(&system, "orders-1", answer(500, "")).await;
    let good = Double::start(&system, "orders-2", answer(200, "")).await;
    let answers = statuses(&system, GET, 20).await;
    assert_eq!(answers.iter().filter(|status| **status == 500).count(), 3);
    assert_eq!(bad.seen(), 3);
    let left_out = system.handle.why_left_out(&"orders-1".into());
    let why = "gets no requests for now: the circuit breaker is open: too many requests in a row have failed";
    assert_eq!(left_out.as_deref(), Some(why));
    good.answers(answer(500, ""));
    let answers = statuses(&system, GET, 5).await;
    assert_eq!(answers, [500, 500, 500, 503, 503]);
    let refused = system.get("/orders").await;
    let reason = refused.field("x-polity-reason");
    assert_eq!(reason, Some("circuit-open; reached=no"));
}

#[tokio::test]
async fn a_service_and_its_instances_have_circuit_breakers_at_once() {
    let lines = "outlier = false\ncircuit_breaker = [{ per = \"instance\", consecutive_failures = 3, base = \"60s\" }, \
                 { per = \"service\", consecutive_failures = 5 }]";
    let system = system(lines).await;
    let bad = Double::start(&system, "orders-1", answer(500, "")).await;
    let good = Double::start(&system, "orders-2", answer(200, "")).await;
    // The one that fails is left alone, and the service is not.
    let answers = statuses(&system, GET, 20).await;
    assert_eq!(answers.iter().filter(|status| **status == 500).count(), 3);
    assert_eq!(bad.seen(), 3);
    // A third that comes fails too, and so does the second from now on: after five in a row from the two
    // of them, the service is left alone.
    let third = Double::start(&system, "orders-3", answer(500, "")).await;
    good.answers(answer(500, ""));
    let seen = good.seen();
    let answers = statuses(&system, GET, 10).await;
    assert_eq!(answers, [500, 500, 500, 500, 500, 503, 503, 503, 503, 503]);
    assert_eq!(good.seen() - seen + third.seen(), 5);
    let refused = system.get("/orders").await;
    let detail = refused.problem()["detail"].clone();
    assert_eq!(
        detail,
        "`orders`: the circuit breaker is open: too many requests in a row have failed"
    );
}

const RESET_PLAN: &str = "[service.orders]\nrun = \"orders\"\ncalls = [\"store\"]\n\
    [service.store]\nrun = \"store\"\nprotocol = \"tcp\"\nbalance = \"round_robin\"\n";

/// Who accepted the next connection.
async fn next_of(listeners: &[TcpListener; 2]) -> (usize, TcpStream) {
    let [one, other] = listeners;
    let (place, accepted) = tokio::select! {
        accepted = one.accept() => (0, accepted),
        accepted = other.accept() => (1, accepted),
    };
    (place, accepted.unwrap().0)
}

#[tokio::test]
async fn clients_that_reset_their_tunnels_leave_no_instance_out() {
    let system = System::start(RESET_PLAN).await;
    let mut listeners = Vec::new();
    for id in ["store-1", "store-2"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        system.put("store", id, "127.0.0.1", port);
        until(|| system.handle.instance_stats(&id.into()).is_some()).await;
        listeners.push(listener);
    }
    let listeners: [TcpListener; 2] = listeners.try_into().unwrap();
    let address = system
        .handle
        .call_address(&name("orders"), &name("store"))
        .unwrap();
    let mut met = [0; 2];
    for count in 1..=40 {
        let client = TcpStream::connect(address).await.unwrap();
        let (place, mut instance) = next_of(&listeners).await;
        met[place] += 1;
        // Every second one is well-behaved, so that the instances are no equals in failing.
        if place == 0 {
            let linger = Some(std::time::Duration::ZERO);
            socket2::SockRef::from(&client).set_linger(linger).unwrap();
        }
        drop(client);
        let _ = instance.read(&mut [0; 1]).await;
        drop(instance);
        system.lines(count).await;
    }
    assert_eq!(met, [20, 20]);
}

#[tokio::test]
async fn an_error_begins_no_session() {
    let plan = "[service.orders]\nrun = \"orders\"\nroute = \"/orders\"\nbalance = { sticky = \"stay\" }\n";
    let system = System::start(plan).await;
    let double = Double::start(&system, "orders-1", answer(500, "")).await;
    assert_eq!(system.get("/orders").await.field("set-cookie"), None);
    double.answers(answer(200, ""));
    assert!(system.get("/orders").await.field("set-cookie").is_some());
}
