//! Calls between services: a listener each, for what the plan declares and nothing else.

use polity_catalog::Catalog;
use tokio::net::{TcpListener, TcpStream};

use crate::support::*;

const PLAN: &str = r#"
[service.orders]
run = "orders"
calls = ["inventory", "store", "bank"]

[service.inventory]
run = "inventory"
route = "/inventory"

[service.store]
run = "store"
protocol = "tcp"

[service.bank]
url = "http://localhost:1"
"#;

#[tokio::test]
async fn services_may_call_each_other_until_they_have_stopped() {
    let system = System::start(PLAN).await;
    let _inventory = system.origin("inventory", "inventory-1").await;
    let (caller, callee) = (name("orders"), name("inventory"));
    let address = system.handle.call_address(&caller, &callee).unwrap();
    let outside = system.handle.public_address();
    system.public.drained().await;
    assert!(TcpStream::connect(outside).await.is_err());
    let mut caller = Client::connect(address).await;
    assert_eq!(caller.get("/stock").await.status, 200);
    // Instances come and go meanwhile.
    system.catalog.update(|_| Some(Catalog::default()));
    let gone = async { while caller.get("/stock").await.status != 503 {} };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
    system.calls.drained().await;
    system.running.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_declared_call_reaches_its_callee_with_the_path_as_it_is() {
    let system = System::start(PLAN).await;
    let _inventory = system.origin("inventory", "inventory-1").await;
    let address = system
        .handle
        .call_address(&name("orders"), &name("inventory"))
        .unwrap();
    assert!(address.ip().is_loopback());
    let mut caller = Client::connect(address).await;
    let answer = caller
        .ask("GET /a/../b HTTP/1.1\r\nhost: stock:1\r\nx-request-id: r-1\r\nx-forwarded-for: 9.9.9.9\r\nx-request-timeout-ms: 700\r\n\r\n")
        .await;
    assert_eq!(answer.body.lines().next(), Some("GET /a/../b HTTP/1.1"));
    assert_eq!(answer.sent("host"), Some("stock:1"));
    assert_eq!(answer.sent("x-request-id"), Some("r-1"));
    assert_eq!(
        answer.sent("x-forwarded-for"),
        Some("9.9.9.9"),
        "the caller's own business"
    );
    let timeout: u64 = answer
        .sent("x-request-timeout-ms")
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=700).contains(&timeout), "{timeout}");
    assert!(answer.sent("traceparent").is_some());
    let line = &system.lines(1).await[0];
    assert_eq!(line["caller"], "orders");
    assert_eq!(line["service"], "inventory");

    for (caller, callee) in [
        ("inventory", "orders"),
        ("orders", "orders"),
        ("bank", "store"),
    ] {
        assert_eq!(
            system.handle.call_address(&name(caller), &name(callee)),
            None
        );
    }
}

#[tokio::test]
async fn an_external_service_is_found_by_name_and_asked_by_its_own() {
    let system = System::start(PLAN).await;
    let bank = Origin::start("bank-1").await;
    let port = bank.address.port();
    system.put("bank", "bank-1", "localhost", port);
    let address = system
        .handle
        .call_address(&name("orders"), &name("bank"))
        .unwrap();
    let mut caller = Client::connect(address).await;
    let answer = loop {
        // Until the name is resolved, there is no instance.
        let answer = caller.get("/pay").await;
        if answer.status != 503 {
            break answer;
        }
    };
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        answer.sent("host"),
        Some(format!("localhost:{port}").as_str())
    );
}

#[tokio::test]
async fn a_callee_that_is_not_http_is_reached_all_the_same() {
    let system = System::start(PLAN).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    system.put(
        "store",
        "store-1",
        "127.0.0.1",
        listener.local_addr().unwrap().port(),
    );
    until(|| system.handle.instance_stats(&"store-1".into()).is_some()).await;
    let address = system
        .handle
        .call_address(&name("orders"), &name("store"))
        .unwrap();
    let mut caller = Client::connect(address).await;
    caller.send("PING\r\n").await;
    let mut store = Client::new(listener.accept().await.unwrap().0);
    assert_eq!(store.exactly(6).await.unwrap(), b"PING\r\n");
    store.send("+PONG\r\n").await;
    assert_eq!(caller.exactly(7).await.unwrap(), b"+PONG\r\n");
    let in_flight = || {
        system
            .handle
            .instance_stats(&"store-1".into())
            .unwrap()
            .in_flight
    };
    assert_eq!(in_flight(), 1);
    drop(caller);
    drop(store);
    until(|| in_flight() == 0).await;
    let line = &system.lines(1).await[0];
    assert_eq!(
        (&line["method"], &line["service"]),
        (&"TCP".into(), &"store".into())
    );
    assert_eq!(
        (&line["bytes_in"], &line["bytes_out"]),
        (&6.into(), &7.into())
    );
}
