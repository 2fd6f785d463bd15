//! The whole proxy between instances that answer anything at all and a client: what a good answer says
//! comes back, what is none is a 502 or visibly cut, and nothing of one answer ever gets into another.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use polity_http::head::request::Asks;
use polity_http::limits::MAX_HEADERS;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

use crate::corpus::{self, Case, Fact};
use crate::memory::End as Side;
use crate::message::{self, End, Message, Reading, Start, Stop};
use crate::network::network;
use crate::policy::Forward;
use crate::random::{Random, explore};
use crate::world::{self, Client, Ending, Got, Network, runtime};
use crate::{compose, expected};

/// Messages bred from the corpus in an ordinary run, each in other pieces.
const ROUNDS: u64 = 5_000;

/// The most fields that the proxy adds to an answer, of its connection and of framing.
const FIELDS_ADDED: usize = 2;

/// The answer to every request but the first, on the connection of this number.
fn second(number: usize) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: 6\r\nX-Second: {number}\r\n\r\nsecond")
}

/// Answers the first request of all with `first` and each other with [`second`]; closes when the proxy
/// does, or `ends` at once after `first`.
async fn answer(number: usize, mut side: Side, first: Rc<RefCell<Option<Vec<u8>>>>, ends: bool) {
    let mut request = Vec::new();
    let mut byte = [0];
    while let Ok(1) = side.read(&mut byte).await {
        request.push(byte[0]);
        if !request.ends_with(b"\r\n\r\n") {
            continue;
        }
        request.clear();
        let answer = first.take();
        let is_first = answer.is_some();
        let answer = answer.unwrap_or_else(|| second(number).into_bytes());
        // A proxy that has had enough of an answer closes.
        let written = side.write_all(&answer).await;
        if written.is_err() || (is_first && ends) {
            break;
        }
    }
    let _ = side.shutdown().await;
    // What is still read here is of no interest, but closing without reading it would be a reset.
    let _ = side.read_to_end(&mut request).await;
}

/// What the client asks, twice.
#[derive(Clone, Copy)]
struct Question {
    line: &'static str,
    asks: Asks,
    is_11: bool,
}

const QUESTIONS: [Question; 4] = [
    Question {
        line: "GET / HTTP/1.1\r\nHost: a\r\n",
        asks: Asks::Answer,
        is_11: true,
    },
    Question {
        line: "GET / HTTP/1.1\r\nHost: a\r\n",
        asks: Asks::Answer,
        is_11: true,
    },
    Question {
        line: "HEAD / HTTP/1.1\r\nHost: a\r\n",
        asks: Asks::Head,
        is_11: true,
    },
    Question {
        line: "GET / HTTP/1.0\r\nConnection: keep-alive\r\n",
        asks: Asks::Answer,
        is_11: false,
    },
];

fn ask(runtime: &Runtime, question: Question, first: &[u8], ends: bool, network: Network) -> Got {
    let sends = format!("{0}\r\n{0}\r\n", question.line).into_bytes();
    let client = Client {
        sends: &sends,
        then: Ending::Wait,
    };
    let first = Rc::new(RefCell::new(Some(first.to_vec())));
    let instance = move |number, side| answer(number, side, first.clone(), ends);
    world::run(runtime, Forward { attempts: 1 }, network, &client, instance)
}

/// Whether an answer was made by the proxy, with this status.
fn is_made_here(answer: &Message, status: u16) -> bool {
    let mark = (String::from("x-made-here"), b"1".to_vec());
    answer.start == Start::Answer { status } && answer.fields.contains(&mark)
}

