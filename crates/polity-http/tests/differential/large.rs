//! Bodies larger than any buffer, both ways at once: what goes in comes out, however it is cut up.

use std::convert::Infallible;

use hyper::body::Incoming;
use hyper::header::{HeaderValue, TRANSFER_ENCODING};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use polity_http::head::request::Asks;

use crate::hyper::request_message;
use crate::memory::{End as Side, Pieces};
use crate::message::{self, End};
use crate::policy::Forward;
use crate::random::Random;
use crate::world::{self, Client, Ending, Network, runtime};

/// Around the sizes of the data plane's buffers, and several times as much.
const SIZES: &[usize] = &[
    20_000, 32_700, 32_768, 49_152, 65_400, 65_536, 65_600, 98_304, 131_072, 300_000,
];

/// Answers with the body of the request, with a length or in chunks.
async fn echo(side: Side, chunked: bool) {
    let service = hyper::service::service_fn(|request: Request<Incoming>| async move {
        let message = request_message(request).await;
        let body = match message.end {
            End::Whole => String::from_utf8_lossy(&message.body).into_owned(),
            End::Cut | End::Refused => "cut".to_owned(),
        };
        let mut answer = Response::new(body);
        if chunked {
            let coding = HeaderValue::from_static("chunked");
            answer.headers_mut().insert(TRANSFER_ENCODING, coding);
        }
        Ok::<_, Infallible>(answer)
    });
    // How the connection ends is for the proxy's other side to tell.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(side), service)
        .await;
}

/// A request with this body, with a length or in chunks of any size.
fn request(random: &mut Random, body: &[u8]) -> Vec<u8> {
    let mut out = b"POST / HTTP/1.1\r\nHost: a\r\n".to_vec();
    if random.one_in(2) {
        out.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
        out.extend_from_slice(body);
        return out;
    }
    out.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
    let most = *random.pick(&[50, 5_000, 100_000]);
    let mut rest = body;
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at((1 + random.below(most)).min(rest.len()));
        out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
        rest = after;
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

fn pieces(random: &mut Random) -> Pieces {
    let most = *random.pick(&[300, 9_000, 70_000]);
    (0..random.below(5))
        .map(|_| 1 + random.below(most))
        .collect()
}

#[test]
fn bodies_larger_than_buffers_come_through_both_ways() {
    let runtime = runtime();
    for seed in 0..80 {
        let random = &mut Random::new(seed);
        let mut sends = Vec::new();
        let mut bodies = Vec::new();
        for _ in 0..=random.below(2) {
            let size = random.pick(SIZES) + random.below(80);
            let first = random.below(26);
            let body: Vec<u8> = (0..size)
                .map(|at| b'a' + ((first + at) % 26) as u8)
                .collect();
            sends.extend(request(random, &body));
            bodies.push(body);
        }
        let network = Network {
            from_client: pieces(random),
            to_client: pieces(random),
            to_instance: pieces(random),
            from_instance: pieces(random),
        };
        let client = Client {
            sends: &sends,
            then: *random.pick(&[Ending::HalfClose, Ending::Wait]),
        };
        let chunked = random.one_in(2);
        let instance = move |_, side| echo(side, chunked);
        let got = world::run(
            &runtime,
            Forward { attempts: 1 },
            network,
            &client,
            instance,
        );
        let mut rest = &got.bytes[..];
        for body in &bodies {
            let read = message::answer(rest, Asks::Answer);
            let answer = read.messages.first().expect("an answer");
            let is_it = answer.end == End::Whole && answer.body == *body;
            assert!(
                is_it,
                "seed {seed}: {} of {} bytes",
                answer.body.len(),
                body.len()
            );
            rest = &rest[read.used..];
        }
        assert!(rest.is_empty(), "seed {seed}: more comes");
    }
}
