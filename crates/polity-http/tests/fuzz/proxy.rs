//! The target that takes a whole life of a client's connection: what the client sends, what instances
//! answer, and the pieces in which all of it travels.

use std::cell::RefCell;
use std::rc::Rc;

use polity_http::head::request::Asks;
use polity_http::limits::{MAX_HEAD, MAX_HEADERS};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;
use tokio::time::Instant;

use crate::corpus::escape;
use crate::expected;
use crate::memory::{End as Side, Pieces};
use crate::message::{self, End, Message, Reading, Start, Stop};
use crate::policy::Forward;
use crate::world::{self, Client, Ending, Got, Network, runtime};

thread_local! {
    static RUNTIME: Runtime = runtime();
}

/// Parts what instances send: a part for each request they get, over all connections.
pub(crate) const PART: &[u8] = b"\xfe|";

/// What the target makes of its bytes.
struct Scenario<'a> {
    then: Ending,
    attempts: usize,
    /// An instance answers once it has the head, rather than all of the request.
    early: bool,
    network: Network,
    client: &'a [u8],
    parts: Vec<Vec<u8>>,
}

impl<'a> Scenario<'a> {
    /// A byte of options; four times a count and as many sizes; two bytes for the length of what the
    /// client sends, and that; then the parts.
    fn read(input: &'a [u8]) -> Option<Self> {
        let mut rest = input;
        let options = take(&mut rest, 1)?[0];
        let mut pieces = || -> Option<Pieces> {
            let count = take(&mut rest, 1)?[0] & 7;
            let sizes = take(&mut rest, usize::from(count))?;
            Some(sizes.iter().map(|&size| usize::from(size) + 1).collect())
        };
        let network = Network {
            from_client: pieces()?,
            to_client: pieces()?,
            to_instance: pieces()?,
            from_instance: pieces()?,
        };
        let length = take(&mut rest, 2)?;
        let length = usize::from(u16::from_le_bytes([length[0], length[1]]));
        let (client, rest) = rest.split_at(length.min(rest.len()));
        Some(Self {
            then: match options & 1 {
                0 => Ending::HalfClose,
                _ => Ending::Wait,
            },
            attempts: 1 + usize::from(options >> 1 & 1),
            early: options & 4 != 0,
            network,
            client,
            parts: split(rest),
        })
    }
}

/// The bytes that [`proxy`] takes for a scenario.
pub(crate) fn encode(options: u8, pieces: [&[u8]; 4], client: &[u8], answers: &[&[u8]]) -> Vec<u8> {
    let mut out = vec![options];
    for sizes in pieces {
        let sizes = &sizes[..sizes.len().min(7)];
        out.push(sizes.len() as u8);
        out.extend_from_slice(sizes);
    }
    let client = &client[..client.len().min(usize::from(u16::MAX))];
    out.extend_from_slice(&(client.len() as u16).to_le_bytes());
    out.extend_from_slice(client);
    out.extend_from_slice(&answers.join(PART));
    out
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}

fn split(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    let mut part = Vec::new();
    let mut rest = bytes;
    while let Some((&byte, after)) = rest.split_first() {
        rest = match rest.strip_prefix(PART) {
            Some(next) => {
                parts.push(std::mem::take(&mut part));
                next
            }
            None => {
                part.push(byte);
                after
            }
        };
    }
    parts.push(part);
    parts
}

/// What instances saw and did, over all connections.
#[derive(Default)]
struct Log {
    /// The bytes of each connection.
    received: Vec<Vec<u8>>,
    /// Which connection each part was sent on.
    sent: Vec<usize>,
}

