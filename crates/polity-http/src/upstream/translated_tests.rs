//! Tests of what stands between a request and who translates it.

use std::cell::RefCell;
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::connection::tests::memory::{Memory, Peer, pair};

/// Asks for `/other` with the body twice, and tells an answer's data in capitals.
#[derive(Clone, Default)]
struct Louder(Rc<RefCell<Vec<String>>>);

impl Translate for Louder {
    fn request(&mut self, head: &RequestHead<'_>, body: Option<&[u8]>) -> Asked {
        let Some(body) = body else {
            return Asked::Answered(b"HTTP/1.1 413 \r\ncontent-length: 0\r\n\r\n".to_vec());
        };
        self.0.borrow_mut().push(head.target.to_owned());
        let twice = [body, body].concat();
        let head = format!(
            "POST /other HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n",
            twice.len()
        );
        Asked::Otherwise([head.as_bytes(), &twice].concat())
    }

    fn answer(&mut self, head: &ResponseHead<'_>) {
        self.0.borrow_mut().push(head.status.to_string());
    }

    fn answer_data(&mut self, data: &[u8], out: &mut Vec<u8>) {
        out.extend(data.to_ascii_uppercase());
    }

    fn answer_end(&mut self, trailers: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(b"|");
        out.extend_from_slice(trailers);
    }
}

fn louder() -> (Translated<Memory>, Peer, Louder) {
    let (near, far) = pair();
    let translator = Louder::default();
    (
        Translated::new(near, Box::new(translator.clone())),
        far,
        translator,
    )
}

const ASKED: &str = "POST /other HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\nonsons";

/// Sends a request in pieces of this size, has it answered so, and gives what is told.
async fn told(size: usize, request: &[u8], answer: &'static [u8]) -> io::Result<String> {
    let (mut translated, mut far, _) = louder();
    for piece in request.chunks(size) {
        translated.write_all(piece).await?;
    }
    let instance = async {
        let mut asked = vec![0; ASKED.len()];
        far.stream.read_exact(&mut asked).await?;
        assert_eq!(asked, ASKED.as_bytes());
        for piece in answer.chunks(size) {
            far.stream.write_all(piece).await?;
        }
        drop(far);
        io::Result::Ok(())
    };
    let mut told = Vec::new();
    let (asked, read) = tokio::join!(instance, translated.read_to_end(&mut told));
    asked?;
    read?;
    Ok(String::from_utf8(told).expect("text"))
}

#[tokio::test]
async fn both_ways_are_translated_however_they_come() {
    let length: &[u8] = b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nons";
    let chunked: &[u8] = b"POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\no\r\n2\r\nns\r\n0\r\n\r\n";
    let answer = b"HTTP/1.1 103 \r\n\r\nHTTP/1.1 200 \r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\ngrpc-status: 0\r\n\r\n";
    for size in [1, 2, 7, 1000] {
        for request in [length, chunked] {
            let told = told(size, request, answer).await;
            assert_eq!(
                told.expect("an answer"),
                "ABCDE|grpc-status: 0\r\n",
                "{size}"
            );
        }
    }
    let empty = told(5, length, b"HTTP/1.1 200 \r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(empty.expect("an answer"), "|");
    let unframed = told(5, length, b"HTTP/1.1 200 \r\n\r\nabc").await;
    assert_eq!(unframed.expect("an answer"), "ABC|");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_an_error() {
    let request = b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nons";
    for answer in [
        &b""[..],
        b"HTTP/1.1 200 \r\n",
        b"HTTP/1.1 200 \r\ncontent-length: 9\r\n\r\nabc",
        b"HTTP/1.1 200 \r\ntransfer-encoding: chunked\r\n\r\n3\r\nab",
        b"nonsense\r\n\r\n",
    ] {
        assert!(told(3, request, answer).await.is_err(), "{answer:?}");
    }
}

#[tokio::test]
async fn what_is_too_long_is_answered_before_it_has_come() {
    let (mut translated, _far, translator) = louder();
    let length = MAX_TRANSLATED + 10;
    let head = format!("POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n");
    translated
        .write_all(head.as_bytes())
        .await
        .expect("it is taken");
    translated
        .write_all(&vec![0; MAX_TRANSLATED + 1])
        .await
        .expect("it is taken");
    let mut told = Vec::new();
    translated.read_to_end(&mut told).await.expect("an answer");
    assert!(told.starts_with(b"HTTP/1.1 413"));
    translated.write_all(&[0; 9]).await.expect("it is taken");
    assert!(translator.0.borrow().is_empty());
}

#[tokio::test]
async fn who_waits_first_is_told_when_all_is_asked() {
    let (translated, mut far, _) = louder();
    let (mut read, mut write) = tokio::io::split(translated);
    let local = tokio::task::LocalSet::new();
    let told = local.run_until(async move {
        let reading = tokio::task::spawn_local(async move {
            let mut told = Vec::new();
            read.read_to_end(&mut told).await.map(|_| told)
        });
        tokio::task::yield_now().await;
        let request = b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nons";
        write.write_all(request).await.expect("it is taken");
        let mut asked = vec![0; ASKED.len()];
        far.stream
            .read_exact(&mut asked)
            .await
            .expect("it is asked");
        far.stream
            .write_all(b"HTTP/1.1 200 \r\ncontent-length: 1\r\n\r\nx")
            .await
            .expect("it reads");
        reading.await.expect("it ends").expect("an answer")
    });
    assert_eq!(told.await, b"X|");
}
