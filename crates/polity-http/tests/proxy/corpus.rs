//! The corpus: requests and answers with what must become of each, sent through the whole proxy.

use crate::support::*;

/// A case is a line `EXPECTATION NAME`, then the bytes in one or more lines with escapes; blank
/// lines part cases, `#` begins a remark.
fn cases(text: &str) -> Vec<(String, String, Vec<u8>)> {
    let blocks = text.split("\n\n").map(|block| {
        let lines = block
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty());
        lines.collect::<Vec<_>>()
    });
    let blocks = blocks.filter(|block| !block.is_empty());
    let parsed = blocks.map(|block| {
        let (expectation, name) = block[0].split_once(' ').expect("expectation and name");
        let bytes = unescape(&block[1..].concat());
        (expectation.to_owned(), name.to_owned(), bytes)
    });
    parsed.collect()
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' => match rest.next().expect("an escape") {
                b'r' => b'\r',
                b'n' => b'\n',
                b't' => b'\t',
                b'0' => 0,
                b'\\' => b'\\',
                b'x' => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                other => panic!("unknown escape {}", char::from(other)),
            },
            other => other,
        });
    }
    bytes
}

#[tokio::test]
async fn every_request_of_the_corpus_is_refused_or_forwarded_as_it_must_be() {
    let cases = cases(include_str!("../corpus/requests.txt"));
    assert!(cases.len() > 50, "{}", cases.len());
    for (expectation, name, bytes) in cases {
        let origin = Origin::new().await;
        let proxy = proxy(&[origin.address]).await;
        let mut client = proxy.client().await;
        client.send(&bytes).await;
        match expectation.as_str() {
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
    let cases = cases(include_str!("../corpus/answers.txt"));
    assert!(cases.len() > 20, "{}", cases.len());
    for (expectation, name, bytes) in cases {
        let origin = Origin::new().await;
        let proxy = proxy(&[origin.address]).await;
        let mut client = proxy.client().await;
        client.send(GET).await;
        let mut upstream = origin.accept().await;
        upstream.head().await;
        upstream.send(&bytes).await;
        upstream.finish_sending().await;
        match expectation.as_str() {
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