async fn play(
    number: usize,
    mut side: Side,
    parts: Rc<Vec<Vec<u8>>>,
    early: bool,
    log: Rc<RefCell<Log>>,
) {
    log.borrow_mut().received.push(Vec::new());
    let mut answered = 0;
    let mut piece = [0; 4096];
    while let Ok(read @ 1..) = side.read(&mut piece).await {
        log.borrow_mut().received[number].extend_from_slice(&piece[..read]);
        loop {
            let due = {
                let log = log.borrow();
                let seen = message::requests(&log.received[number]).messages;
                seen.get(answered)
                    .is_some_and(|message| early || message.end == End::Whole)
            };
            if !due {
                break;
            }
            answered += 1;
            let part = {
                let mut log = log.borrow_mut();
                log.sent.push(number);
                parts.get(log.sent.len() - 1).cloned()
            };
            // Where no part is left, or the proxy takes no more of one, this is the end.
            match part {
                Some(part) if side.write_all(&part).await.is_ok() => {}
                _ => return,
            }
        }
    }
}

/// A life of a connection.
pub(crate) fn proxy(input: &[u8]) {
    let Some(scenario) = Scenario::read(input) else {
        return;
    };
    RUNTIME.with(|runtime| live(runtime, scenario));
}

fn live(runtime: &Runtime, scenario: Scenario<'_>) {
    let log = Rc::new(RefCell::new(Log::default()));
    let parts = Rc::new(scenario.parts);
    let instance = {
        let (log, parts) = (log.clone(), parts.clone());
        move |number, side| play(number, side, parts.clone(), scenario.early, log.clone())
    };
    let client = Client {
        sends: scenario.client,
        then: scenario.then,
    };
    let policy = Forward {
        attempts: scenario.attempts,
    };
    let began = runtime.block_on(async { Instant::now() });
    let got = world::run(runtime, policy, scenario.network, &client, instance);
    let took = runtime.block_on(async { began.elapsed() });
    let sent = message::requests(scenario.client);
    let log = log.take();
    // Each request ends within its deadlines, of which that of a silent stream is the longest.
    let longest = 2 * 3600 * (2 + sent.messages.len() as u64) * scenario.attempts as u64;
    assert!(took.as_secs() < longest, "it took {took:?}");
    check_requests(&sent, &log, scenario.attempts);
    check_answers(&sent, &log, &parts, &got);
}

/// What instances got: each a valid beginning of requests, each of these one that the client sent, in
/// its order, and none more often than it may be tried.
fn check_requests(sent: &Reading, log: &Log, attempts: usize) {
    for received in &log.received {
        let read = message::requests(received);
        // After a change of protocol it is none of HTTP's.
        let tunnelled = read.messages.iter().any(offers_another_protocol);
        assert!(
            read.stop != Stop::Refused || tunnelled,
            "an instance gets what it must refuse: {}",
            escape(received)
        );
        let mut next = 0;
        for arrived in &read.messages {
            let is_it = |sent: &Message| is_of(arrived, sent);
            let found = sent.messages[next.min(sent.messages.len())..]
                .iter()
                .position(is_it);
            let Some(found) = found else {
                assert!(tunnelled, "nobody sent{arrived:?}\nbut{:?}", sent.messages);
                return;
            };
            next += found + 1;
        }
        let arrived: usize = read.messages.len();
        assert!(arrived <= sent.messages.len() || tunnelled);
    }
    let heads = log.sent.len();
    assert!(
        heads <= sent.messages.len() * attempts,
        "{heads} requests for {}",
        sent.messages.len()
    );
}

fn offers_another_protocol(request: &Message) -> bool {
    request.fields.iter().any(|field| field.0 == "upgrade")
}

fn is_of(arrived: &Message, sent: &Message) -> bool {
    let expected = expected::request(sent);
    let same = arrived.start == expected.start && arrived.fields == expected.fields;
    let bodies = match arrived.end {
        End::Whole => {
            let trailers = expected::trailers_are_of(&arrived.trailers, &sent.trailers);
            sent.end == End::Whole && arrived.body == sent.body && trailers
        }
        End::Cut => sent.body.starts_with(&arrived.body),
        End::Refused => false,
    };
    same && bodies
}

