//! Plans that change while requests flow.

use crate::support::*;

const ORDERS: &str = "[service.orders]\nrun = \"orders\"\nroute = \"/orders\"\ncalls = [\"stock\"]\n[service.stock]\nrun = \"stock\"\n";

#[tokio::test]
async fn a_route_appears_without_a_connection_noticing() {
    let system = System::start(ORDERS).await;
    let _orders = system.origin("orders", "orders-1").await;
    let _stock = system.origin("stock", "stock-1").await;
    let before = system.handle.call_address(&name("orders"), &name("stock"));
    let mut client = system.client().await;
    assert_eq!(client.get("/stock").await.status, 404);
    let load = Load::start(
        system.handle.public_address(),
        "GET /orders HTTP/1.1\r\nhost: a\r\n\r\n",
        8,
    );
    system
        .handle
        .apply(plan(&format!("{ORDERS}route = \"/stock\"\n")))
        .await
        .unwrap();
    assert_eq!(
        client.get("/stock").await.status,
        200,
        "on the same connection"
    );
    assert_eq!(
        system.handle.call_address(&name("orders"), &name("stock")),
        before
    );
    let requests = system
        .handle
        .instance_stats(&"orders-1".into())
        .unwrap()
        .requests;
    system.handle.apply(plan(ORDERS)).await.unwrap();
    assert_eq!(client.get("/stock").await.status, 404);
    assert!(
        system
            .handle
            .instance_stats(&"orders-1".into())
            .unwrap()
            .requests
            >= requests
    );
    let (_, failed) = load.stop().await;
    assert_eq!(failed, Vec::<String>::new());
}

#[tokio::test]
async fn a_call_that_is_no_longer_declared_has_no_listener() {
    let system = System::start(ORDERS).await;
    let _stock = system.origin("stock", "stock-1").await;
    let address = system
        .handle
        .call_address(&name("orders"), &name("stock"))
        .unwrap();
    let mut caller = Client::connect(address).await;
    assert_eq!(caller.get("/").await.status, 200);
    system
        .handle
        .apply(plan(&ORDERS.replace("calls = [\"stock\"]", "")))
        .await
        .unwrap();
    assert_eq!(
        system.handle.call_address(&name("orders"), &name("stock")),
        None
    );
    assert!(caller.head().await.is_none(), "its connection is closed");
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn the_public_listener_moves_and_the_old_one_ends_in_order() {
    let system = System::start(ORDERS).await;
    let _orders = system.origin("orders", "orders-1").await;
    let old = system.handle.public_address();
    let mut client = system.client().await;
    assert_eq!(client.get("/orders").await.status, 200);
    // The same port on another address, beside the socket that still listens.
    let moved = format!("[gateway]\nlisten = \"127.0.0.2:{}\"\n{ORDERS}", old.port());
    system.handle.apply(plan(&moved)).await.unwrap();
    let new = system.handle.public_address();
    assert_ne!(new, old);
    assert_eq!(Client::connect(new).await.get("/orders").await.status, 200);
    // A client that has an idle connection may be sending over it at this moment.
    let last = client.get("/orders").await;
    assert_eq!(
        (last.status, last.field("connection")),
        (200, Some("close"))
    );
    assert!(client.head().await.is_none());
    let refused = async { tokio::net::TcpStream::connect(old).await.is_err() };
    assert!(refused.await);
}

#[tokio::test]
async fn a_listener_that_moves_again_keeps_no_idle_connections_of_long_ago() {
    let system = System::start(ORDERS).await;
    let _orders = system.origin("orders", "orders-1").await;
    let port = system.handle.public_address().port();
    let mut clients = Vec::new();
    for host in 2..=4 {
        let mut client = system.client().await;
        assert_eq!(client.get("/orders").await.status, 200);
        clients.push(client);
        let moved = format!("[gateway]\nlisten = \"127.0.0.{host}:{port}\"\n{ORDERS}");
        system.handle.apply(plan(&moved)).await.unwrap();
    }
    let mut last = clients.pop().unwrap();
    for mut client in clients {
        assert!(client.head().await.is_none());
    }
    assert_eq!(last.get("/orders").await.status, 200);
}

#[tokio::test]
async fn an_address_that_cannot_be_had_leaves_everything_as_it_was() {
    let system = System::start(ORDERS).await;
    let _orders = system.origin("orders", "orders-1").await;
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let moved = format!(
        "[gateway]\nlisten = \"{address}\"\n[service.orders]\nrun = \"orders\"\nroute = \"/other\"\n"
    );
    let error = system
        .handle
        .apply(plan(&moved))
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains(&address.to_string()), "{error}");
    assert_eq!(system.get("/orders").await.status, 200);
    assert_eq!(system.get("/other").await.status, 404);
    assert!(
        system
            .handle
            .call_address(&name("orders"), &name("stock"))
            .is_some()
    );
}

#[tokio::test]
async fn a_wait_changes_with_the_plan_on_connections_that_are_there() {
    let system = System::start(ORDERS).await;
    let _orders = system.origin("orders", "orders-1").await;
    let mut client = system.client().await;
    assert_eq!(client.get("/orders").await.status, 200);
    let hurried = format!("[gateway.timeouts]\nkeep_alive = \"50ms\"\n{ORDERS}");
    system.handle.apply(plan(&hurried)).await.unwrap();
    // The wait that has begun is what it was.
    assert_eq!(client.get("/orders").await.status, 200);
    assert!(
        client.head().await.is_none(),
        "closed before the patience ends"
    );
}

/// A request that is on its way to a slow answer while the public listener moves elsewhere.
async fn on_its_way_through_a_move(system: &System) -> Client {
    let mut client = system.client().await;
    client
        .send("GET /orders/slow HTTP/1.1\r\nhost: a\r\n\r\n")
        .await;
    let in_flight = || system.handle.stats(&name("orders")).unwrap().in_flight;
    until(|| in_flight() == 1).await;
    let port = system.handle.public_address().port();
    let moved = format!("[gateway]\nlisten = \"127.0.0.2:{port}\"\n{ORDERS}");
    system.handle.apply(plan(&moved)).await.unwrap();
    assert_eq!(in_flight(), 1);
    client
}

#[tokio::test]
async fn a_request_on_its_way_outlives_the_move_of_its_listener() {
    let system = System::start(ORDERS).await;
    let _orders = system.origin("orders", "orders-1").await;
    let mut client = on_its_way_through_a_move(&system).await;
    let answer = client.answer().await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.field("connection"), Some("close"));
    assert!(client.head().await.is_none());
}

#[tokio::test]
async fn a_drain_waits_for_requests_that_came_in_before_a_move() {
    let system = System::start(ORDERS).await;
    let _orders = system.origin("orders", "orders-1").await;
    let mut client = on_its_way_through_a_move(&system).await;
    let stats = system.handle.clone();
    system.public.drained().await;
    assert_eq!(stats.stats(&name("orders")).unwrap().in_flight, 0);
    assert_eq!(client.answer().await.unwrap().status, 200);
}

#[tokio::test]
async fn an_instance_that_moves_to_another_name_under_its_id_is_looked_up() {
    let system = System::start(ORDERS).await;
    for _ in 0..2 {
        let origin = Origin::start("orders-1").await;
        let port = origin.address.port();
        system.put("orders", "orders-1", "localhost", port);
        let answers = async {
            while system.get("/orders").await.status != 200 {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, answers).await.unwrap();
    }
}
