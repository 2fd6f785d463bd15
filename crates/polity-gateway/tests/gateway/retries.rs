//! Instances that die under load: not one failed request.

use tokio::net::TcpListener;

use crate::support::*;

const PLAN: &str = "[service.orders]\nrun = \"orders\"\nroute = \"/orders\"\n";
const GET: &str = "GET /orders HTTP/1.1\r\nhost: a\r\n\r\n";
const POST: &str = "POST /orders HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sudden_death_of_an_instance_fails_no_get() {
    let system = System::start(PLAN).await;
    let _steady = system.origin("orders", "orders-1").await;
    let load = Load::start(system.handle.public_address(), GET, 16);
    for round in 0..10 {
        let id = format!("orders-{}", round + 2);
        let origin = system.origin("orders", &id).await;
        let used = || {
            system
                .handle
                .instance_stats(&id.as_str().into())
                .unwrap()
                .requests
                > 50
        };
        until(used).await;
        drop(origin);
        // The supervisor hears of it a little later.
        let failed = || {
            system
                .handle
                .instance_stats(&id.as_str().into())
                .unwrap()
                .errors
                > 3
        };
        until(failed).await;
        system.leave("orders", &id).await;
    }
    let (count, failed) = load.stop().await;
    assert!(count > 500, "{count}");
    assert_eq!(failed, Vec::<String>::new(), "of {count}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_roll_fails_no_request_whatever_its_method() {
    let system = System::start(PLAN).await;
    let mut current = system.origin("orders", "orders-0").await;
    let gets = Load::start(system.handle.public_address(), GET, 8);
    let posts = Load::start(system.handle.public_address(), POST, 8);
    for round in 1..30 {
        let next = system.origin("orders", &format!("orders-{round}")).await;
        let left = system
            .leave("orders", &format!("orders-{}", round - 1))
            .await;
        assert_eq!(left, 0);
        // Stopped the moment it is drained: whatever still went there would fail.
        drop(std::mem::replace(&mut current, next));
    }
    for load in [gets, posts] {
        let (count, failed) = load.stop().await;
        assert!(count > 100, "{count}");
        assert_eq!(failed, Vec::<String>::new(), "of {count}");
    }
}

#[tokio::test]
async fn a_drain_tells_how_many_requests_are_left() {
    let system = System::start(PLAN).await;
    let _orders = system.origin("orders", "orders-1").await;
    let mut client = system.client().await;
    client
        .send("GET /orders/slow HTTP/1.1\r\nhost: a\r\n\r\n")
        .await;
    let in_flight = || system.handle.stats(&name("orders")).unwrap().in_flight;
    until(|| in_flight() == 1).await;
    system.change(polity_catalog::Change::Remove(
        name("orders"),
        "orders-1".into(),
    ));
    let id = "orders-1".into();
    let drained = |bound| system.handle.drained(&id, bound);
    assert_eq!(drained(std::time::Duration::ZERO).await, 1);
    assert_eq!(
        system.get("/orders").await.status,
        503,
        "nothing new goes there"
    );
    assert_eq!(drained(PATIENCE).await, 0);
    assert_eq!(client.answer().await.unwrap().status, 200);
}

