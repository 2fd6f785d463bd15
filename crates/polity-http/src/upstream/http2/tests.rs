//! Shared connections in memory, on a clock that is turned.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use http::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tokio::time::{Instant, advance};

use super::*;
use crate::connection::tests::memory::{Memory, Peer, pair};
use crate::limits::{HTTP2_SILENCE, HTTP2_UPSTREAM_STREAMS};

const PATIENCE: Duration = Duration::from_secs(5);

type Asked = (Request<h2::RecvStream>, SendResponse<Bytes>);

/// Connects to an origin that tells what it is asked.
#[derive(Clone)]
struct Dials {
    peers: mpsc::UnboundedSender<Peer>,
    /// Whether it refuses.
    refuses: bool,
}

impl Dial for Dials {
    type Stream = Memory;

    async fn dial(&self, _: SocketAddr) -> io::Result<Memory> {
        if self.refuses {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (memory, peer) = pair();
        self.peers.send(peer).expect("the test listens");
        Ok(memory)
    }
}

struct World {
    pool: Http2Pool,
    dials: Dials,
    peers: mpsc::UnboundedReceiver<Peer>,
}

impl World {
    fn new() -> Self {
        let (sender, peers) = mpsc::unbounded_channel();
        let dials = Dials {
            peers: sender,
            refuses: false,
        };
        Self {
            pool: Http2Pool::default(),
            dials,
            peers,
        }
    }

    async fn open(&self) -> Result<Http2Stream, Fault> {
        let address = ([127, 0, 0, 1], 3).into();
        self.pool.open(&self.dials, address, PATIENCE).await
    }

    /// The next connection, served until its client ends it: what comes is told.
    async fn origin(&mut self) -> mpsc::UnboundedReceiver<Asked> {
        let peer = self.peers.recv().await.expect("it connects");
        let (sender, asked) = mpsc::unbounded_channel();
        tokio::task::spawn_local(async move {
            let mut connection = h2::server::handshake(peer.stream).await.expect("HTTP/2");
            while let Some(Ok(request)) = connection.accept().await {
                // The test may be over.
                let _ = sender.send(request);
            }
        });
        asked
    }

    fn has_connected(&mut self) -> bool {
        self.peers.try_recv().is_ok()
    }
}

async fn ask(stream: &mut Http2Stream) {
    let request = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    stream.write_all(request).await.expect("open");
}

async fn answered(stream: &mut Http2Stream, asked: &mut mpsc::UnboundedReceiver<Asked>) {
    ask(stream).await;
    let (_, mut respond) = asked.recv().await.expect("it was asked");
    respond
        .send_response(Response::new(()), true)
        .expect("open");
    let mut head = String::new();
    stream.read_to_string(&mut head).await.expect("an answer");
    assert_eq!(head, "HTTP/1.1 200 \r\ncontent-length: 0\r\n\r\n");
}

/// A world with a connection that has answered one request.
async fn settled() -> (World, mpsc::UnboundedReceiver<Asked>) {
    let mut world = World::new();
    let (first, mut asked) = {
        let dials = world.dials.clone();
        let address = ([127, 0, 0, 1], 3).into();
        let pool = std::mem::take(&mut world.pool);
        let (first, asked) = tokio::join!(pool.open(&dials, address, PATIENCE), world.origin());
        world.pool = pool;
        (first, asked)
    };
    let mut first = first.expect("it answers");
    answered(&mut first, &mut asked).await;
    drop(first);
    (world, asked)
}

#[tokio::test(start_paused = true)]
async fn a_connection_of_which_nothing_comes_is_given_no_more() {
    let test = async {
        let (mut world, mut asked) = settled().await;
        // One that is given up soon says nothing.
        let mut impatient = world.open().await.expect("it is there");
        ask(&mut impatient).await;
        let _held = asked.recv().await.expect("it was asked");
        advance(HTTP2_SILENCE - Duration::from_millis(1)).await;
        drop(impatient);
        let mut patient = world.open().await.expect("it is there");
        assert!(!world.has_connected());
        ask(&mut patient).await;
        let _held = asked.recv().await.expect("it was asked");
        advance(HTTP2_SILENCE).await;
        drop(patient);
        let other = tokio::task::spawn_local({
            let dials = world.dials.clone();
            let pool = std::mem::take(&mut world.pool);
            async move {
                pool.open(&dials, ([127, 0, 0, 1], 3).into(), PATIENCE)
                    .await
                    .is_ok()
            }
        });
        world.origin().await;
        assert!(other.await.expect("it ends"));
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_ended_in_order_and_a_busy_one_is_not() {
    let test = async {
        let (world, mut asked) = settled().await;
        let age = HTTP2_SILENCE / 3;
        let now = || Instant::now().into_std();
        let busy = world.open().await.expect("it is there");
        advance(age * 2).await;
        world.pool.sweep(now(), age);
        drop(busy);
        world.pool.sweep(now(), age);
        assert!(world.pool.take(([127, 0, 0, 1], 3).into()).is_some());
        advance(age).await;
        world.pool.sweep(now(), age);
        assert!(world.pool.take(([127, 0, 0, 1], 3).into()).is_none());
        assert!(asked.recv().await.is_none(), "it is over");
        assert!(world.pool.hosts.borrow().is_empty());
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn all_who_wait_for_a_connection_are_told_that_there_is_none() {
    let test = async {
        let mut world = World::new();
        world.dials.refuses = true;
        let refused = Some(Fault::Connect(io::ErrorKind::ConnectionRefused));
        let (one, other) = tokio::join!(world.open(), world.open());
        assert_eq!((one.err(), other.err()), (refused.clone(), refused));
        world.dials.refuses = false;
        // It accepts, and says nothing.
        let silent = world.open().await;
        assert_eq!(silent.err(), Some(Fault::ConnectTimeout));
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn who_began_to_connect_may_leave_before_the_others() {
    let test = async {
        let mut world = World::new();
        let dials = world.dials.clone();
        let pool = Rc::new(std::mem::take(&mut world.pool));
        let open = || {
            let (pool, dials) = (pool.clone(), dials.clone());
            tokio::task::spawn_local(async move {
                pool.open(&dials, ([127, 0, 0, 1], 3).into(), PATIENCE)
                    .await
            })
        };
        let (first, second) = (open(), open());
        tokio::task::yield_now().await;
        first.abort();
        world.origin().await;
        assert!(second.await.expect("it ends").is_ok());
        assert!(!world.has_connected());
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_beyond_the_bound_has_another_connection() {
    let test = async {
        let (mut world, _asked) = settled().await;
        let streams: Vec<_> = (0..HTTP2_UPSTREAM_STREAMS)
            .map(|_| world.pool.take(([127, 0, 0, 1], 3).into()).expect("room"))
            .collect();
        assert!(world.pool.take(([127, 0, 0, 1], 3).into()).is_none());
        assert!(!world.has_connected());
        drop(streams);
        assert!(world.pool.take(([127, 0, 0, 1], 3).into()).is_some());
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn a_read_before_the_request_waits_for_it() {
    let test = async {
        let (world, mut asked) = settled().await;
        let mut stream = world.open().await.expect("it is there");
        let early = poll_fn(|context| {
            let mut space = [0; 8];
            let mut buffer = tokio::io::ReadBuf::new(&mut space);
            let read = tokio::io::AsyncRead::poll_read(Pin::new(&mut stream), context, &mut buffer);
            std::task::Poll::Ready(read.is_pending())
        });
        assert!(early.await);
        answered(&mut stream, &mut asked).await;
    };
    LocalSet::new().run_until(test).await;
}