/// Checks what the client got against what the first instance answered.
fn check(question: Question, answered: &Reading, got: &Got) -> Result<(), String> {
    let read = message::answer(&got.bytes, question.asks);
    let shown = || format!("{:?}, reset: {}", corpus::escape(&got.bytes), got.reset);
    let unasked = Start::Answer { status: 101 };
    let good = answered
        .messages
        .first()
        .filter(|good| good.start != unasked);
    if good.is_some_and(|good| good.fields.len() + FIELDS_ADDED > MAX_HEADERS) {
        // What comes back is more than is read here.
        return Ok(());
    }
    let Some(first) = read.messages.first() else {
        return Err(format!("no answer: {}", shown()));
    };
    let rest = &got.bytes[read.used..];
    match good {
        Some(good) if is_made_here(first, 502) && good.end != End::Whole => {
            check_second(question, rest)
        }
        Some(good) => {
            check_first(question, good, first, got)
                .map_err(|what| format!("{what}: {}", shown()))?;
            match first.end {
                End::Whole => check_second(question, rest),
                End::Cut | End::Refused => Ok(()),
            }
        }
        None if is_made_here(first, 502) => check_second(question, rest),
        None => Err(format!("what is no answer comes back: {}", shown())),
    }
}

fn check_first(
    question: Question,
    sent: &Message,
    arrived: &Message,
    got: &Got,
) -> Result<(), &'static str> {
    if arrived.start != sent.start {
        return Err("the status is another");
    }
    if expected::received_fields(arrived) != expected::answer_fields(sent) {
        return Err("the fields are others");
    }
    let ends_whole = arrived.end == End::Whole && !got.reset;
    match sent.end {
        End::Whole if !ends_whole || arrived.body != sent.body => Err("the body is another"),
        End::Whole if arrived.trailers.is_empty() && !question.is_11 => Ok(()),
        End::Whole => match expected::trailers_are_of(&arrived.trailers, &sent.trailers) {
            true => Ok(()),
            false => Err("the trailers are others"),
        },
        End::Cut | End::Refused if ends_whole => Err("what is cut looks whole"),
        End::Cut | End::Refused if !sent.body.starts_with(&arrived.body) => {
            Err("the body is another")
        }
        End::Cut | End::Refused => Ok(()),
    }
}

/// Checks what comes after the first answer: the second one, or nothing.
fn check_second(question: Question, rest: &[u8]) -> Result<(), String> {
    let read = message::answer(rest, question.asks);
    let wrong = || {
        Err(format!(
            "after the first answer comes {}",
            corpus::escape(rest)
        ))
    };
    match read.messages.first() {
        None if rest.is_empty() => Ok(()),
        Some(second) if read.used == rest.len() && read.stop == Stop::Closes => {
            // The first connection has ended, or holds more than it should.
            let is_it = second.fields.contains(&("x-second".into(), b"1".to_vec()));
            let body: &[u8] = if question.asks == Asks::Head {
                b""
            } else {
                b"second"
            };
            match is_it && second.body == body {
                true => Ok(()),
                false => wrong(),
            }
        }
        _ => wrong(),
    }
}

#[test]
fn what_is_answered_comes_back_or_is_seen_to_be_none_in_whatever_pieces() {
    let runtime = runtime();
    let compared = Cell::new(0);
    let check = |bytes: &[u8], random: &mut Random| {
        let question = *random.pick(&QUESTIONS);
        let answered = message::answer(bytes, question.asks);
        let mut network = network(random);
        if answered.used < bytes.len() {
            // What comes only after the next request has gone, no proxy can tell from its answer.
            network.from_instance.clear();
        }
        let got = ask(&runtime, question, bytes, true, network);
        let whole = answered
            .messages
            .iter()
            .filter(|answer| answer.end == End::Whole);
        compared.set(compared.get() + whole.count());
        check(question, &answered, &got)
    };
    explore(
        ROUNDS,
        &corpus::parents(corpus::answers()),
        compose::answer,
        check,
    );
    assert!(
        compared.get() > ROUNDS as usize / 5,
        "only {} were good",
        compared.get()
    );
}