#[tokio::test]
async fn no_more_attempts_are_made_than_the_plan_allows() {
    let system = System::start(&format!("{PLAN}retry = {{ attempts = 1 }}\n")).await;
    let dead = system.origin("orders", "orders-1").await.address;
    assert_eq!(
        system.get("/orders").await.status,
        502,
        "{dead} refuses, once"
    );
    let line = &system.lines(1).await[0];
    assert_eq!(line["attempts"], 1);
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// Makes an instance known, has it take one request, and leave again with its connection kept.
async fn kept(system: &System, client: &mut Client, id: &str) -> (TcpListener, Client) {
    let listener = system.played("orders", id).await;
    client.send(GET).await;
    let mut kept = Client::new(listener.accept().await.unwrap().0);
    kept.head().await.unwrap();
    kept.send(OK).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    assert_eq!(system.leave("orders", id).await, 0);
    (listener, kept)
}

/// Makes an instance known that listens already.
async fn put_again(system: &System, id: &str, listener: &TcpListener) {
    let port = listener.local_addr().unwrap().port();
    system.put("orders", id, "127.0.0.1", port);
    until(|| system.handle.instance_stats(&id.into()).is_some()).await;
}

#[tokio::test]
async fn a_second_attempt_goes_over_a_kept_connection() {
    let system = System::start(PLAN).await;
    // Of one client, so that all is done by one thread.
    let mut client = system.client().await;
    let (listener, mut kept) = kept(&system, &mut client, "orders-1").await;
    let failing = system.played("orders", "orders-2").await;
    client.send(GET).await;
    let mut failing = Client::new(failing.accept().await.unwrap().0);
    failing.head().await.unwrap();
    put_again(&system, "orders-3", &listener).await;
    drop(failing);
    kept.head().await.expect("the request");
    kept.send(OK).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
}

#[tokio::test]
async fn a_second_attempt_after_a_stale_connection_goes_over_a_new_one() {
    let system = System::start(PLAN).await;
    let mut client = system.client().await;
    let (first, mut kept_by_first) = kept(&system, &mut client, "orders-1").await;
    let (second, mut kept_by_second) = kept(&system, &mut client, "orders-2").await;
    put_again(&system, "orders-3", &first).await;
    put_again(&system, "orders-4", &second).await;
    client.send(GET).await;
    // Either may be chosen, and finds its connection closed.
    let (other, mut kept_by_other) = tokio::select! {
        head = kept_by_first.head() => {
            head.expect("the request");
            drop(kept_by_first);
            (second, kept_by_second)
        }
        head = kept_by_second.head() => {
            head.expect("the request");
            drop(kept_by_second);
            (first, kept_by_first)
        }
    };
    let fresh = tokio::select! {
        fresh = other.accept() => fresh.unwrap().0,
        head = kept_by_other.head() => panic!("a kept connection was trusted: {head:?}"),
    };
    let mut fresh = Client::new(fresh);
    fresh.head().await.unwrap();
    fresh.send(OK).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
}

#[tokio::test]
async fn what_is_not_sent_again_after_a_stale_connection_counts_as_a_failed_attempt() {
    let system = System::start(PLAN).await;
    let mut client = system.client().await;
    let (listener, mut kept) = kept(&system, &mut client, "orders-1").await;
    put_again(&system, "orders-2", &listener).await;
    client
        .send("POST /orders HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n")
        .await;
    kept.head().await.expect("the request");
    drop(kept);
    assert_eq!(client.answer().await.unwrap().status, 502);
    let line = &system.lines(2).await[1];
    assert_eq!(line["reason"], "answer-broke");
    assert_eq!(line["attempts"], 1);
    let failed = system.handle.instance_stats(&"orders-2".into()).unwrap();
    assert_eq!(failed.errors, 1);
}

#[tokio::test]
async fn a_second_try_after_a_stale_connection_is_the_last_that_is_free() {
    let system = System::start(&format!("{PLAN}retry = {{ attempts = 1 }}\n")).await;
    let mut client = system.client().await;
    let (listener, mut kept) = kept(&system, &mut client, "orders-1").await;
    put_again(&system, "orders-2", &listener).await;
    client.send(GET).await;
    kept.head().await.expect("the request");
    drop(kept);
    // What becomes of the next is what becomes of any attempt: here, it is the only one.
    let mut fresh = Client::new(listener.accept().await.unwrap().0);
    fresh.head().await.expect("the request, again");
    drop(fresh);
    assert_eq!(client.answer().await.unwrap().status, 502);
    assert_eq!(system.lines(2).await[1]["attempts"], 1);
}
