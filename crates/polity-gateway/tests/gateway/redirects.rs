//! Requests that are answered with another place.

use crate::support::*;

const PLAN: &str = "[service.shop]\nrun = \"shop\"\nroute = \"/new\"\n\
     [[service.shop.routes]]\nexact = \"/old/kept\"\n\
     [[gateway.redirects]]\npath = \"/old\"\nto = \"/new\"\n\
     [[gateway.redirects]]\npath = \"/short\"\nto = \"/\"\nstatus = 302\n\
     [[gateway.redirects]]\nhost = \"www.shop.example\"\nto = \"https://shop.example\"\nstatus = 301\n";

#[tokio::test]
async fn a_redirect_keeps_what_is_below_the_query_and_the_connection() {
    let system = System::start(PLAN).await;
    let _shop = system.origin("shop", "shop-1").await;
    let mut client = system.client().await;
    let answer = client.get("/old/a/./b?c=/d").await;
    assert_eq!(answer.status, 308);
    assert!(
        answer
            .head
            .starts_with("HTTP/1.1 308 Permanent Redirect\r\n")
    );
    assert_eq!(answer.field("location"), Some("/new/a/b?c=/d"));
    assert_eq!(answer.field("content-length"), Some("0"));
    assert_eq!(answer.field("x-polity-reason"), None);
    assert_eq!(
        client.get("/new/a").await.status,
        200,
        "on the same connection"
    );
    let answer = client
        .ask("HEAD /old HTTP/1.1\r\nhost: shop.example\r\n\r\n")
        .await;
    assert_eq!(
        (answer.status, answer.field("location")),
        (308, Some("/new"))
    );
    let answer = client
        .ask("POST /short/x HTTP/1.1\r\nhost: shop.example\r\ncontent-length: 3\r\n\r\nabc")
        .await;
    assert_eq!((answer.status, answer.field("location")), (302, Some("/x")));
    assert_eq!(client.get("/new").await.status, 200);
    let lines = system.lines(5).await;
    let line = lines.iter().find(|line| line["status"] == 302).unwrap();
    assert_eq!(line["route"], "/short");
    assert!(
        line["service"].is_null() && line["reason"].is_null(),
        "{line}"
    );
}

#[tokio::test]
async fn the_most_specific_of_routes_and_redirects_takes_a_request() {
    let system = System::start(PLAN).await;
    let _shop = system.origin("shop", "shop-1").await;
    let mut client = system.client().await;
    assert_eq!(client.get("/old/kept").await.status, 200);
    assert_eq!(client.get("/old/kept/a").await.status, 308);
    assert_eq!(client.get("/older").await.status, 404);
    let answer = client
        .ask("GET /new?a HTTP/1.1\r\nhost: WWW.shop.example:8080\r\n\r\n")
        .await;
    assert_eq!(answer.status, 301);
    assert_eq!(answer.field("location"), Some("https://shop.example/new?a"));
}

#[tokio::test]
async fn no_request_makes_a_redirect_lead_to_another_host() {
    let system = System::start(PLAN).await;
    let mut client = system.client().await;
    for (path, location) in [
        ("/short//evil.example", "/evil.example"),
        ("/short/%2e//evil.example", "/evil.example"),
        ("/short/\\evil.example", "/%5Cevil.example"),
        ("/short/%2F/evil.example", "/%2F/evil.example"),
        ("//short//evil.example", ""),
    ] {
        let answer = client.get(path).await;
        assert_eq!(
            answer.field("location").unwrap_or_default(),
            location,
            "{path}"
        );
    }
    let answer = client.get("/short/a%0d%0aset-cookie:b").await;
    assert_eq!(answer.field("location"), Some("/a%0D%0Aset-cookie:b"));
    assert_eq!(answer.field("set-cookie"), None);
}

#[tokio::test]
async fn redirects_come_and_go_with_the_plan() {
    let without = "[service.shop]\nrun = \"shop\"\nroute = \"/new\"\n";
    let system = System::start(without).await;
    let _shop = system.origin("shop", "shop-1").await;
    let mut client = system.client().await;
    assert_eq!(client.get("/old").await.status, 404);
    system.handle.apply(plan(PLAN)).await.unwrap();
    assert_eq!(client.get("/old").await.status, 308);
    system.handle.apply(plan(without)).await.unwrap();
    assert_eq!(client.get("/old").await.status, 404);
}
