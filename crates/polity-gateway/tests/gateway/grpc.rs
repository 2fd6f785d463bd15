//! Calls of gRPC: over what they are carried, how much time they have, and how they are judged.

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::http2::{Got, Http2, got, request};
use crate::support::*;

/// A server of gRPC. It answers a call whose path ends in `/N` with status N: in its only head where N is even, after
/// a message else; and tells what time the call had left.
fn serve(listener: TcpListener) -> JoinHandle<()> {
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let Ok(mut connection) = h2::server::handshake(stream).await else {
                    return;
                };
                while let Some(Ok((request, respond))) = connection.accept().await {
                    answer(&request, respond);
                }
            });
        }
    })
}

fn answer(request: &Request<h2::RecvStream>, mut respond: h2::server::SendResponse<Bytes>) {
    let path = request.uri().path();
    let code: u32 = path.rsplit('/').next().unwrap().parse().unwrap();
    let left = request.headers().get("grpc-timeout");
    let left = left.map_or("none", |left| left.to_str().unwrap());
    let head = Response::builder()
        .header("content-type", "application/grpc")
        .header("x-left", left);
    if code != 0 && code.is_multiple_of(2) {
        let head = head.header("grpc-status", code).body(()).unwrap();
        respond.send_response(head, true).unwrap();
        return;
    }
    let mut body = respond
        .send_response(head.body(()).unwrap(), false)
        .unwrap();
    body.send_data("message".into(), false).unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", code.into());
    body.send_trailers(trailers).unwrap();
}

fn plan(lines: &str) -> String {
    format!("[service.shop]\nrun = \"shop\"\nroute = \"/\"\n{lines}")
}

async fn call(client: &mut Http2, path: &str, fields: &[(&'static str, &'static str)]) -> Got {
    let mut request = request("POST", path);
    let headers = request.headers_mut();
    headers.insert("content-type", "application/grpc+proto".parse().unwrap());
    for (name, value) in fields {
        headers.insert(*name, value.parse().unwrap());
    }
    let (answer, mut body) = client.send(request, false);
    body.send_data("question".into(), true).unwrap();
    got(answer.await.unwrap()).await
}

fn status(got: &Got) -> String {
    let said = got.trailers.as_ref().unwrap_or(got.head.headers());
    said["grpc-status"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_call_is_carried_over_http2_and_all_else_as_ever() {
    let system = System::start(&plan("protocol = \"auto\"\n")).await;
    let mut client = Http2::connect(&system).await;
    let served = serve(system.played("shop", "shop-1").await);
    let answered = call(&mut client, "/shop.Shop/0", &[]).await;
    assert_eq!(
        (status(&answered).as_str(), answered.body.as_str()),
        ("0", "message")
    );
    served.abort();
    system.leave("shop", "shop-1").await;
    let _origin = system.origin("shop", "shop-2").await;
    assert_eq!(system.get("/").await.status, 200);
}

#[tokio::test]
async fn what_is_left_of_a_deadline_goes_on_and_none_is_made_up() {
    let system = System::start(&plan("protocol = \"http2\"\n")).await;
    let _served = serve(system.played("shop", "shop-1").await);
    let mut client = Http2::connect(&system).await;
    let left = call(&mut client, "/shop.Shop/0", &[]).await;
    assert_eq!(left.field("x-left"), Some("none"));
    let left = call(&mut client, "/shop.Shop/0", &[("grpc-timeout", "20S")]).await;
    let left: u64 = left
        .field("x-left")
        .unwrap()
        .strip_suffix('u')
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=20_000_000).contains(&left), "{left}");
}

