//! Fetch: record batches out of partitions, as they lie in their files.

mod response;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::FetchRequest;
use polity_log::disk::RealFile;
use polity_log::{Isolation, Offset, Read};
use tokio::time::{Instant, sleep_until};

use crate::api::{self, Call, Refused};
use crate::errors::Failure;
use crate::fetch_sessions::{Place, Session, TopicKey, Tracked};
use crate::limits::{MAX_FETCH_BYTES, MAX_FETCH_WAIT, MAX_FILES};
use crate::node::{Node, Partition, Topic};
use crate::wire::answer::Answer;
use response::{COPY_UP_TO, MAX_COPIED};

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
    max_bytes: usize,
    bytes: usize,
    /// Of the bytes, those that are copied into the answer.
    copied: usize,
    /// Pieces of files that the others are sent from.
    files: usize,
    has_failed: bool,
    /// Whether something was found that is too much with the rest.
    is_cut: bool,
    /// Where there is more, or the same error again.
    again: Vec<Arc<Place>>,
}

/// How much a client wants, and how long it waits for it.
#[derive(Clone, Copy)]
struct Asked {
    isolation: Isolation,
    min_bytes: usize,
    max_bytes: usize,
    patience: Duration,
}

/// Answers when there are as many bytes as the client wants at least, or it has waited as long as it
/// wants to, or something is wrong with what it asks for.
pub(crate) async fn handle(node: &Arc<Node>, call: &mut Call) -> Result<Answer, Refused> {
    let request: FetchRequest = call.decode()?;
    let mut session = match node.fetch_sessions.begin(&request) {
        Ok(session) => session,
        Err(error) => return Ok(Answer::Now(response::refused(call, error))),
    };
    let mut asked = Asked::new(&request);
    if node.fetch_sessions.is_full() {
        asked.patience = Duration::ZERO;
    }
    drop(request);
    call.let_go();
    let round = answer(node, &mut session, asked).await;
    let reply = response::encode(call, &mut session, round);
    Ok(Answer::Now(reply))
}

async fn answer(node: &Node, session: &mut Session, asked: Asked) -> Round {
    let mut round = wait(node, session, asked).await;
    // They have their next turn after all others.
    round.again.iter().for_each(Place::set_ready);
    if !session.is_incremental {
        round.tell_all(node, session);
    }
    round
}

impl Asked {
    fn new(request: &FetchRequest) -> Self {
        let bytes = |number| usize::try_from(number).unwrap_or(0);
        let patience = Duration::from_millis(request.max_wait_ms.max(0).unsigned_abs().into());
        Self {
            isolation: api::isolation(request.isolation_level),
            min_bytes: bytes(request.min_bytes),
            max_bytes: bytes(request.max_bytes).min(MAX_FETCH_BYTES),
            patience: patience.min(MAX_FETCH_WAIT),
        }
    }
}

async fn wait(node: &Node, session: &mut Session, asked: Asked) -> Round {
    let deadline = Instant::now() + asked.patience;
    let mut round = read(node, session, asked);
    if round.is_enough(asked) || asked.patience.is_zero() || session.partitions.is_empty() {
        return round;
    }
    let mut found = Found::default();
    loop {
        // Its files are let go for as long as the wait lasts.
        found.take(session, round);
        if found.bytes >= asked.min_bytes {
            break;
        }
        // Cancelling any of them loses nothing.
        let is_over = tokio::select! {
            () = session.ready.grown() => false,
            () = sleep_until(deadline) => true,
            () = node.stopping() => true,
        };
        // Of what has moved: to look at all others would cost as much as if they had.
        round = read(node, session, asked);
        let is_enough = is_over || round.is_enough(asked);
        if is_enough && found.places.is_empty() {
            return round;
        }
        if is_enough {
            found.take(session, round);
            break;
        }
    }
    found.make_ready(session);
    read(node, session, asked)
}

/// Reads what is ready, until the answer is full. The first batch is given however large it is, so
/// that a client makes progress (KIP-74).
fn read(node: &Node, session: &mut Session, asked: Asked) -> Round {
    let mut round = Round::new(asked.max_bytes);
    while !round.is_full()
        && let Some(place) = session.ready.pop()
    {
        let index = place.index();
        let Some(tracked) = session.partitions.get_mut(index) else {
            continue; // It is no longer read.
        };
        let found = look(node, tracked, asked.isolation, round.left());
        let length = found.as_ref().ok().and_then(length);
        if length.is_some_and(|length| round.bytes > 0 && length > round.left()) {
            session.ready.put_back(place);
            round.is_cut = true;
            break;
        }
        if found.is_err() || length.is_some() {
            round.again.push(place);
        }
        round.add(index, found);
    }
    round
}

