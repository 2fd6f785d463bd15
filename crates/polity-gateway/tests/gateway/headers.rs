//! Headers that a route sets and removes.

use tokio::net::TcpListener;

use crate::support::*;

const PLAN: &str = "[service.orders]\nrun = \"orders\"\nroute = \"/plain\"\n[[service.orders.routes]]\npath = \"/orders\"\n\
     request_headers = { set = { X-Tenant = \"shop\", x-forwarded-prefix = \"/orders\" }, remove = [\"X-Debug\", \"te-x\"] }\n\
     response_headers = { set = { x-frame-options = \"DENY\", content-type = \"text/html\" }, remove = [\"Server\", \"x-instance\"] }\n";

#[tokio::test]
async fn a_request_carries_what_is_set_and_not_what_is_removed() {
    let system = System::start(PLAN).await;
    let _orders = system.origin("orders", "orders-1").await;
    let request = |path: &str| {
        format!(
            "GET {path} HTTP/1.1\r\nhost: a\r\nx-tenant: evil\r\nX_Tenant: evil\r\nx-debug: 1\r\nx_debug: 1\r\n\
             x-forwarded-prefix: /evil\r\nx-kept: 1\r\nconnection: x-tenant\r\n\r\n"
        )
    };
    let answer = system.client().await.ask(&request("/orders")).await;
    let sent = answer.body.to_ascii_lowercase();
    assert_eq!(sent.matches("tenant").count(), 1, "{sent}");
    assert_eq!(answer.sent("x-tenant"), Some("shop"));
    assert_eq!(answer.sent("x-forwarded-prefix"), Some("/orders"));
    assert!(!sent.contains("debug") && !sent.contains("evil"), "{sent}");
    assert_eq!(answer.sent("x-kept"), Some("1"));
    assert_eq!(answer.sent("host"), Some("a"));
    // The rules of one route are none of another's.
    let answer = system.client().await.ask(&request("/plain")).await;
    assert_eq!(
        (answer.sent("x-tenant"), answer.sent("x-debug")),
        (None, Some("1")),
        "listed as of the connection"
    );
}

#[tokio::test]
async fn an_answer_carries_what_is_set_and_not_what_is_removed() {
    let system = System::start(PLAN).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    system.put("orders", "orders-1", "127.0.0.1", port);
    until(|| system.handle.instance_stats(&"orders-1".into()).is_some()).await;
    let mut client = system.client().await;
    client.send("GET /orders HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut upstream = Client::new(listener.accept().await.unwrap().0);
    upstream.head().await.expect("a head");
    upstream
        .send("HTTP/1.1 103 Early Hints\r\nserver: x\r\nlink: </a>\r\n\r\n")
        .await;
    let hints = client.head().await.expect("hints");
    assert_eq!(
        (field(&hints, "server"), field(&hints, "link")),
        (None, Some("</a>"))
    );
    assert_eq!(field(&hints, "x-frame-options"), None);
    upstream
        .send(
            "HTTP/1.1 200 OK\r\nServer: x\r\nX-Frame-Options: ALLOW\r\nx-frame-options: ALLOW\r\ncontent-type: text/plain\r\n\
             x-own: 1\r\ncontent-length: 0\r\n\r\n",
        )
        .await;
    let answer = client.answer().await.unwrap();
    let head = answer.head.to_ascii_lowercase();
    assert_eq!(head.matches("x-frame-options").count(), 1, "{head}");
    assert_eq!(answer.field("x-frame-options"), Some("DENY"));
    assert_eq!(answer.field("content-type"), Some("text/html"));
    assert_eq!(
        (answer.field("server"), answer.field("x-own")),
        (None, Some("1"))
    );
}

#[tokio::test]
async fn problems_carry_what_is_set_and_stay_problems() {
    let system = System::start(PLAN).await;
    let answer = system.get("/orders").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.problem()["type"], "urn:polity:problem:no-instance");
    assert_eq!(answer.field("x-frame-options"), Some("DENY"));
    assert_eq!(system.get("/plain").await.field("x-frame-options"), None);
}

#[tokio::test]
async fn a_route_s_headers_change_with_the_plan() {
    let system = System::start(PLAN).await;
    let _orders = system.origin("orders", "orders-1").await;
    let mut client = system.client().await;
    assert_eq!(client.get("/orders").await.sent("x-tenant"), Some("shop"));
    system
        .handle
        .apply(plan(&PLAN.replace("\"shop\"", "\"other\"")))
        .await
        .unwrap();
    let answer = client.get("/orders").await;
    assert_eq!(answer.sent("x-tenant"), Some("other"));
    let without = "[service.orders]\nrun = \"orders\"\nroute = \"/orders\"\n";
    system.handle.apply(plan(without)).await.unwrap();
    let answer = client.get("/orders").await;
    assert_eq!(answer.sent("x-tenant"), None);
    assert_eq!(answer.field("x-instance"), Some("orders-1"));
}

#[tokio::test]
async fn trailers_are_no_way_around_the_rules() {
    let system = System::start(PLAN).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    system.put("orders", "orders-1", "127.0.0.1", port);
    until(|| system.handle.instance_stats(&"orders-1".into()).is_some()).await;
    let mut client = system.client().await;
    client
        .send(
            "POST /orders HTTP/1.1\r\nhost: a\r\nte: trailers\r\ntransfer-encoding: chunked\r\n\r\n\
             1\r\na\r\n0\r\nX_Tenant: evil\r\nx-debug: 1\r\nx-sum: 1\r\n\r\n",
        )
        .await;
    let mut upstream = Client::new(listener.accept().await.unwrap().0);
    upstream.head().await.expect("a head");
    let expected = "1\r\na\r\n0\r\nx-sum: 1\r\n\r\n";
    let body = upstream.exactly(expected.len()).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&body), expected);
    upstream
        .send(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
             1\r\na\r\n0\r\nServer: x\r\nx-frame-options: ALLOW\r\nx-sum: 2\r\n\r\n",
        )
        .await;
    client.head().await.expect("a head");
    let expected = "1\r\na\r\n0\r\nx-sum: 2\r\n\r\n";
    let body = client.exactly(expected.len()).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&body), expected);
}
