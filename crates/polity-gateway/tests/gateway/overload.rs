//! More than gateway or service take on: a quick 503, on a connection that goes on, and not for everybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::*;

const SERVICES: &str = r#"
[service.orders]
run = "orders"
calls = ["inventory"]

[service.inventory]
run = "inventory"
route = "/"
"#;

/// So that every request comes on a connection of its own, whichever thread it is on.
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";

/// A request that is not made twice.
const POST: &str = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello";

/// A system whose gateway is bound like this, with an origin that answers when the test says so.
async fn system(limits: &str, of_service: &str) -> (System, TcpListener) {
    let gateway = "[gateway]\nlisten = \"127.0.0.1:0\"\n[gateway.limits]\n";
    let system = System::start(&format!("{gateway}{limits}\n{SERVICES}{of_service}\n")).await;
    let origin = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = origin.local_addr().unwrap().port();
    system.put("inventory", "inventory-1", "127.0.0.1", port);
    until(|| {
        system
            .handle
            .instance_stats(&"inventory-1".into())
            .is_some()
    })
    .await;
    (system, origin)
}

/// Sends a request, and waits until it is at the origin; both ends.
async fn hold(mut client: Client, origin: &TcpListener) -> (Client, Client) {
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let accepted = timeout(PATIENCE, origin.accept()).await;
    let mut upstream = Client::new(accepted.expect("it was let in").unwrap().0);
    upstream.head().await.expect("the request");
    (client, upstream)
}

async fn caller(system: &System) -> Client {
    let call = (name("orders"), name("inventory"));
    let address = system.handle.call_address(&call.0, &call.1).unwrap();
    Client::connect(address).await
}

fn assert_overloaded(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer:?}");
    let reason = answer.field("x-polity-reason");
    assert_eq!(reason, Some("overloaded; reached=no"));
    assert_eq!(answer.field("retry-after"), Some("1"));
    assert_eq!(answer.field("connection"), None);
    let kind = answer.problem()["type"].clone();
    assert_eq!(kind, "urn:polity:problem:overloaded");
}

#[tokio::test]
async fn past_what_the_gateway_takes_on_others_are_refused_and_calls_are_not() {
    let (system, origin) = system("max_in_flight = 2", "").await;
    let first = hold(system.client().await, &origin).await;
    let (mut second, mut upstream) = hold(system.client().await, &origin).await;
    let mut third = system.client().await;
    let refused = third.get("/").await;
    assert_overloaded(&refused);
    let call = hold(caller(&system).await, &origin).await;

    upstream.send(OK).await;
    assert_eq!(second.answer().await.unwrap().status, 200);
    // The same connection, which the refusal has not closed.
    let mut upstream = loop {
        third.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        tokio::select! {
            // The answer can be here before the place is given up.
            refused = third.answer() => assert_overloaded(&refused.unwrap()),
            accepted = origin.accept() => break Client::new(accepted.unwrap().0),
        }
    };
    upstream.head().await.expect("there is room again");
    upstream.send(OK).await;
    assert_eq!(third.answer().await.unwrap().status, 200);
    drop((first, call));

    let lines = system.lines(3).await;
    let line = lines.iter().find(|line| line["status"] == 503).unwrap();
    assert_eq!(line["reason"], "overloaded");
    assert_eq!(line["service"], "inventory");
    assert_eq!(line["attempts"], 0);
}

#[tokio::test]
async fn a_refused_request_is_read_over_with_its_body() {
    let (system, origin) = system("max_in_flight = 1", "").await;
    let (_held, mut upstream) = hold(system.client().await, &origin).await;
    let mut client = system.client().await;
    client.send(&POST.repeat(2)).await;
    for _ in 0..2 {
        assert_overloaded(&client.answer().await.unwrap());
    }
    upstream.send(OK).await;
}

#[tokio::test]
async fn a_service_has_bounds_of_its_own_for_calls_and_for_others() {
    let (system, origin) = system("max_in_flight = false", "max_in_flight = 1").await;
    let (_public, _upstream) = hold(system.client().await, &origin).await;
    assert_overloaded(&system.get("/").await);
    let (_call, _at) = hold(caller(&system).await, &origin).await;
    assert_overloaded(&caller(&system).await.get("/").await);
}

/// A request that is at the origin, as soon as one is let in; both ends.
async fn hold_soon(system: &System, origin: &TcpListener) -> (Client, Client) {
    loop {
        let mut client = system.client().await;
        client.send(POST).await;
        tokio::select! {
            refused = client.answer() => assert_overloaded(&refused.unwrap()),
            accepted = origin.accept() => {
                let mut upstream = Client::new(accepted.unwrap().0);
                upstream.head().await.expect("the request");
                return (client, upstream);
            }
        }
    }
}