/// Reads one partition, and has it watched from there.
fn look(
    node: &Node,
    tracked: &mut Tracked,
    isolation: Isolation,
    left: usize,
) -> Result<Read<RealFile>, Failure> {
    let partition = partition(node, tracked)?;
    let max = usize::try_from(tracked.max_bytes).unwrap_or(0).min(left);
    let read = partition.read(Offset(tracked.offset), isolation, max);
    let read = read.map_err(|error| Failure::from(&error))?;
    if let Some(watch) = tracked.place.watch(&partition, read.offsets) {
        tracked.watch = Some(watch);
    }
    Ok(read)
}

fn length(read: &Read<RealFile>) -> Option<usize> {
    read.slice.as_ref().map(|slice| slice.length)
}

impl Round {
    fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            ..Self::default()
        }
    }

    fn left(&self) -> usize {
        self.max_bytes.saturating_sub(self.bytes)
    }

    fn is_full(&self) -> bool {
        self.is_cut
            || self.files >= MAX_FILES
            || self.copied >= MAX_COPIED
            || self.bytes > 0 && self.bytes >= self.max_bytes
    }

    fn is_enough(&self, asked: Asked) -> bool {
        self.has_failed || self.is_full() || self.bytes >= asked.min_bytes
    }

    fn add(&mut self, place: usize, found: Result<Read<RealFile>, Failure>) {
        match &found {
            Ok(read) => {
                let length = length(read).unwrap_or(0);
                self.bytes += length;
                if length > COPY_UP_TO {
                    self.files += 1;
                } else {
                    self.copied += length;
                }
            }
            Err(_) => self.has_failed = true,
        }
        self.outcomes.push(Outcome { place, found });
    }

    /// Adds the partitions of which there is nothing to tell but where they end.
    fn tell_all(&mut self, node: &Node, session: &Session) {
        let told: HashSet<_> = self.outcomes.iter().map(|it| it.place).collect();
        for (place, tracked) in session.partitions.iter().enumerate() {
            if !told.contains(&place) {
                let found = partition(node, tracked).map(|partition| Read {
                    slice: None,
                    offsets: partition.offsets(),
                    aborted: Vec::new(),
                });
                self.outcomes.push(Outcome { place, found });
            }
        }
        self.outcomes.sort_unstable_by_key(|it| it.place);
    }
}

/// What has been found while a client waits for more: how much, and where, to be read once it is enough.
#[derive(Default)]
struct Found {
    places: Vec<Arc<Place>>,
    bytes: usize,
}

impl Found {
    /// Notes what a round has found, and lets go of it.
    fn take(&mut self, session: &mut Session, round: Round) {
        let is_incremental = session.is_incremental;
        for Outcome { place, found } in round.outcomes {
            let Some(tracked) = session.partitions.get_mut(place) else {
                continue;
            };
            // Who is not told only what has changed is told of all others anyhow.
            let is_news = |offsets| is_incremental && tracked.is_news(offsets);
            let bytes = match &found {
                Ok(read) if read.slice.is_none() && !is_news(&read.offsets) => continue,
                Ok(read) => length(read).unwrap_or(0),
                Err(_) => 0,
            };
            let before = tracked.found.replace(bytes);
            self.bytes = (self.bytes + bytes).saturating_sub(before.unwrap_or(0));
            if before.is_none() {
                self.places.push(tracked.place.clone());
            }
        }
    }

    fn make_ready(self, session: &mut Session) {
        for place in self.places {
            if let Some(tracked) = session.partitions.get_mut(place.index()) {
                tracked.found = None;
            }
            place.set_ready();
        }
    }
}

/// The partition that a client reads, if it is the one that the client takes it for.
fn partition(node: &Node, tracked: &Tracked) -> Result<Arc<Partition>, Failure> {
    let topic = topic(node, &tracked.topic)?;
    let partition = topic.partition(tracked.partition);
    let partition = partition.ok_or(ResponseError::UnknownTopicOrPartition)?;
    api::check_leader_epoch(partition, tracked.leader_epoch)?;
    Ok(partition.clone())
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

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
