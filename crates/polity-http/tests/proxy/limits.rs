//! What clients may ask: connections, requests, heads; and who makes room for whom.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering;
use std::time::Duration;

use polity_http::socket::{Claim, listen_shared};
use polity_http::{Limits, ListenerId, Protocol, Server, Timeouts};
use polity_runtime::DataPlane;
use tokio::net::TcpSocket;

use crate::support::*;

const GREEDY: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));
const EXEMPT: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 4));

/// A proxy to an origin that always answers, on several threads that share an address.
async fn limited(threads: usize, limits: Limits) -> Proxy {
    let origin = Origin::new().await;
    let mut policy = proxy(&[origin.address]).await.policy;
    tokio::spawn(answer_all(origin));
    policy.exempt = Some(EXEMPT);
    let plane = DataPlane::start(threads).unwrap();
    let made = policy.clone();
    let server = Server::start(&plane, long(), move || made.clone()).unwrap();
    server.set_limits(limits).await;
    let host = Some(Ipv4Addr::LOCALHOST.into());
    let sockets = listen_shared(host, 0, threads, Claim::Alone).unwrap();
    let address = sockets[0].local_addr().unwrap();
    for (thread, socket) in sockets.into_iter().enumerate() {
        let id = ListenerId(0);
        server.listen(id, thread, socket, ()).await.unwrap();
    }
    Proxy {
        address,
        policy,
        server,
    }
}

async fn answer_all(origin: Origin) {
    loop {
        let mut upstream = origin.accept().await;
        tokio::spawn(async move {
            loop {
                upstream.head().await;
                upstream.send(OK).await;
            }
        });
    }
}

/// A connection from `source` on which a request was answered.
async fn served(source: IpAddr, proxy: &Proxy) -> Option<Peer> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(source, 0)).unwrap();
    // It may be reset before it is known to be there.
    let mut client = Peer::new(socket.connect(proxy.address).await.ok()?);
    is_served(&mut client).await.then_some(client)
}

/// Whether a request on this connection is answered.
async fn is_served(client: &mut Peer) -> bool {
    use tokio::io::AsyncWriteExt;
    // The other side may have closed it already.
    let sent = client.stream.write_all(GET.as_bytes()).await;
    sent.is_ok() && client.answer_or_end().await
}

/// A connection from `source` that is served, once one can be had.
async fn served_from(source: IpAddr, proxy: &Proxy) -> Peer {
    for _ in 0..1000 {
        if let Some(client) = served(source, proxy).await {
            return client;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("no connection is served");
}

#[tokio::test]
async fn an_address_at_its_limit_is_refused_more_and_disturbs_no_other() {
    let limits = Limits {
        connections_per_address: Some(3),
        ..Limits::default()
    };
    let proxy = limited(2, limits).await;
    let mut greedy = Vec::new();
    for _ in 0..3 {
        greedy.push(
            served(GREEDY, &proxy)
                .await
                .expect("it is within its limit"),
        );
    }
    // Whichever thread a connection comes to.
    for _ in 0..16 {
        assert!(served(GREEDY, &proxy).await.is_none());
        assert!(served(OTHER, &proxy).await.is_some());
    }
    for client in &mut greedy {
        assert!(is_served(client).await, "those that there are go on");
    }
    greedy.pop();
    served_from(GREEDY, &proxy).await;
}

#[tokio::test]
async fn who_speaks_for_many_has_no_limit() {
    let limits = Limits {
        connections_per_address: Some(1),
        ..Limits::default()
    };
    let proxy = limited(2, limits).await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(served(EXEMPT, &proxy).await.expect("it has no limit"));
    }
}

#[tokio::test]
async fn a_limit_changes_on_listeners_that_run() {
    let limits = |most| Limits {
        connections_per_address: Some(most),
        ..Limits::default()
    };
    let proxy = limited(2, limits(1)).await;
    let mut first = served_from(GREEDY, &proxy).await;
    assert!(served(GREEDY, &proxy).await.is_none());
    proxy.server.set_limits(limits(2)).await;
    let mut second = served(GREEDY, &proxy).await.expect("it may have two now");
    proxy.server.set_limits(limits(1)).await;
    assert!(is_served(&mut first).await && is_served(&mut second).await);
    drop(second);
    assert!(served(GREEDY, &proxy).await.is_none());
}

fn at_most(connections: usize) -> Limits {
    Limits {
        connections,
        ..Limits::default()
    }
}

#[tokio::test]
async fn the_longest_idle_connection_makes_room_for_a_new_one() {
    let proxy = limited(1, at_most(2)).await;
    let mut first = proxy.client().await;
    assert!(is_served(&mut first).await);
    let mut second = proxy.client().await;
    assert!(is_served(&mut second).await);
    let mut third = proxy.client().await;
    assert!(is_served(&mut third).await);
    assert_eq!(first.rest().await, "");
    assert!(is_served(&mut second).await);
}

#[tokio::test]
async fn connections_that_never_sent_a_byte_make_room_too() {
    let proxy = limited(1, at_most(4)).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(proxy.client().await);
    }
    assert!(is_served(&mut proxy.client().await).await);
    assert_eq!(silent[0].rest().await, "");
}