#[tokio::test]
async fn a_place_is_free_again_however_its_request_ended() {
    let (system, origin) = system("max_in_flight = 1", "max_in_flight = 1").await;
    // The client goes away.
    drop(hold_soon(&system, &origin).await);
    // The origin does.
    let (mut client, upstream) = hold_soon(&system, &origin).await;
    drop(upstream);
    assert_eq!(client.answer().await.unwrap().status, 502);
    // It answers what is no HTTP.
    let (mut client, mut upstream) = hold_soon(&system, &origin).await;
    upstream.send("what?\r\n\r\n").await;
    assert_eq!(client.answer().await.unwrap().status, 502);
    // All is well, or the origin has died in the middle.
    let (mut client, mut upstream) = hold_soon(&system, &origin).await;
    upstream
        .send("HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n")
        .await;
    client.head().await.expect("an answer's beginning");
    drop(upstream);
    let (mut client, mut upstream) = hold_soon(&system, &origin).await;
    upstream.send(OK).await;
    assert_eq!(client.answer().await.unwrap().status, 200);
    hold_soon(&system, &origin).await;
}

#[tokio::test]
async fn a_request_that_changes_its_protocol_holds_its_place_until_the_connection_ends() {
    let (system, origin) = system("max_in_flight = 1", "max_in_flight = 1").await;
    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\n\r\n";
    let mut client = system.client().await;
    client
        .send(&format!("GET / HTTP/1.1\r\nhost: a\r\n{upgrade}"))
        .await;
    let mut upstream = Client::new(origin.accept().await.unwrap().0);
    upstream.head().await.expect("the request");
    upstream
        .send(&format!("HTTP/1.1 101 Switching Protocols\r\n{upgrade}"))
        .await;
    client.head().await.expect("the answer");
    assert_overloaded(&system.get("/").await);
    drop((client, upstream));
    hold_soon(&system, &origin).await;
}

#[tokio::test]
async fn a_limit_is_changed_by_a_plan() {
    let (system, origin) = system("max_in_flight = 1", "").await;
    let (mut first, mut upstream) = hold(system.client().await, &origin).await;
    assert_overloaded(&system.get("/").await);
    let gateway = "[gateway]\nlisten = \"127.0.0.1:0\"\n[gateway.limits]\nmax_in_flight = 2\n";
    let changed = plan(&format!("{gateway}{SERVICES}"));
    system.handle.apply(changed).await.unwrap();
    let (_second, _at) = hold(system.client().await, &origin).await;
    assert_overloaded(&system.get("/").await);
    upstream.send(OK).await;
    assert_eq!(first.answer().await.unwrap().status, 200);
}

/// Answers each connection's request, one after the other, after a moment's work.
async fn work_alone(origin: TcpListener) {
    let worker = Arc::new(Mutex::new(()));
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = origin.accept().await {
        let worker = worker.clone();
        connections.spawn(async move {
            let mut client = Client::new(stream);
            if client.head().await.is_some() {
                // First come, first served.
                let turn = worker.lock().await;
                tokio::time::sleep(Duration::from_millis(5)).await;
                drop(turn);
                client.send(OK).await;
            }
        });
    }
}

#[tokio::test]
async fn a_line_in_a_service_is_kept_short_until_it_keeps_up() {
    let (system, origin) = system("queue_delay = \"20ms\"", "").await;
    tokio::spawn(work_alone(origin));
    let (served, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let enough = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for _ in 0..150 {
        let (served, refused, enough) = (served.clone(), refused.clone(), enough.clone());
        let mut client = system.client().await;
        clients.spawn(async move {
            while !enough.load(Ordering::Relaxed) {
                match client.get("/").await {
                    answer if answer.status == 200 => served.fetch_add(1, Ordering::Relaxed),
                    answer => {
                        assert_overloaded(&answer);
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        refused.fetch_add(1, Ordering::Relaxed)
                    }
                };
            }
        });
    }
    until(|| refused.load(Ordering::Relaxed) > 100).await;
    // The service is not idle meanwhile.
    let before = served.load(Ordering::Relaxed);
    until(|| served.load(Ordering::Relaxed) > before + 50).await;
    enough.store(true, Ordering::Relaxed);
    while clients.join_next().await.is_some_and(|ended| ended.is_ok()) {}
    // Those that come one by one find no line, whether the limit is still there or not.
    for _ in 0..20 {
        assert_eq!(system.get("/").await.status, 200);
    }
}
