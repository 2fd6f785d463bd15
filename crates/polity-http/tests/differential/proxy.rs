//! The whole proxy between a client's bytes and hyper's server: whatever the pieces in which the bytes
//! come, what was sent is what arrives, and what was answered is what comes back.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::rc::Rc;

use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use polity_http::head::request::Asks;
use tokio::runtime::Runtime;

use crate::corpus::{self, Case, Fact};
use crate::hyper::{may_refuse, request_message};
use crate::memory::End as Side;
use crate::message::{self, End, Message, Reading, Start, Stop};
use crate::network::network;
use crate::policy::Forward;
use crate::random::{Random, explore};
use crate::world::{self, Client, Ending, Network, runtime};
use crate::{compose, expected};

/// Messages bred from the corpus in an ordinary run, each in other pieces.
const ROUNDS: u64 = 4_000;

/// Requests are split at each place up to this one.
const LONGEST_SPLIT: usize = 160;

/// What one run of the proxy came to.
struct Run {
    /// What the instances got, in order.
    received: Vec<Message>,
    /// What the client got.
    answers: Vec<u8>,
}

/// The answer to every request: its number.
fn answer_to(number: usize) -> Response<String> {
    let body = format!("answer {number}");
    let mut answer = Response::new(body);
    let value = number.to_string().parse().expect("digits");
    answer.headers_mut().insert("x-number", value);
    answer
}

async fn serve_instance(side: Side, received: Rc<RefCell<Vec<Message>>>) {
    let service = hyper::service::service_fn(|request: Request<Incoming>| {
        let received = received.clone();
        async move {
            let message = request_message(request).await;
            let mut received = received.borrow_mut();
            received.push(message);
            Ok::<_, Infallible>(answer_to(received.len()))
        }
    });
    // How a connection ends is for the proxy's other side to tell.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(side), service)
        .await;
}

fn run(runtime: &Runtime, sends: &[u8], then: Ending, network: Network) -> Run {
    let received = Rc::new(RefCell::new(Vec::new()));
    let seen = received.clone();
    let instance = move |_, side| serve_instance(side, seen.clone());
    let client = Client { sends, then };
    let got = world::run(runtime, Forward { attempts: 1 }, network, &client, instance);
    Run {
        received: received.take(),
        answers: got.bytes,
    }
}

fn asks(request: &Message) -> Asks {
    match &request.start {
        Start::Request { method, .. } if method == "HEAD" => Asks::Head,
        _ => Asks::Answer,
    }
}

/// Checks what arrived against what was sent.
fn check_received(sent: &Reading, received: &[Message]) -> Result<(), String> {
    for (index, arrived) in received.iter().enumerate() {
        let Some(sent) = sent.messages.get(index) else {
            return Err(format!("nobody sent{arrived:?}"));
        };
        let expected = expected::request(sent);
        let same =
            arrived.start == expected.start && arrived.fields == expected.fields && arrived.is_11;
        let bodies = match sent.end {
            End::Whole => arrived.end == End::Whole && arrived.body == sent.body,
            End::Cut | End::Refused => expected::is_beginning(arrived, sent),
        };
        if !same || !bodies || !expected::trailers_are_of(&arrived.trailers, &sent.trailers) {
            return Err(format!(
                "what has to arrive is{expected:?}\nbut it is{arrived:?}"
            ));
        }
    }
    let whole = sent
        .messages
        .iter()
        .filter(|message| message.end == End::Whole);
    match whole.count() {
        count if received.len() < count => Err(format!(
            "only {} of {count} requests arrived",
            received.len()
        )),
        _ => Ok(()),
    }
}

/// Checks what the client got against what the instances answered.
fn check_answers(sent: &Reading, received: &[Message], answers: &[u8]) -> Result<(), String> {
    let mut rest = answers;
    let requests = sent
        .messages
        .iter()
        .filter(|message| message.end == End::Whole);
    for (index, request) in requests.enumerate() {
        let read = message::answer(rest, asks(request));
        let Some(answer) = read
            .messages
            .first()
            .filter(|answer| answer.end == End::Whole)
        else {
            return Err(format!("no answer to{:?}", received[index]));
        };
        let expected = answer_to(index + 1);
        let number = (index + 1).to_string();
        let is_it =
            expected::received_fields(answer).contains(&("x-number".into(), number.into_bytes()));
        let body = match asks(request) {
            Asks::Head => "",
            _ => expected.body(),
        };
        if !is_it
            || answer.start != (Start::Answer { status: 200 })
            || answer.body != body.as_bytes()
        {
            return Err(format!("answer {} is{answer:?}", index + 1));
        }
        rest = &rest[read.used..];
    }
    check_last_answer(sent, rest)
}

