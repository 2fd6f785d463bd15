//! Answers that come before the request's body has ended: what is left of it is never a request.

use std::cell::RefCell;
use std::rc::Rc;

use polity_http::head::request::Asks;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::corpus;
use crate::memory::End as Side;
use crate::message;
use crate::network::network;
use crate::policy::Forward;
use crate::random::Random;
use crate::world::{self, Client, Ending, runtime};

/// In a body, where it is no request.
const WITHIN: &str = "GET /within HTTP/1.1\r\nHost: a\r\n\r\n";

const ANSWERS: &[&str] = &[
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
    "HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "HTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.1 200 OK\r\n\r\nok",
    "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    "no answer\r\n\r\n",
];

/// Answers each head at once; reads on, or closes.
async fn answer(mut side: Side, answer: &'static str, reads_on: bool, seen: Rc<RefCell<Vec<u8>>>) {
    let begins = seen.borrow().len();
    let mut answered = 0;
    let mut byte = [0];
    while let Ok(1) = side.read(&mut byte).await {
        seen.borrow_mut().push(byte[0]);
        let heads = message::requests(&seen.borrow()[begins..]).messages.len();
        if heads == answered {
            continue;
        }
        answered = heads;
        if side.write_all(answer.as_bytes()).await.is_err() || !reads_on {
            return;
        }
    }
}

#[test]
fn what_is_left_of_a_body_after_an_early_answer_is_no_request() {
    let runtime = runtime();
    let body = WITHIN.repeat(8);
    let framed = [
        format!("Content-Length: {}\r\n\r\n{body}", body.len()),
        format!(
            "Expect: 100-continue\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
        format!(
            "Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        ),
        format!(
            "Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\n",
            body.len()
        ),
    ];
    for (number, given) in ANSWERS
        .iter()
        .flat_map(|given| (0..80).map(move |it| (it, given)))
    {
        let random = &mut Random::new(number);
        let next = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
        let sends = format!(
            "POST / HTTP/1.1\r\nHost: a\r\n{}{next}",
            random.pick(&framed)
        );
        let client = Client {
            sends: sends.as_bytes(),
            then: *random.pick(&[Ending::HalfClose, Ending::Wait]),
        };
        let seen = Rc::new(RefCell::new(Vec::new()));
        let reads_on = random.one_in(2);
        let instance = {
            let seen = seen.clone();
            move |_, side| answer(side, given, reads_on, seen.clone())
        };
        let policy = Forward { attempts: 1 };
        let got = world::run(&runtime, policy, network(random), &client, instance);
        let mut rest = &got.bytes[..];
        let mut answers = 0;
        while let [_] = &message::answer(rest, Asks::Answer).messages[..] {
            rest = &rest[message::answer(rest, Asks::Answer).used..];
            answers += 1;
        }
        let shown = || format!("{given:?}, {number}: {}", corpus::escape(&got.bytes));
        assert!(answers <= 2, "{}", shown());
        let seen = String::from_utf8_lossy(&seen.borrow()).into_owned();
        // As a request it would have the host that the policy writes, in lower case.
        assert!(
            !seen.contains("GET /within HTTP/1.1\r\nhost: a\r\n"),
            "{}",
            shown()
        );
    }
}
