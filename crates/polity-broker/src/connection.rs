//! One client's connection: its requests are taken up one after the other and answered in order.
//!
//! As in Kafka, the next request is taken up when the one before it has its answer, with one
//! exception: a Produce that is in the log but not yet on the disk lets the next request go ahead,
//! so that one flush of the disk serves all that a client has sent. The answers still leave in order.
//! A long poll holds up its own connection, and no other.

mod send;

use std::future::ready;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use kafka_protocol::messages::ApiKey;
use polity_runtime::Drain;
use tokio::net::TcpStream;
use tokio::net::tcp::ReadHalf;
use tokio::sync::mpsc;
use tokio::task::coop::consume_budget;

use crate::api::{self, Call, Refused};
use crate::limits::MAX_PENDING_ANSWERS;
use crate::node::Node;
use crate::server::Activity;
use crate::wire::answer::{Answer, Large, Reply};
use crate::wire::answers::{Answers, Held};
use crate::wire::frame::{Frame, FrameError, FrameReader};
use crate::wire::turn::timed;

#[cfg(test)]
mod large_tests;
#[cfg(all(test, target_os = "linux"))]
#[path = "connection_tests.rs"]
mod tests;
#[cfg(test)]
mod turn_tests;

/// Why a connection was closed by the broker.
#[derive(Debug, thiserror::Error)]
enum Closed {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("could not send an answer")]
    Send(#[source] std::io::Error),
    /// Writing has ended, and says why itself.
    #[error("its answers are no longer taken")]
    Unanswered,
}

/// What a request is to know of the connection it came by.
#[derive(Debug)]
pub(crate) struct Client {
    /// Where it comes from.
    pub(crate) peer: SocketAddr,
    /// Where it came to: by default it is told to come there again.
    pub(crate) local: SocketAddr,
}

/// Serves a connection until the client closes it, `drain` begins and what was asked has been
/// answered, or something is wrong with it.
pub(crate) async fn serve(
    mut stream: TcpStream,
    client: Client,
    node: Arc<Node>,
    activity: Activity,
    drain: Drain,
) {
    let (requests, to) = stream.split();
    let (answers, queue) = mpsc::channel(MAX_PENDING_ANSWERS);
    let queued = AtomicUsize::new(0);
    let outbox = Outbox {
        to: to.as_ref(),
        queue: answers,
        queued: &queued,
    };
    let serving = Serving {
        client: &client,
        node: &node,
        activity,
        drain,
        is_laborious: AtomicBool::new(false),
    };
    let reading = serving.read(requests, outbox);
    let writing = write(to.as_ref(), queue, &queued);
    // Reading may end first: what is in the queue is still written. An answer that cannot be
    // written ends both.
    let ended = tokio::try_join!(reading, writing);
    if let Err(error) = ended {
        tracing::debug!(peer = %client.peer, error = &error as &dyn std::error::Error, "connection closed");
    }
}

/// Whose requests are taken up, and for how long.
struct Serving<'a> {
    client: &'a Client,
    node: &'a Arc<Node>,
    activity: Activity,
    drain: Drain,
    /// Whether the last request that may take a while did.
    is_laborious: AtomicBool,
}

impl Serving<'_> {
    async fn read(&self, requests: ReadHalf<'_>, outbox: Outbox<'_>) -> Result<(), Closed> {
        let mut frames = FrameReader::new(requests, self.node.budget.clone());
        let mut draining = pin!(self.drain.signaled());
        loop {
            // Cancelling the read loses a request that has not fully come, and its client with it.
            let frame = tokio::select! {
                frame = frames.next() => frame,
                () = &mut draining => return Ok(()),
            };
            match self.handle(frame, &outbox).await {
                Ok(Some((Answer::None, _))) => {}
                Ok(Some(answer)) => outbox.give(answer).await?,
                Ok(None) => return Ok(()),
                Err(error) => {
                    // What came before it is answered all the same.
                    tracing::debug!(peer = %self.client.peer, error = &error as &dyn std::error::Error, "connection refused");
                    return Ok(());
                }
            }
        }
    }

    async fn handle(
        &self,
        frame: Result<Option<Frame>, FrameError>,
        outbox: &Outbox<'_>,
    ) -> Result<Option<Pending>, Closed> {
        let Some(frame) = frame? else { return Ok(None) };
        // Who sends many at once never waits for the next; others have a turn in between.
        consume_budget().await;
        self.activity.touch();
        let mut call = Call::read(frame)?;
        if !call.is_pipelined() {
            outbox.taken().await?;
        }
        call.prepare(&self.node.budget).await;
        Ok(Some(self.work(&mut call).await?))
    }
}

