//! Answers to clients that take their time.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use polity_log::RealDisk;
use polity_log::disk::Disk;
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_send_buffer_size};
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, advance, sleep, timeout};

use super::*;
use crate::limits::{PRESSED_ANSWERS, STALL_TIMEOUT};
use crate::testing::{Standstill, connection};

/// More than a connection's buffers hold.
const LARGE: usize = 64 * 1024 * 1024;

/// What one end of a connection holds where it matters, about.
const BUFFER: usize = 256 * 1024;

fn large() -> Reply {
    Reply(vec![Part::Bytes(Bytes::from(vec![0; LARGE]))])
}

fn is_given_up(sent: &io::Result<()>) -> bool {
    matches!(sent, Err(error) if error.kind() == io::ErrorKind::TimedOut)
}

#[tokio::test(start_paused = true)]
async fn who_takes_nothing_is_given_up_and_the_file_closed() {
    let (_near, far) = connection().await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("segment");
    let file = Arc::new(RealDisk.create(&path).expect("a file"));
    file.truncate(LARGE as u64).expect("it is long");
    let piece = Slice {
        file: file.clone(),
        position: 0,
        length: LARGE,
    };
    let begun = Instant::now();
    let sent = send(&far, Reply(vec![Part::File(piece)]), None).await;
    assert!(is_given_up(&sent), "{sent:?}");
    assert!(begun.elapsed() <= STALL_TIMEOUT + Duration::from_secs(1));
    assert_eq!(Arc::strong_count(&file), 1);
}

#[tokio::test(start_paused = true)]
async fn who_takes_drops_is_given_up() {
    let (mut near, far) = connection().await;
    let drinking = tokio::spawn(async move {
        let mut drop = vec![0; 256 * 1024];
        while near.read(&mut drop).await.is_ok_and(|read| read > 0) {
            sleep(STALL_TIMEOUT / 2).await;
        }
    });
    let begun = Instant::now();
    let sent = send(&far, large(), None).await;
    assert!(is_given_up(&sent), "{sent:?}");
    assert!(
        begun.elapsed() < Duration::from_secs(5 * 60),
        "{:?}",
        begun.elapsed()
    );
    drop(far);
    drinking.await.expect("it ends");
}

#[tokio::test(start_paused = true)]
async fn who_keeps_the_pace_is_waited_for() {
    let _still = Standstill::begin();
    let (mut near, far) = connection().await;
    set_socket_recv_buffer_size(&near, BUFFER).expect("it may be set");
    set_socket_send_buffer_size(&far, BUFFER).expect("it may be set");
    let reading = tokio::spawn(async move {
        // More than the buffers hold: some of it is sent after the time that has passed last.
        let mut chunk = vec![0; LARGE / 4];
        for _ in 0..4 {
            advance(STALL_TIMEOUT - Duration::from_secs(1)).await;
            near.read_exact(&mut chunk).await.expect("it goes on");
        }
    });
    send(&far, large(), None).await.expect("it is sent");
    reading.await.expect("it ends");
}

#[tokio::test(start_paused = true)]
async fn while_others_wait_for_what_it_holds_the_pace_is_quicker() {
    let (_near, far) = connection().await;
    let pressure = Pressure::new(PRESSED_ANSWERS);
    let sending = send(&far, large(), Some(&pressure));
    tokio::pin!(sending);
    let patience = PRESSED_ANSWERS[0].1;
    assert!(timeout(3 * patience, &mut sending).await.is_err());
    let _waiting = pressure.wait();
    let sent = timeout(patience, sending).await;
    assert!(sent.is_ok_and(|sent| is_given_up(&sent)));
}
