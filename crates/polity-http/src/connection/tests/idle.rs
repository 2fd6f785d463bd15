//! What counts as idle: neither an empty line nor an upload behind an early answer is what it looks like.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::memory::{ORIGIN, serve};
use super::{GET, locally};
use crate::Timeouts;

#[tokio::test(start_paused = true)]
async fn an_empty_line_after_a_request_leaves_the_connection_idle() {
    locally(async {
        let mut served = serve(&[ORIGIN], Duration::ZERO, None);
        served.client.send(GET).await;
        let mut origin = served.origin().await;
        origin.head().await;
        origin.send("HTTP/1.1 204 No\r\n\r\n").await;
        served.client.head().await;
        let start = Instant::now();
        served.client.send("\r\n").await;
        // No answer to a request that nobody has made.
        assert_eq!(served.client.until("never").await, "");
        assert_eq!(start.elapsed(), Timeouts::default().keep_alive);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn empty_lines_without_end_put_off_no_wait() {
    locally(async {
        let mut served = serve(&[ORIGIN], Duration::ZERO, None);
        let start = Instant::now();
        let patience = Timeouts::default().head;
        for line in ["\r\n", "\r", "\n", "\r\n\r\n\r"] {
            served.client.send(line).await;
            sleep(patience / 5).await;
        }
        served.client.send("\n").await;
        assert_eq!(served.client.until("never").await, "");
        assert_eq!(start.elapsed(), patience);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_goes_on_behind_the_head_of_its_answer_is_no_silence() {
    locally(async {
        let mut served = serve(&[ORIGIN], Duration::ZERO, None);
        let length = 4 * 64 * 1024;
        let head = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n");
        served.client.send(head).await;
        let mut origin = served.origin().await;
        origin.head().await;
        origin
            .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            .await;
        served.client.head().await;
        let pause = Timeouts::default().stream_idle * 2 / 3;
        let mut piece = vec![b'x'; length / 4];
        for _ in 0..4 {
            sleep(pause).await;
            let sending = served.client.send(&piece);
            let mut got = vec![0; piece.len()];
            let reading = tokio::io::AsyncReadExt::read_exact(&mut origin.stream, &mut got);
            let (read, ()) = tokio::join!(reading, sending);
            read.expect("it goes on");
            piece.fill(b'y');
        }
        origin.send("0\r\n\r\n").await;
        assert_eq!(served.client.until("0\r\n\r\n").await, "0\r\n\r\n");
        assert_eq!(served.fault(), None);
    })
    .await;
}
