//! Fetch: record batches out of partitions, as they lie in their files.

mod response;

use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::FetchRequest;
use polity_log::disk::RealFile;
use polity_log::{Isolation, Offset, Read, Watch};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::api::{self, Call, Refused};
use crate::errors::Failure;
use crate::fetch_sessions::{Session, TopicKey, Tracked};
use crate::limits::{MAX_FETCH_BYTES, MAX_FETCH_WAIT};
use crate::node::{Node, Partition, Topic};
use crate::wire::answer::Answer;

/// What one partition is answered.
struct Outcome {
    /// Which of the session's.
    place: usize,
    found: Result<Read<RealFile>, Failure>,
}

/// What all partitions are answered.
#[derive(Default)]
struct Round {
    outcomes: Vec<Outcome>,
    bytes: usize,
    has_failed: bool,
}

/// Answers when there are as many bytes as the client wants at least, or it has waited as long as it
/// wants to, or something is wrong with what it asks for.
pub(crate) async fn handle(node: &Arc<Node>, call: &Call) -> Result<Answer, Refused> {
    let request: FetchRequest = call.decode()?;
    let mut session = match node.fetch_sessions.begin(&request) {
        Ok(session) => session,
        Err(error) => return Ok(Answer::Now(response::refused(call, error))),
    };
    let round = wait(node, &session, &request).await;
    let reply = response::encode(call, &mut session, round);
    Ok(Answer::Now(reply))
}

async fn wait(node: &Node, session: &Session, request: &FetchRequest) -> Round {
    let asked = Asked {
        isolation: api::isolation(request.isolation_level),
        max_bytes: usize::try_from(request.max_bytes)
            .unwrap_or(0)
            .min(MAX_FETCH_BYTES),
    };
    let enough = usize::try_from(request.min_bytes).unwrap_or(0);
    let is_done = |round: &Round| round.has_failed || round.bytes >= enough;
    let round = read(node, session, asked);
    let patience = Duration::from_millis(request.max_wait_ms.max(0).unsigned_abs().into());
    if is_done(&round) || patience.is_zero() || session.partitions.is_empty() {
        return round;
    }
    let deadline = Instant::now() + patience.min(MAX_FETCH_WAIT);
    let signal = Arc::new(Signal::default());
    let waker = Waker::from(signal.clone());
    loop {
        // To be told of what comes after the read, watch before it.
        let watches = watch(node, session, &waker);
        let round = read(node, session, asked);
        if is_done(&round) {
            return round;
        }
        // Cancelling either loses nothing.
        let is_over = tokio::select! {
            woken = timeout_at(deadline, signal.0.notified()) => woken.is_err(),
            () = node.stopping() => true,
        };
        drop(watches);
        if is_over {
            return read(node, session, asked);
        }
    }
}

/// Wakes a fetch when one of its partitions moves on.
#[derive(Default)]
struct Signal(Notify);

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

fn watch(node: &Node, session: &Session, waker: &Waker) -> Vec<Watch> {
    let partitions = session.partitions.iter().filter_map(|tracked| {
        let topic = topic(node, &tracked.topic).ok()?;
        Some(topic.partition(tracked.partition)?.watch(waker))
    });
    partitions.collect()
}

#[derive(Clone, Copy)]
struct Asked {
    isolation: Isolation,
    max_bytes: usize,
}

/// Reads each partition, beginning where the last answer left off. The first batch is given however
/// large it is, so that a client makes progress (KIP-74).
fn read(node: &Node, session: &Session, asked: Asked) -> Round {
    let mut round = Round::default();
    let (before, from) = session.partitions.split_at(session.first);
    let places = (session.first..).zip(from).chain((0..).zip(before));
    for (place, tracked) in places {
        let left = asked.max_bytes.saturating_sub(round.bytes);
        let mut found = read_one(node, tracked, asked.isolation, left);
        match &mut found {
            Ok(read) => {
                let is_too_much = |length| round.bytes > 0 && length > left;
                if read
                    .slice
                    .as_ref()
                    .is_some_and(|slice| is_too_much(slice.length))
                {
                    read.slice = None;
                }
                round.bytes += read.slice.as_ref().map_or(0, |slice| slice.length);
            }
            Err(_) => round.has_failed = true,
        }
        round.outcomes.push(Outcome { place, found });
    }
    round
}

fn read_one(
    node: &Node,
    tracked: &Tracked,
    isolation: Isolation,
    left: usize,
) -> Result<Read<RealFile>, Failure> {
    let topic = topic(node, &tracked.topic)?;
    let partition = topic.partition(tracked.partition);
    let partition: &Arc<Partition> = partition.ok_or(ResponseError::UnknownTopicOrPartition)?;
    api::check_leader_epoch(partition, tracked.leader_epoch)?;
    let max = usize::try_from(tracked.max_bytes).unwrap_or(0).min(left);
    let read = partition.read(Offset(tracked.offset), isolation, max);
    read.map_err(|error| Failure::from(&error))
}

fn topic(node: &Node, key: &TopicKey) -> Result<Arc<Topic>, ResponseError> {
    match key {
        TopicKey::Name(name) => node
            .log
            .topic(name)
            .ok_or(ResponseError::UnknownTopicOrPartition),
        TopicKey::Id(id) => node.topic_by_id(*id).ok_or(ResponseError::UnknownTopicId),
    }
}