impl Serving<'_> {
    /// Has the request answered: one that may take a while in turn with others of that kind, so that those who
    /// ask for little go before it.
    async fn work(&self, call: &mut Call) -> Result<Pending, Refused> {
        let is_laborious = call.is_laborious() || self.is_laborious.load(Ordering::Relaxed);
        if call.is_quick() {
            return self.answer(call).await;
        }
        let turn = &self.node.budget.turn;
        let answering = timed(self.answer(call));
        let (answer, took) = match is_laborious {
            false => answering.await,
            true => turn.take(answering).await,
        };
        self.is_laborious
            .store(turn.is_laborious(took), Ordering::Relaxed);
        answer
    }

    async fn answer(&self, call: &mut Call) -> Result<Pending, Refused> {
        let answers = answers(self.node, call.key);
        if !call.is_small() {
            // The last wait before it is handled: who is let in by it and then waited for something
            // else would come upon room that others have taken meanwhile.
            answers.admit().await;
        }
        match api::handle(self.node, self.client, call).await? {
            Answer::Large(large) => self.make(call, large).await,
            answer => {
                let held = answers.hold(answer.weight());
                Ok((answer, held))
            }
        }
    }

    /// Makes a large answer, once there is room for it.
    async fn make(&self, call: &mut Call, mut large: Large) -> Result<Pending, Refused> {
        let answers = answers(self.node, call.key);
        let mut room = answers.try_room(large.size);
        loop {
            if let Some(held) = room.filter(|room| room.has_room_for(large.size)) {
                return Ok((Answer::Now(large.encode()?), Some(held)));
            }
            let size = large.size;
            if !call.is_only_asking() {
                room = Some(answers.room(size).await);
                continue;
            }
            // What it tells of may change meanwhile, and would be kept by each who waits to tell of it.
            drop(large);
            call.forgo_elements();
            room = Some(answers.room(size).await);
            large = match api::handle(self.node, self.client, call).await? {
                Answer::Large(large) => large,
                answer => {
                    let held = answers.hold(answer.weight());
                    return Ok((answer, held));
                }
            };
        }
    }
}

/// The way of answers to the client.
struct Outbox<'a> {
    to: &'a TcpStream,
    queue: mpsc::Sender<Pending>,
    /// How many wait in the queue, or are on their way from there.
    queued: &'a AtomicUsize,
}

impl Outbox<'_> {
    /// Waits until the queue is empty.
    async fn taken(&self) -> Result<(), Closed> {
        if self.queued.load(Ordering::Relaxed) > 0 {
            let room = self.queue.reserve_many(MAX_PENDING_ANSWERS).await;
            room.map_err(|_| Closed::Unanswered)?;
        }
        Ok(())
    }

    /// Sends an answer at once where none is before it, as is usual: a queue that is at once emptied would
    /// cost more than to send most of them.
    async fn give(&self, (answer, held): Pending) -> Result<(), Closed> {
        match answer {
            Answer::Now(reply) if self.queued.load(Ordering::Relaxed) == 0 => {
                let sent = send::send(self.to, reply, held.as_ref().map(Held::pressure));
                sent.await.map_err(Closed::Send)
            }
            answer => {
                self.queued.fetch_add(1, Ordering::Relaxed);
                let sent = self.queue.send((answer, held)).await;
                sent.map_err(|_| Closed::Unanswered)
            }
        }
    }
}

/// What answers to requests of this kind hold together: consumers do not wait because of others.
fn answers(node: &Node, key: ApiKey) -> &Answers {
    match key {
        ApiKey::Fetch => &node.fetch_answers,
        _ => &node.answers,
    }
}

/// An answer, and what it holds.
type Pending = (Answer, Option<Held>);

async fn write(
    stream: &TcpStream,
    queue: mpsc::Receiver<Pending>,
    queued: &AtomicUsize,
) -> Result<(), Closed> {
    let mut inbox = Inbox { queue, first: None };
    while let Some((mut reply, held)) = inbox.next().await? {
        let mut count = 1;
        // One flush of the disk brings many answers, and to send one costs more than to make it.
        while held.is_none()
            && let Some(next) = inbox.small().await?
        {
            reply.append(next);
            count += 1;
        }
        let sent = send::send(stream, reply, held.as_ref().map(Held::pressure));
        sent.await.map_err(Closed::Send)?;
        queued.fetch_sub(count, Ordering::Relaxed);
    }
    Ok(())
}

/// The other end of the queue.
struct Inbox {
    queue: mpsc::Receiver<Pending>,
    /// Out of the queue, and perhaps not there yet.
    first: Option<Pending>,
}

impl Inbox {
    /// The next answer, once it is there; none when no more will come.
    async fn next(&mut self) -> Result<Option<(Reply, Option<Held>)>, Closed> {
        self.settle().await?;
        Ok(self.take())
    }

    /// The next answer, if it is there already and holds nothing that counts.
    async fn small(&mut self) -> Result<Option<Reply>, Closed> {
        tokio::select! {
            biased;
            settled = self.settle() => settled?,
            () = ready(()) => return Ok(None),
        }
        match &self.first {
            Some((_, None)) => Ok(self.take().map(|(reply, _)| reply)),
            _ => Ok(None),
        }
    }

    /// Waits until the first is there. Cancelling it loses nothing.
    async fn settle(&mut self) -> Result<(), Closed> {
        if self.first.is_none() {
            self.first = self.queue.recv().await;
        }
        if let Some((answer, _)) = &mut self.first
            && let Answer::Later(later) = answer
        {
            let reply = later.reply.as_mut().await.map_err(Refused::from)?;
            *answer = Answer::Now(reply);
        }
        Ok(())
    }

    fn take(&mut self) -> Option<(Reply, Option<Held>)> {
        let (answer, held) = self.first.take()?;
        match answer {
            Answer::Now(reply) => Some((reply, held)),
            _ => Some((Reply::default(), held)),
        }
    }
}
