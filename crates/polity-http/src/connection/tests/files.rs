//! Files sent through a stream that takes little at a time, and cannot take them as they are.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::rc::Rc;
use std::time::Duration;

use super::memory::{Script, Served, serve_script};
use super::{GET, locally};
use crate::file::{FileBody, Piece};
use crate::policy::{Answer, Fault, Found};

const LENGTH: usize = 300_000;

fn bytes() -> Vec<u8> {
    (0..LENGTH).map(|at| b'a' + (at % 23) as u8).collect()
}

/// A connection on which everything is answered with the file, of which `promised` bytes are told.
fn serve(promised: usize) -> (Served, Rc<File>) {
    let file = Rc::new(tempfile::tempfile().expect("a temporary file"));
    file.write_all_at(&bytes(), 0).expect("written");
    let shared = file.clone();
    let answer = move || {
        let file = shared.try_clone().expect("a descriptor");
        let pieces = [
            Piece::Bytes(b"before ".to_vec()),
            Piece::Range(0..0),
            Piece::Range(0..promised as u64),
        ];
        Found {
            answer: Answer {
                status: 200,
                fields: Vec::new(),
                body: Vec::new(),
            },
            file: Some(FileBody::new(file, pieces)),
        }
    };
    let script = Script {
        file: Some(Rc::new(answer)),
        ..Script::default()
    };
    (serve_script(script), file)
}

async fn read(served: &mut Served, count: usize) -> Vec<u8> {
    let mut read = Vec::new();
    while read.len() < count {
        match served.client.byte().await {
            Some(byte) => read.push(byte),
            None => break,
        }
    }
    read
}

#[tokio::test]
async fn a_file_goes_through_buffers_that_are_smaller() {
    locally(async {
        let (mut served, _) = serve(LENGTH);
        for _ in 0..2 {
            served.client.send(GET).await;
            let head = served.client.head().await;
            assert!(head.contains("content-length: 300007\r\n"), "{head}");
            let body = read(&mut served, LENGTH + 7).await;
            assert!(body == [b"before ", &bytes()[..]].concat());
        }
        served
            .client
            .send("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n")
            .await;
        assert!(
            served
                .client
                .head()
                .await
                .contains("content-length: 300007\r\n")
        );
        served.client.send(GET).await;
        assert!(
            served
                .client
                .head()
                .await
                .starts_with("HTTP/1.1 200 OK\r\n")
        );
    })
    .await;
}

#[tokio::test]
async fn a_file_that_is_shorter_than_it_was_is_broken_off() {
    locally(async {
        let (mut served, _) = serve(LENGTH + 1);
        served.client.send(GET).await;
        served.client.head().await;
        assert!(read(&mut served, LENGTH + 8).await.len() <= LENGTH + 7);
        assert_eq!(served.fault(), Some(Fault::Broke));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_not_waited_for_for_ever() {
    locally(async {
        let (mut served, _) = serve(LENGTH);
        served.client.send(GET).await;
        served.client.head().await;
        tokio::time::sleep(Duration::from_secs(61)).await;
        assert_eq!(served.fault(), Some(Fault::ClientTooSlow));
    })
    .await;
}