/// Checks the facts that the corpus tells of an answer that goes on.
fn check_facts(case: &Case, arrived: &Message) -> Result<(), String> {
    let holds = |fact: &Fact| match fact {
        Fact::Line(_) => false,
        Fact::Has(name, value) => arrived.fields.contains(&(name.clone(), value.clone())),
        Fact::Lacks(name) => arrived.fields.iter().all(|field| field.0 != *name),
        Fact::Body(body) => arrived.body == *body,
    };
    match case.facts.iter().all(holds) {
        true => Ok(()),
        false => Err(format!("it does not come back as it should: {arrived:?}")),
    }
}

#[test]
fn every_answer_of_the_corpus_comes_back_as_it_must() {
    let runtime = runtime();
    for case in corpus::answers() {
        for from_instance in [Vec::new(), vec![1], vec![7, 2, 30]] {
            let network = Network {
                from_instance,
                ..Network::default()
            };
            let got = ask(&runtime, QUESTIONS[0], &case.bytes, true, network);
            let read = message::answer(&got.bytes, Asks::Answer);
            let first = read.messages.first().expect(&case.name);
            let status = case.expectation.parse();
            let checked = match status {
                Ok(502) if is_made_here(first, 502) => Ok(()),
                Ok(502) => Err(format!("it comes back: {first:?}")),
                Ok(status) if first.start == (Start::Answer { status }) => {
                    check_facts(&case, first)
                }
                Err(_) if is_made_here(first, 502) || first.end == End::Cut => Ok(()),
                _ => Err(format!("{first:?}")),
            };
            assert_eq!(checked, Ok(()), "{}", case.name);
        }
    }
}

#[test]
fn what_an_instance_sends_too_much_is_never_the_answer_to_another_request() {
    let runtime = runtime();
    let surplus = [
        &b"\r\n"[..],
        b"x",
        b"HTTP/1.1 200 OK\r\nX-Poison: 1\r\nContent-Length: 0\r\n\r\n",
    ];
    let firsts = [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    ];
    for question in QUESTIONS {
        for (first, surplus) in firsts
            .iter()
            .flat_map(|first| surplus.map(|surplus| (first, surplus)))
        {
            for seed in 0..20 {
                let bytes = [first.as_bytes(), surplus].concat();
                let answered = message::answer(&bytes, question.asks);
                // Later, it would be no surplus: see above.
                let network = Network {
                    from_instance: Vec::new(),
                    ..network(&mut Random::new(seed))
                };
                let got = ask(&runtime, question, &bytes, false, network);
                let checked = check(question, &answered, &got);
                assert_eq!(
                    checked,
                    Ok(()),
                    "{} with {first:?}, seed {seed}",
                    question.line
                );
            }
        }
    }
}

#[test]
fn a_request_that_comes_after_the_last_answer_does_not_cost_the_client_that_answer() {
    let runtime = runtime();
    for seed in 0..2000 {
        let network = network(&mut Random::new(seed));
        let got = ask(
            &runtime,
            QUESTIONS[3],
            b"HTTP/1.0 200 OK\r\n\r\nall",
            true,
            network,
        );
        let shown = corpus::escape(&got.bytes);
        assert!(
            !got.reset && got.bytes.ends_with(b"\r\n\r\nall"),
            "seed {seed}: {shown}"
        );
    }
}

#[test]
fn a_connection_whose_instance_announces_a_body_that_there_cannot_be_is_not_used_again() {
    let runtime = runtime();
    let check = |answer: &[u8], connection: &[u8]| {
        let got = ask(&runtime, QUESTIONS[0], answer, false, Network::default());
        let mut ends = got.bytes.windows(connection.len());
        assert!(
            ends.any(|it| it == connection),
            "{}",
            corpus::escape(&got.bytes)
        );
    };
    check(b"HTTP/1.1 204 No Content\r\n\r\n", b"X-Second: 0\r\n");
    check(
        b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
        b"X-Second: 0\r\n",
    );
    check(
        b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
        b"X-Second: 1\r\n",
    );
    check(
        b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"X-Second: 1\r\n",
    );
}