/// What the client got: valid answers, no more than it asked for, each what an instance answered or
/// made by the proxy; and nothing that looks like more than it is.
fn check_answers(sent: &Reading, log: &Log, parts: &[Vec<u8>], got: &Got) {
    let given: usize = parts.iter().map(Vec::len).sum();
    let most = 8 * given + 2000 * (sent.messages.len() + 2);
    assert!(
        got.bytes.len() <= most,
        "{} bytes of {given}",
        got.bytes.len()
    );
    let mut rest = &got.bytes[..];
    let questions = sent.messages.iter().map(Some).chain([None]);
    for request in questions {
        let asks = request.map_or(Asks::Answer, asks);
        let read = message::answer(rest, asks);
        if read.stop == Stop::Refused {
            assert!(
                parts.iter().any(|part| may_outgrow_limits(part)),
                "the client gets what it must refuse: {}",
                escape(rest)
            );
            return;
        }
        let Some(answer) = read.messages.first() else {
            // Nothing more, or the beginning of a head with which the connection broke.
            return;
        };
        rest = &rest[read.used..];
        let made_here = answer
            .fields
            .contains(&("x-made-here".into(), b"1".to_vec()));
        if answer.start == (Start::Answer { status: 101 }) {
            assert!(
                request.is_some_and(offers_another_protocol),
                "a change that nobody asked for"
            );
            return;
        }
        if !made_here {
            let is_it = |part: &Vec<u8>| is_answer(answer, part, asks, got);
            assert!(
                parts.iter().any(is_it) || may_hold_surplus(log, parts, asks),
                "nobody answered{answer:?}\nreset: {}",
                got.reset
            );
        }
        let closes = answer
            .fields
            .contains(&("connection".into(), b"close".to_vec()));
        if closes || answer.end == End::Cut {
            assert!(
                rest.is_empty(),
                "after the last answer comes {}",
                escape(rest)
            );
            return;
        }
    }
    assert!(
        rest.is_empty(),
        "more answers than requests: {}",
        escape(rest)
    );
}

/// Whether a head in `part` may have as much as one may, or nearly so: with what the proxy says in it
/// (`connection`, `transfer-encoding`) it is more than the proxy itself would take.
fn may_outgrow_limits(part: &[u8]) -> bool {
    const SAID: usize = 64;
    let lines = part.iter().filter(|&&byte| byte == b'\n').count();
    lines >= MAX_HEADERS || part.len() + SAID >= MAX_HEAD
}

fn asks(request: &Message) -> Asks {
    match &request.start {
        Start::Request { method, .. } if method == "HEAD" => Asks::Head,
        _ => Asks::Answer,
    }
}

/// Whether an answer is the one in `part`, or a beginning of it that can be seen to be no more.
fn is_answer(answer: &Message, part: &[u8], asks: Asks, got: &Got) -> bool {
    let read = message::answer(part, asks);
    let Some(given) = read.messages.first() else {
        return false;
    };
    let same = answer.start == given.start
        && expected::received_fields(answer) == expected::answer_fields(given);
    let whole = answer.end == End::Whole && !got.reset;
    let bodies = match given.end {
        End::Whole if whole => answer.body == given.body,
        // The instance is silent before its part's end, and the connection ends with a deadline.
        End::Whole => given.body.starts_with(&answer.body),
        End::Cut | End::Refused => !whole && given.body.starts_with(&answer.body),
    };
    same && bodies
}

/// Whether an instance sent more on one connection than the answers it owed, which no proxy can tell
/// from its next answer if it comes late enough.
fn may_hold_surplus(log: &Log, parts: &[Vec<u8>], asks: Asks) -> bool {
    let mut sent_on = log.sent.iter().zip(parts);
    sent_on.any(|(_, part)| {
        let read = message::answer(part, asks);
        read.used < part.len()
            || read
                .messages
                .first()
                .is_none_or(|answer| answer.end != End::Whole)
    })
}
