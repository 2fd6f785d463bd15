//! Clients that go away while it is not their turn.

use std::time::Duration;

use super::memory::{NEVER, ORIGIN, REFUSED, Served, serve};
use super::{GET, locally};
use crate::policy::Fault;

const MINUTE: Duration = Duration::from_secs(60);

/// The connection ends at once with the client; nothing is connected to.
async fn ends_with_the_client(mut served: Served) {
    let start = tokio::time::Instant::now();
    assert_eq!(served.client.head().await, "");
    assert!(start.elapsed().is_zero());
    assert_eq!(served.fault(), Some(Fault::ClientGone));
    assert!(served.origins.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_breaks_while_its_instance_is_connected_to_is_noticed() {
    locally(async {
        let mut served = serve(&[NEVER, ORIGIN], Duration::ZERO, None);
        served.client.send(GET).await;
        served.client.close_and_break().await;
        ends_with_the_client(served).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_breaks_while_a_retry_waits_is_noticed() {
    locally(async {
        let mut served = serve(&[REFUSED, ORIGIN], MINUTE, None);
        served.client.send(GET).await;
        served.client.close_and_break().await;
        ends_with_the_client(served).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_ends_within_its_body_is_not_sent_once_that_is_known() {
    for body in [
        "content-length: 9\r\n\r\nhalf",
        "transfer-encoding: chunked\r\n\r\n9\r\nhalf",
    ] {
        locally(async {
            let mut served = serve(&[REFUSED, ORIGIN], MINUTE, None);
            let request = format!("PUT / HTTP/1.1\r\nhost: a\r\n{body}");
            served.client.send(request).await;
            served.client.finish_sending().await;
            ends_with_the_client(served).await;
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_whole_outlives_the_end_of_its_clients_sending() {
    for request in [
        GET,
        "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody",
        "PUT / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    ] {
        locally(async {
            let mut served = serve(&[REFUSED, ORIGIN], MINUTE, None);
            served.client.send(request).await;
            served.client.finish_sending().await;
            let mut origin = served.origin().await;
            origin.head().await;
            origin.send("HTTP/1.1 204 No\r\n\r\n").await;
            let answer = served.client.head().await;
            assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
        })
        .await;
    }
}