#[tokio::test]
async fn a_deadline_that_passes_is_told_as_one() {
    let system = System::start(&plan("protocol = \"http2\"\n")).await;
    // It takes connections and says nothing beyond its settings.
    let silent = system.played("shop", "shop-1").await;
    let _served = tokio::spawn(async move {
        let (stream, _) = silent.accept().await.unwrap();
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let held = connection.accept().await;
        std::future::poll_fn(|context| connection.poll_closed(context))
            .await
            .ok();
        drop(held);
    });
    let mut client = Http2::connect(&system).await;
    let late = call(&mut client, "/shop.Shop/0", &[("grpc-timeout", "50m")]).await;
    assert_eq!(late.head.status(), 200);
    assert_eq!(late.field("grpc-status"), Some("4"));
    assert_eq!(late.field("content-type"), Some("application/grpc"));
    assert!(
        late.field("x-polity-reason")
            .unwrap()
            .starts_with("deadline; reached=maybe")
    );
    assert_eq!((late.body.as_str(), late.trailers), ("", None));
    let line = system.line(|line| line["reason"] == "deadline").await;
    assert_eq!(
        (line["status"].as_u64(), line["grpc_status"].as_u64()),
        (Some(200), Some(4))
    );
}

#[tokio::test]
async fn errors_of_the_gateway_are_told_in_one_head() {
    let system = System::start(
        "[service.shop]\nrun = \"shop\"\nroute = \"/shop.Shop\"\nprotocol = \"http2\"\n",
    )
    .await;
    let mut client = Http2::connect(&system).await;
    let gone = call(&mut client, "/shop.Shop/0", &[]).await;
    assert_eq!(
        (gone.head.status().as_u16(), gone.field("grpc-status")),
        (200, Some("14"))
    );
    assert!(gone.field("grpc-message").unwrap().contains("no instance"));
    let nowhere = call(&mut client, "/elsewhere", &[]).await;
    assert_eq!(nowhere.field("grpc-status"), Some("12"));
    // Who does not ask by gRPC is not told by it.
    assert_eq!(system.get("/shop.Shop/0").await.status, 503);
}

#[tokio::test]
async fn statuses_open_a_circuit_wherever_they_come() {
    for code in [13, 14] {
        let lines = "protocol = \"http2\"\noutlier = false\ncircuit_breaker = { consecutive_failures = 3, base = \"60s\" }\n";
        let system = System::start(&plan(lines)).await;
        let _served = serve(system.played("shop", "shop-1").await);
        let mut client = Http2::connect(&system).await;
        for _ in 0..5 {
            // What the caller has done wrong opens nothing.
            let refused = call(&mut client, "/shop.Shop/3", &[]).await;
            assert_eq!(status(&refused), "3");
        }
        for _ in 0..3 {
            let failed = call(&mut client, &format!("/shop.Shop/{code}"), &[]).await;
            assert_eq!(status(&failed), code.to_string());
            let line = system.line(|line| line["grpc_status"] == code).await;
            assert_eq!(line["status"], 200);
        }
        let mut last = call(&mut client, "/shop.Shop/0", &[]).await;
        // The end of a call is noted just after it was told.
        while status(&last) == "0" {
            last = call(&mut client, &format!("/shop.Shop/{code}"), &[]).await;
        }
        assert_eq!(last.field("grpc-status"), Some("14"), "{:?}", last.head);
        assert!(
            last.field("x-polity-reason")
                .unwrap()
                .starts_with("circuit-open")
        );
    }
}

#[tokio::test]
async fn a_status_in_the_head_is_retried_where_the_plan_says_so() {
    let lines = "protocol = \"http2\"\noutlier = false\nretry = { attempts = 3, budget = 1.0, on = [\"unavailable\"], idempotent = true }\n";
    let system = System::start(&plan(lines)).await;
    let _served = serve(system.played("shop", "shop-1").await);
    let mut client = Http2::connect(&system).await;
    let failed = call(&mut client, "/shop.Shop/14", &[]).await;
    assert_eq!(status(&failed), "14");
    let line = system.line(|line| line["grpc_status"] == 14).await;
    assert_eq!(line["attempts"], 3);
}
