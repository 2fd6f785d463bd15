//! What clients may ask of the gateway: connections, requests of one, heads.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::*;

const GET: &[u8] = b"GET /orders HTTP/1.1\r\nhost: a\r\n\r\n";
const ORDERS: &str = "[service.orders]\nrun = \"orders\"\nroute = \"/orders\"\n";

/// Whether a connection is reset, at once or when something is sent.
async fn is_refused(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address).await else {
        return true;
    };
    // What was reset in between says so when it is read.
    let _ = stream.write_all(GET).await;
    !matches!(stream.read(&mut [0]).await, Ok(1))
}

#[tokio::test]
async fn an_address_has_so_many_connections_and_a_trusted_proxy_any_number() {
    let limit = "[gateway.limits]\nconnections_per_address = 2\n";
    let system = System::start(&format!("{limit}{ORDERS}")).await;
    let _orders = system.origin("orders", "orders-1").await;
    let mut clients = [system.client().await, system.client().await];
    for client in &mut clients {
        assert_eq!(client.get("/orders").await.status, 200);
    }
    assert!(is_refused(system.handle.public_address()).await);
    assert_eq!(clients[0].get("/orders").await.status, 200);

    let trusted = "[gateway]\nlisten = \"127.0.0.1:0\"\ntrusted_proxies = [\"127.0.0.1\"]\n";
    let trusted = plan(&format!("{trusted}{limit}{ORDERS}"));
    system.handle.apply(trusted).await.unwrap();
    for _ in 0..3 {
        assert_eq!(system.get("/orders").await.status, 200);
    }
}

#[tokio::test]
async fn a_connection_has_so_many_requests_and_the_last_says_so() {
    let limit = "[gateway.limits]\nrequests_per_connection = 2\n";
    let system = System::start(&format!("{limit}{ORDERS}")).await;
    let _orders = system.origin("orders", "orders-1").await;
    let mut client = system.client().await;
    assert_eq!(client.get("/orders").await.field("connection"), None);
    assert_eq!(
        client.get("/orders").await.field("connection"),
        Some("close")
    );
    assert!(client.head().await.is_none());
}

#[tokio::test]
async fn heads_are_bounded_as_the_plan_says_from_the_next_request_on() {
    let system = System::start(ORDERS).await;
    let _orders = system.origin("orders", "orders-1").await;
    let long = format!(
        "GET /orders HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n",
        "a".repeat(2000)
    );
    let many = format!(
        "GET /orders HTTP/1.1\r\nhost: a\r\n{}\r\n",
        "x: 1\r\n".repeat(20)
    );
    let mut clients = [system.client().await, system.client().await];
    for (client, request) in clients.iter_mut().zip([&long, &many]) {
        assert_eq!(client.ask(request).await.status, 200);
    }
    let bounded = format!("[gateway.limits]\nheader_size = \"1KiB\"\nheader_count = 20\n{ORDERS}");
    system.handle.apply(plan(&bounded)).await.unwrap();
    for (client, request) in clients.iter_mut().zip([&long, &many]) {
        let answer = client.ask(request).await;
        assert_eq!(answer.status, 431, "{answer:?}");
        assert_eq!(
            answer.problem()["type"],
            "urn:polity:problem:head-too-large"
        );
    }
    assert_eq!(system.get("/orders").await.status, 200);
}