/// What comes after the answers of instances: nothing, or one answer of the proxy's that says that it
/// is the last.
fn check_last_answer(sent: &Reading, rest: &[u8]) -> Result<(), String> {
    let read = message::answer(rest, Asks::Answer);
    let refused = sent.stop != Stop::Closes;
    let nothing = rest.is_empty() || (refused && read.stop == Stop::Ended);
    if nothing && read.messages.is_empty() {
        // Of a request that is cut short there is no more to say than that it might have gone on, and
        // that may be cut short too.
        return Ok(());
    }
    let Some(answer) = read.messages.first().filter(|_| refused) else {
        return Err(format!("after the answers comes {}", corpus::escape(rest)));
    };
    let Start::Answer { status } = answer.start else {
        unreachable!("it is an answer");
    };
    let has = |name: &str, value: &str| answer.fields.contains(&(name.into(), value.into()));
    let is_ours = has("x-made-here", "1") && has("connection", "close");
    match (400..500).contains(&status) && is_ours && read.used == rest.len() {
        true => Ok(()),
        false => Err(format!("after the answers comes {}", corpus::escape(rest))),
    }
}

/// RFC 9113, section 3.4.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[test]
fn what_is_sent_arrives_and_what_is_answered_comes_back_in_whatever_pieces() {
    let runtime = runtime();
    let compared = Cell::new(0);
    let check = |bytes: &[u8], random: &mut Random| {
        if bytes.starts_with(HTTP2_PREFACE) {
            // All that follows is of another protocol.
            return Ok(());
        }
        let sent = message::requests(bytes);
        if sent.messages.iter().any(may_refuse) {
            return Ok(());
        }
        let then = *random.pick(&[Ending::HalfClose, Ending::Wait]);
        let run = run(&runtime, bytes, then, network(random));
        check_received(&sent, &run.received)?;
        check_answers(&sent, &run.received, &run.answers)?;
        compared.set(compared.get() + run.received.len());
        Ok(())
    };
    explore(
        ROUNDS,
        &corpus::parents(corpus::requests()),
        compose::requests,
        check,
    );
    assert!(
        compared.get() > ROUNDS as usize / 4,
        "only {} arrived",
        compared.get()
    );
}

/// Checks the facts that the corpus tells of a request that goes on.
fn check_facts(case: &Case, arrived: &Message) -> Result<(), String> {
    let Start::Request { method, target, .. } = &arrived.start else {
        unreachable!("it is a request");
    };
    let holds = |fact: &&Fact| match fact {
        Fact::Line(line) => *line == format!("{method} {target} HTTP/1.1").into_bytes(),
        Fact::Has(name, value) => arrived.fields.contains(&(name.clone(), value.clone())),
        Fact::Lacks(name) => arrived.fields.iter().all(|field| field.0 != *name),
        Fact::Body(body) => arrived.body == *body,
    };
    match case.facts.iter().all(|fact| holds(&fact)) {
        true => Ok(()),
        false => Err(format!(
            "{} does not arrive as it should: {arrived:?}",
            case.name
        )),
    }
}

/// Every way to send a message in two pieces, up to a length; byte by byte; and at once.
fn splits(bytes: &[u8]) -> impl Iterator<Item = Network> {
    let two = (1..bytes.len().min(LONGEST_SPLIT)).map(|at| vec![usize::MAX, at]);
    let all = two.chain([vec![1], Vec::new()]);
    all.map(|from_client| Network {
        from_client,
        ..Network::default()
    })
}

#[test]
fn every_request_of_the_corpus_that_is_refused_is_refused_wherever_it_is_split() {
    let runtime = runtime();
    let refused = corpus::requests()
        .into_iter()
        .filter(|case| case.expectation != "accept");
    for case in refused {
        let sent = message::requests(&case.bytes);
        let status = case.expectation.parse().expect("a status");
        for network in splits(&case.bytes) {
            let pieces = network.from_client.clone();
            let run = run(&runtime, &case.bytes, Ending::Wait, network);
            let read = message::answer(&run.answers, Asks::Answer);
            let said = read.messages.first().map(|answer| answer.start.clone());
            // What is refused for how it ends may be waited for where no end of a head is in sight.
            let is_it = [status, 408].map(|status| Some(Start::Answer { status }));
            assert!(
                is_it.contains(&said),
                "{} in {pieces:?}: {said:?}",
                case.name
            );
            let checked = check_received(&sent, &run.received)
                .and_then(|()| check_answers(&sent, &run.received, &run.answers));
            assert_eq!(checked, Ok(()), "{} in {pieces:?}", case.name);
        }
    }
}

#[test]
fn every_request_of_the_corpus_that_is_accepted_arrives_wherever_it_is_split() {
    let runtime = runtime();
    let accepted = corpus::requests()
        .into_iter()
        .filter(|case| case.expectation == "accept");
    for case in accepted {
        let sent = message::requests(&case.bytes);
        assert_eq!(sent.messages.len(), 1, "{}", case.name);
        if may_refuse(&sent.messages[0]) {
            continue;
        }
        for network in splits(&case.bytes) {
            let pieces = network.from_client.clone();
            let run = run(&runtime, &case.bytes, Ending::Wait, network);
            let checked = check_received(&sent, &run.received)
                .and_then(|()| check_answers(&sent, &run.received, &run.answers))
                .and_then(|()| check_facts(&case, &run.received[0]));
            assert_eq!(checked, Ok(()), "{} in {pieces:?}", case.name);
        }
    }
}
