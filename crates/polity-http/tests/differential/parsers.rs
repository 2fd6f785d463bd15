//! Our parser against hyper's, on the corpus and on what is bred from it.

use std::cell::Cell;

use hyper::Method;
use polity_http::head::request::Asks;
use tokio::runtime::{Builder, Runtime};

use crate::compose;
use crate::corpus;
use crate::hyper as theirs;
use crate::message::{self as ours, End, Message, Reading, Start, Stop};
use crate::random::{Random, explore};

/// Messages bred from the corpus in an ordinary run.
const ROUNDS: u64 = 40_000;

/// Follows the message that is compared: what is left over must be read as the next one.
const NEXT: &[u8] = b"GET /next HTTP/1.1\r\nHost: next\r\n\r\n";

fn runtime() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

/// What hyper reads, in our terms: its URI type gives an empty path as `/`, so that it cannot tell
/// the two forms of RFC 9112, section 3.2.4, apart.
fn in_our_terms(theirs: &Message, ours: &Message) -> Message {
    let mut theirs = theirs.clone();
    if let (Start::Request { target: mine, .. }, Start::Request { method, target, .. }) =
        (&ours.start, &mut theirs.start)
        && method == "OPTIONS"
        && mine == "*"
        && target == "/"
    {
        mine.clone_into(target);
    }
    theirs
}

/// Compares what both read; returns how many messages both read whole.
fn compare(ours: &Reading, theirs: &Reading) -> Result<usize, String> {
    let mut whole = 0;
    for (index, mine) in ours.messages.iter().enumerate() {
        if mine.end == End::Refused {
            return Ok(whole);
        }
        let Some(other) = theirs.messages.get(index) else {
            return match theirs::may_refuse(mine) {
                true => Ok(whole),
                false => Err(format!("hyper does not read{mine:?}")),
            };
        };
        let other = &in_our_terms(other, mine);
        let cut_earlier = mine.end == End::Cut && other.end == End::Refused;
        if mine != other && !cut_earlier {
            return Err(format!("we read{mine:?}\nhyper reads{other:?}"));
        }
        whole += usize::from(mine.end == End::Whole);
    }
    match theirs.messages.get(ours.messages.len()) {
        Some(more) if ours.stop == Stop::Ended => Err(format!("we wait where hyper reads{more:?}")),
        _ => Ok(whole),
    }
}

#[test]
fn requests_mean_the_same_to_us_and_to_hyper_or_we_refuse_them() {
    let runtime = runtime();
    let compared = Cell::new(0);
    let check = |bytes: &[u8], random: &mut Random| {
        let bytes = match random.one_in(2) {
            true => [bytes, NEXT].concat(),
            false => bytes.to_vec(),
        };
        let theirs = runtime.block_on(theirs::requests(&bytes));
        compared.set(compared.get() + compare(&ours::requests(&bytes), &theirs)?);
        Ok(())
    };
    explore(
        ROUNDS,
        &corpus::parents(corpus::requests()),
        compose::requests,
        check,
    );
    assert!(
        compared.get() > ROUNDS as usize / 5,
        "only {} were read",
        compared.get()
    );
}

#[test]
fn answers_mean_the_same_to_us_and_to_hyper_or_we_refuse_them() {
    let runtime = runtime();
    let compared = Cell::new(0);
    let check = |bytes: &[u8], random: &mut Random| {
        let (method, asks) = match random.one_in(4) {
            true => (Method::HEAD, Asks::Head),
            false => (Method::GET, Asks::Answer),
        };
        let mine = ours::answer(bytes, asks);
        let theirs = runtime.block_on(theirs::answer(bytes, method));
        compared.set(compared.get() + compare(&mine, &theirs)?);
        let Some(message) = mine.messages.first() else {
            return Ok(());
        };
        // What follows a change of protocol is none of hyper's either.
        let changes = message.start == Start::Answer { status: 101 };
        if message.end == End::Whole && !changes && mine.used != theirs.used {
            return Err(format!(
                "we use {} bytes, hyper {}, for{message:?}",
                mine.used, theirs.used
            ));
        }
        Ok(())
    };
    explore(
        ROUNDS,
        &corpus::parents(corpus::answers()),
        compose::answer,
        check,
    );
    assert!(
        compared.get() > ROUNDS as usize / 5,
        "only {} were read",
        compared.get()
    );
}
