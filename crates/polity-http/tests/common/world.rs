//! A proxy between one client and its instances, all in memory and on one thread, in time that passes
//! only when all of them wait.

use std::rc::Rc;

use polity_http::{Local, Timeouts};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::task::{LocalSet, spawn_local};

use crate::memory::{End, MemoryDial, Pieces, connection};
use crate::policy::{Forward, SOMEWHERE};

/// What a client does.
pub(crate) struct Client<'a> {
    pub(crate) sends: &'a [u8],
    pub(crate) then: Ending,
}

/// How a client ends what it sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It closes its sending side.
    HalfClose,
    /// It waits for the proxy to close.
    Wait,
}

/// The pieces in which bytes travel.
#[derive(Debug, Clone, Default)]
pub(crate) struct Network {
    pub(crate) from_client: Pieces,
    pub(crate) to_client: Pieces,
    pub(crate) to_instance: Pieces,
    pub(crate) from_instance: Pieces,
}

/// What a client got.
pub(crate) struct Got {
    pub(crate) bytes: Vec<u8>,
    /// It ended with a reset.
    pub(crate) reset: bool,
}

/// Where worlds run.
pub(crate) fn runtime() -> Runtime {
    let mut builder = Builder::new_current_thread();
    let built = builder.enable_time().start_paused(true).build();
    built.expect("a runtime without I/O")
}

/// Runs a connection to its end. `instance` plays the far side of each connection to one, given its number.
pub(crate) fn run<F: Future<Output = ()> + 'static>(
    runtime: &Runtime,
    policy: Forward,
    network: Network,
    client: &Client<'_>,
    instance: impl Fn(usize, End) -> F + 'static,
) -> Got {
    let (made, mut connections) = mpsc::unbounded_channel();
    let dial = MemoryDial {
        made,
        pieces: Rc::new((network.to_instance, network.from_instance)),
    };
    let (far, near) = connection(network.from_client, network.to_client);
    let tasks = LocalSet::new();
    tasks.spawn_local(async move {
        let mut number = 0;
        while let Some(end) = connections.recv().await {
            spawn_local(instance(number, end));
            number += 1;
        }
    });
    tasks.block_on(runtime, async {
        let local = Local::new(policy, dial, Timeouts::default());
        let served = spawn_local(async move { local.serve((), SOMEWHERE, near).await });
        let got = talk(far, client).await;
        served.await.expect("the proxy does not panic");
        got
    })
}

async fn talk(mut end: End, client: &Client<'_>) -> Got {
    let (mut reader, mut writer) = tokio::io::split(&mut end);
    let write = async {
        // What the proxy no longer takes, it has refused.
        let _ = writer.write_all(client.sends).await;
        if client.then == Ending::HalfClose {
            let _ = writer.shutdown().await;
        }
    };
    let mut bytes = Vec::new();
    let (read, ()) = tokio::join!(reader.read_to_end(&mut bytes), write);
    Got {
        bytes,
        reset: read.is_err(),
    }
}
