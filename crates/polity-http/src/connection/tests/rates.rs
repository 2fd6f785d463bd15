//! Peers that move, and too little: what comes in drops is cut, what is slow or silent with good reason is not.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep};

use super::locally;
use super::memory::{ORIGIN, Peer, Served, serve};
use crate::Timeouts;
use crate::policy::Fault;

const HOUR: Duration = Duration::from_secs(3600);

/// A POST of `length` bytes on its way to its origin.
async fn upload(length: usize) -> (Served, Peer) {
    let mut served = serve(&[ORIGIN], Duration::ZERO, None);
    let head = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n");
    served.client.send(head).await;
    let mut origin = served.origin().await;
    origin.head().await;
    (served, origin)
}

/// Reads `size` bytes at once every `pause`, until nothing more comes.
async fn read_now_and_then(peer: &mut Peer, size: usize, pause: Duration) -> usize {
    let mut total = 0;
    let mut piece = vec![0; size];
    loop {
        sleep(pause).await;
        match peer.stream.read(&mut piece).await {
            Ok(0) | Err(_) => return total,
            Ok(read) => total += read,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_comes_in_drops_is_cut() {
    locally(async {
        let start = Instant::now();
        let (mut served, mut origin) = upload(1000).await;
        // Each well within the time that a silence may last.
        for _ in 0..1000 {
            if served.client.stream.write_all(b"x").await.is_err()
                || !served.outcomes.borrow().is_empty()
            {
                break;
            }
            origin.stream.read_u8().await.ok();
            sleep(Timeouts::default().body * 2 / 3).await;
        }
        assert!(served.client.head().await.starts_with("HTTP/1.1 408 "));
        assert_eq!(served.fault(), Some(Fault::ClientTooSlow));
        assert!(
            start.elapsed() < Timeouts::default().body * 4,
            "{:?}",
            start.elapsed()
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_large_body_over_a_slow_line_is_not_cut() {
    locally(async {
        let rate = Timeouts::default().min_body_rate.get() as usize;
        let (mut served, mut origin) = upload(rate * 3600).await;
        let start = Instant::now();
        for _ in 0..360 {
            sleep(Duration::from_secs(10)).await;
            let piece = vec![b'x'; rate * 10];
            let mut got = vec![0; rate * 10];
            let sending = served.client.stream.write_all(&piece);
            let (sent, read) = tokio::join!(sending, origin.stream.read_exact(&mut got));
            sent.and(read.map(|_| ())).expect("it goes on");
        }
        assert_eq!(start.elapsed(), HOUR);
        origin.send("HTTP/1.1 204 No\r\n\r\n").await;
        assert!(served.client.head().await.starts_with("HTTP/1.1 204 "));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_takes_a_body_slowly_is_not_laid_to_the_client() {
    locally(async {
        let length = 300_000;
        let (mut served, mut origin) = upload(length).await;
        let sending = tokio::task::spawn_local(async move {
            served.client.send(vec![b'x'; length]).await;
            served
        });
        // Less than the client would have to send; it could send more at any time.
        for _ in 0..100 {
            sleep(Timeouts::default().body * 2 / 3).await;
            origin.stream.read_u8().await.expect("it goes on");
        }
        origin
            .stream
            .read_exact(&mut vec![0; length - 100])
            .await
            .expect("it goes on");
        let served = sending.await.expect("it was all taken");
        assert!(served.outcomes.borrow().is_empty());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_in_drops_is_cut() {
    locally(async {
        let start = Instant::now();
        let mut served = serve(&[ORIGIN], Duration::ZERO, None);
        served.client.send(super::GET).await;
        let mut origin = served.origin().await;
        origin.head().await;
        origin
            .send("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
            .await;
        tokio::task::spawn_local(async move {
            // Until it is cut.
            origin.stream.write_all(&[b'x'; 1_000_000]).await.ok();
        });
        let pause = Timeouts::default().send * 2 / 3;
        read_now_and_then(&mut served.client, 1, pause).await;
        assert_eq!(served.fault(), Some(Fault::ClientTooSlow));
        // What had been sent when it was cut is read on at the same pace.
        assert!(start.elapsed() < pause * 1000, "{:?}", start.elapsed());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_over_a_slow_line_is_not_cut() {
    locally(async {
        let rate = Timeouts::default().min_send_rate.get() as usize;
        let mut served = serve(&[ORIGIN], Duration::ZERO, None);
        served.client.send(super::GET).await;
        let mut origin = served.origin().await;
        origin.head().await;
        let size = rate * 3600;
        origin
            .send(format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n"))
            .await;
        tokio::task::spawn_local(async move {
            origin.send(vec![b'x'; size]).await;
        });
        let start = Instant::now();
        served.client.head().await;
        let mut piece = vec![0; rate * 10];
        for _ in 0..360 {
            sleep(Duration::from_secs(10)).await;
            served
                .client
                .stream
                .read_exact(&mut piece)
                .await
                .expect("it goes on");
        }
        assert_eq!(start.elapsed(), HOUR);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_silence_of_an_instance_is_not_laid_to_the_client() {
    locally(async {
        let mut served = serve(&[ORIGIN], Duration::ZERO, None);
        served.client.send(super::GET).await;
        let mut origin = served.origin().await;
        origin.head().await;
        // A long poll, and then events with a pause before each.
        sleep(HOUR).await;
        origin
            .send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            .await;
        served.client.head().await;
        for _ in 0..10 {
            sleep(HOUR / 2).await;
            origin.send("1\r\na\r\n").await;
            served.client.until("1\r\na\r\n").await;
        }
        assert!(served.outcomes.borrow().is_empty());
    })
    .await;
}