#[tokio::test]
async fn connections_with_half_a_head_make_room_if_none_is_idle() {
    let proxy = limited(1, at_most(2)).await;
    let (half, rest) = GET.split_at(10);
    let mut first = proxy.client().await;
    first.send(half).await;
    let mut idle = proxy.client().await;
    assert!(is_served(&mut idle).await);
    let mut second = proxy.client().await;
    second.send(half).await;
    assert_eq!(idle.rest().await, "");
    let mut third = proxy.client().await;
    assert!(is_served(&mut third).await);
    assert_eq!(first.rest().await, "");
    second.send(rest).await;
    assert!(second.answer_or_end().await);
}

/// A proxy for one connection, whose client's request is with the origin, and the client that waits.
async fn full() -> (Proxy, Origin, Peer, Peer, Peer) {
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    proxy.server.set_limits(at_most(1)).await;
    let mut busy = proxy.client().await;
    busy.send(GET).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    let mut waiting = proxy.client().await;
    waiting.send(GET).await;
    (proxy, origin, busy, upstream, waiting)
}

#[tokio::test]
async fn a_connection_with_a_request_is_not_closed_for_another() {
    let (_proxy, _origin, mut busy, mut upstream, mut waiting) = full().await;
    upstream.send(OK).await;
    assert!(busy.rest().await.ends_with("ok"), "its answer is whole");
    upstream.head().await;
    upstream.send(OK).await;
    assert!(waiting.until("ok").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_full_listener_that_closes_serves_who_waits() {
    let (proxy, origin, mut busy, mut upstream, mut waiting) = full().await;
    proxy.server.close(ListenerId(0)).await;
    let mut second = origin.accept().await;
    second.head().await;
    for upstream in [&mut upstream, &mut second] {
        upstream.send(OK).await;
    }
    assert!(busy.rest().await.ends_with("ok"));
    assert!(waiting.rest().await.ends_with("ok"));
}

#[tokio::test]
async fn the_last_request_of_a_connection_is_told_so() {
    let limits = Limits {
        requests_per_connection: Some(3),
        ..Limits::default()
    };
    let proxy = limited(1, limits).await;
    let mut client = proxy.client().await;
    // In a pipeline: those behind the last are not answered.
    client.send(GET.repeat(5)).await;
    for _ in 0..2 {
        assert!(!client.until("ok").await.contains("connection:"));
    }
    let last = client.rest().await;
    assert!(
        last.contains("connection: close\r\n") && last.ends_with("ok"),
        "{last}"
    );
    assert_eq!(last.matches("HTTP/1.1 200 ").count(), 1);
}

#[tokio::test]
async fn a_client_that_asks_for_more_behind_its_last_answer_is_not_reset() {
    let limits = Limits {
        requests_per_connection: Some(1),
        ..Limits::default()
    };
    let proxy = limited(1, limits).await;
    let mut client = proxy.client().await;
    client.send(GET).await;
    assert!(client.rest().await.ends_with("ok"));
    // A reset, which would take along what of the answer is still on its way, comes of the first
    // and fails the second.
    client.send(GET).await;
    client.send(GET).await;
}

#[tokio::test]
async fn heads_are_held_to_the_limits_however_they_come() {
    let limits = Limits {
        header_count: 3,
        header_size: 200,
        ..Limits::default()
    };
    let proxy = limited(1, limits).await;
    let head = |fields: usize, size: usize| {
        let mut head = "GET / HTTP/1.1\r\nhost: a\r\n".to_owned();
        (1..fields).for_each(|index| head.push_str(&format!("x{index}: 1\r\n")));
        let rest = size.saturating_sub(head.len() + "\r\n".len());
        match rest.checked_sub(1 + "x: \r\n".len()) {
            // What one more field fills up.
            Some(value) if fields < 3 => {
                head.push_str(&format!("x: {}\r\n", "v".repeat(value + 1)))
            }
            _ => {}
        }
        head + "\r\n"
    };
    for (head, status) in [
        (head(3, 0), 200),
        (head(4, 0), 431),
        (head(1, 200), 200),
        (head(1, 201), 431),
    ] {
        for piece in [head.len(), 7] {
            let mut client = proxy.client().await;
            for bytes in head.as_bytes().chunks(piece) {
                client.send(bytes).await;
                tokio::task::yield_now().await;
            }
            let answer = client.head().await;
            let expected = format!("HTTP/1.1 {status} ");
            assert!(
                answer.starts_with(&expected),
                "{head:?} by {piece}: {answer}"
            );
        }
    }
}

#[tokio::test]
async fn a_head_that_drips_is_cut_by_the_time_for_the_whole() {
    let timeouts = Timeouts {
        head: Duration::from_millis(200),
        ..long()
    };
    let proxy = proxy_with(&[], Protocol::Http, timeouts, PATIENCE).await;
    let client = proxy.client().await;
    let (mut reader, mut writer) = client.stream.into_split();
    let drip = async {
        use tokio::io::AsyncWriteExt;
        let endless = GET.trim_end().bytes().chain(std::iter::repeat(b'x'));
        for byte in endless {
            if writer.write_all(&[byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let mut answer = String::new();
    let read = async {
        use tokio::io::AsyncReadExt;
        // It may end in a reset: the client goes on sending.
        let _ = reader.read_to_string(&mut answer).await;
    };
    let cut = async { tokio::join!(drip, read) };
    tokio::time::timeout(PATIENCE, cut).await.expect("an end");
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn a_panic_ends_its_connection_only() {
    let limits = Limits {
        connections_per_address: Some(3),
        ..Limits::default()
    };
    let origin = Origin::new().await;
    let proxy = proxy(&[origin.address]).await;
    proxy.server.set_limits(limits).await;
    let mut busy = proxy.client().await;
    busy.send(GET).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    // More often than there are places for its address: each must be given back.
    for _ in 0..5 {
        let mut broken = proxy.client().await;
        broken
            .send(format!("GET {PANIC} HTTP/1.1\r\nhost: a\r\n\r\n"))
            .await;
        assert_eq!(broken.rest_or_reset().await.0, b"");
    }
    upstream.send(OK).await;
    assert!(busy.until("ok").await.starts_with("HTTP/1.1 200 "));
    // The kept connection to the origin is still in its pool.
    let mut next = proxy.client().await;
    next.send(GET).await;
    upstream.head().await;
    upstream.send(OK).await;
    next.until("ok").await;
    until(|| proxy.policy.live.load(Ordering::SeqCst) == 0).await;
    assert_eq!(proxy.server.drain(PATIENCE).await, 0, "none is left over");
}
