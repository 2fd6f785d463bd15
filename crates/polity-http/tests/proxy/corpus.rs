//! The corpus: requests and answers with what must become of each, sent through the whole proxy.

use crate::cases;
use crate::support::*;

#[tokio::test]
async fn every_request_of_the_corpus_is_refused_or_forwarded_as_it_must_be() {
    for case in cases::requests() {
        let name = &case.name;
        let origin = Origin::new().await;
        let proxy = proxy(&[origin.address]).await;
        let mut client = proxy.client().await;
        client.send(&case.bytes).await;
        match case.expectation.as_str() {
            "accept" => {
                let mut upstream = origin.accept().await;
                upstream.head().await;
                upstream.send(OK).await;
                let head = client.head().await;
                assert!(head.starts_with("HTTP/1.1 200 "), "{name}: {head}");
            }
            status => {
                let answer = client.rest().await;
                let expected = format!("HTTP/1.1 {status} ");
                assert!(answer.starts_with(&expected), "{name}: {answer}");
                assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{name}: {answer}");
                assert!(answer.contains("connection: close\r\n"), "{name}: {answer}");
            }
        }
    }
}

#[tokio::test]
async fn every_answer_of_the_corpus_is_refused_or_forwarded_as_it_must_be() {
    for case in cases::answers() {
        let name = &case.name;
        let origin = Origin::new().await;
        let proxy = proxy(&[origin.address]).await;
        let mut client = proxy.client().await;
        client.send(GET).await;
        let mut upstream = origin.accept().await;
        upstream.head().await;
        upstream.send(&case.bytes).await;
        upstream.finish_sending().await;
        match case.expectation.as_str() {
            "cut" => {
                // Where head and body come apart, the head is gone already when the body is read.
                let mut answer = client.head().await;
                if answer.starts_with("HTTP/1.1 200 ") {
                    answer = String::from_utf8_lossy(&client.rest_or_reset().await.0).into_owned();
                    assert!(!answer.ends_with("0\r\n\r\n"), "{name}: {answer}");
                } else {
                    assert!(answer.starts_with("HTTP/1.1 502 "), "{name}: {answer}");
                }
            }
            status => {
                let mut head = client.head().await;
                while head.starts_with("HTTP/1.1 1") {
                    head = client.head().await;
                }
                assert!(
                    head.starts_with(&format!("HTTP/1.1 {status} ")),
                    "{name}: {head}"
                );
            }
        }
    }
}
