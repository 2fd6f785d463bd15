//! A process without a file descriptor left. In a binary of its own, as it takes them from all its threads.

#![allow(clippy::unwrap_used)]

// Not all of it is needed here.
#[allow(dead_code)]
#[path = "../proxy/support.rs"]
mod support;

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpStream;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

use crate::support::*;

/// Few enough to be used up at once.
const FILES: u64 = 128;

/// Longer than accepting pauses: the system is asked several times in vain.
const A_WHILE: Duration = Duration::from_millis(350);

/// Counts the errors that are logged about accepting.
struct Errors(Arc<AtomicUsize>);

impl Subscriber for Errors {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::ERROR
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        struct Message(bool);
        impl Visit for Message {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                self.0 |= field.name() == "message" && format!("{value:?}").contains("accept");
            }
        }
        let mut message = Message(false);
        event.record(&mut message);
        self.0.fetch_add(usize::from(message.0), Ordering::SeqCst);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Takes all descriptors that there are.
fn take_all() -> Vec<File> {
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

async fn ask(client: &mut Peer, upstream: &mut Peer) {
    client.send(GET).await;
    upstream.head().await;
    upstream.send(OK).await;
    assert!(client.until("ok").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn accepting_pauses_until_there_are_some_and_says_so_once() {
    let errors = Arc::new(AtomicUsize::new(0));
    tracing::subscriber::set_global_default(Errors(errors.clone())).unwrap();
    let maximum = getrlimit(Resource::Nofile).maximum;
    let current = Some(FILES);
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).unwrap();

    let origin = Origin::new().await;
    let other = proxy(&[origin.address]).await;
    let proxy = proxy(&[origin.address]).await;
    let mut first = proxy.client().await;
    first.send(GET).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;

    let mut files = take_all();
    // The last descriptor is the client's, and none is left for the proxy's end.
    files.pop();
    let mut second = proxy.client().await;
    second.send(GET).await;
    until(|| errors.load(Ordering::SeqCst) > 0).await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(errors.load(Ordering::SeqCst), 1);

    // Who is there goes on.
    upstream.send(OK).await;
    first.until("ok").await;
    ask(&mut first, &mut upstream).await;

    drop(files);
    upstream.head().await;
    upstream.send(OK).await;
    assert!(second.until("ok").await.starts_with("HTTP/1.1 200 "));
    assert_eq!(errors.load(Ordering::SeqCst), 1);

    // One that closes meanwhile waits no longer, and is closed.
    let mut files = take_all();
    files.pop();
    let _unheard = other.client().await;
    until(|| errors.load(Ordering::SeqCst) > 1).await;
    assert_eq!(other.server.drain(PATIENCE).await, 0);
    files.pop();
    let refused = TcpStream::connect(other.address).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);

    // Who waits then is served with what those leave who are idle.
    files.extend(take_all());
    files.pop();
    let mut third = proxy.client().await;
    third.send(GET).await;
    until(|| errors.load(Ordering::SeqCst) > 2).await;
    let server = proxy.server.clone();
    let drained = tokio::spawn(async move { server.drain(PATIENCE).await });
    upstream.head().await;
    assert!(!drained.is_finished());
    upstream.send(OK).await;
    assert!(third.rest().await.starts_with("HTTP/1.1 200 "));
    drop(third);
    assert_eq!(drained.await.unwrap(), 0);
}
