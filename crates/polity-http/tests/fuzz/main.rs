//! The fuzz targets in an ordinary run: over the corpus, and over what is bred from it by seed. `fuzz/`
//! at the root of the repository has cargo-fuzz drive the same functions.

mod parsers;
mod proxy;
mod seeds;

#[path = "../common/compose.rs"]
mod compose;
// Not every binary needs all that is said there.
#[allow(dead_code)]
#[path = "../common/corpus.rs"]
mod corpus;
#[allow(dead_code)]
#[path = "../common/expected.rs"]
mod expected;
#[path = "../common/memory.rs"]
mod memory;
#[path = "../common/message.rs"]
mod message;
#[path = "../common/policy.rs"]
mod policy;
#[path = "../common/random.rs"]
mod random;
#[path = "../common/world.rs"]
mod world;

use crate::random::{Random, explore};

/// A target as [`explore`] calls it: a panic is what fails.
fn check(target: fn(&[u8])) -> impl Fn(&[u8], &mut Random) -> Result<(), String> {
    move |bytes, _| {
        target(bytes);
        Ok(())
    }
}

#[test]
fn heads_of_requests() {
    let corpus = corpus::parents(corpus::requests());
    explore(
        8_000,
        &corpus,
        compose::requests,
        check(parsers::request_head),
    );
}

#[test]
fn heads_of_answers() {
    let corpus = corpus::parents(corpus::answers());
    explore(8_000, &corpus, compose::answer, check(parsers::answer_head));
}

#[test]
fn bodies_in_chunks() {
    explore(
        30_000,
        &seeds::chunked(),
        seeds::compose_chunked,
        check(parsers::chunked),
    );
}

#[test]
fn the_proxy() {
    explore(
        3_000,
        &seeds::proxy(),
        seeds::compose_proxy,
        check(proxy::proxy),
    );
}

#[test]
fn an_answer_with_as_many_fields_as_may_come_goes_on_with_more() {
    let fields = "X: y\r\n".repeat(polity_http::limits::MAX_HEADERS);
    let answer = format!("HTTP/1.1 200 OK\r\n{fields}\r\nok");
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    proxy::proxy(&proxy::encode(1, [b""; 4], request, &[answer.as_bytes()]));
}
