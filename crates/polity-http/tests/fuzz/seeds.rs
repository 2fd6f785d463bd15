//! What the targets begin from that take more than a message.

use std::sync::LazyLock;

use crate::proxy::encode;
use crate::random::{Random, breed};
use crate::{compose, corpus};

/// The bodies in chunks of all messages of the corpus, with a plan of pieces before each.
pub(crate) fn chunked() -> Vec<Vec<u8>> {
    let messages = corpus::parents(corpus::requests()).into_iter();
    let messages = messages.chain(corpus::parents(corpus::answers()));
    let bodies = messages.filter_map(|bytes| {
        let lower = bytes.to_ascii_lowercase();
        let is_chunked = lower.windows(7).any(|it| it == b"chunked");
        let end = bytes.windows(4).position(|it| it == b"\r\n\r\n")?;
        is_chunked.then(|| [b"\x07\x00\x01\x02\x20", &bytes[end + 4..]].concat())
    });
    bodies.collect()
}

/// A body in chunks, composed.
pub(crate) fn compose_chunked(random: &mut Random) -> Vec<u8> {
    loop {
        let message = compose::answer(random);
        let end = message.windows(4).position(|it| it == b"\r\n\r\n");
        if let Some(end) = end.filter(|_| message.windows(7).any(|it| it == b"chunked")) {
            let plan: Vec<u8> = (0..5).map(|_| random.below(40) as u8).collect();
            return [&plan, &message[end + 4..]].concat();
        }
    }
}

/// Each request of the corpus with a plain answer, and each answer after a plain request, in order and
/// byte by byte.
pub(crate) fn proxy() -> Vec<Vec<u8>> {
    let ask = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2);
    let ok = &b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"[..];
    let requests = corpus::requests().into_iter().enumerate();
    let requests = requests.map(|(index, case)| {
        let sizes: &[u8] = if index % 2 == 0 { &[] } else { &[0] };
        encode(index as u8, [sizes; 4], &case.bytes, &[ok, ok])
    });
    let answers = corpus::answers().into_iter().enumerate();
    let answers = answers.map(|(index, case)| {
        let sizes: &[u8] = if index % 2 == 0 { &[] } else { &[0] };
        encode(index as u8, [sizes; 4], &ask, &[&case.bytes, ok])
    });
    requests.chain(answers).collect()
}

/// Requests and answers that were bred, in any pieces.
pub(crate) fn compose_proxy(random: &mut Random) -> Vec<u8> {
    static REQUESTS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| corpus::parents(corpus::requests()));
    static ANSWERS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| corpus::parents(corpus::answers()));
    let sizes: Vec<Vec<u8>> = (0..4)
        .map(|_| {
            let most = *random.pick(&[1, 4, 30, 256]);
            (0..random.below(5))
                .map(|_| random.below(most) as u8)
                .collect()
        })
        .collect();
    let client = match random.one_in(2) {
        true => compose::requests(random),
        false => breed(random, &REQUESTS, compose::requests),
    };
    let parts: Vec<Vec<u8>> = (0..random.below(4))
        .map(|_| match random.one_in(2) {
            true => compose::answer(random),
            false => breed(random, &ANSWERS, compose::answer),
        })
        .collect();
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    let sizes = [&sizes[0][..], &sizes[1], &sizes[2], &sizes[3]];
    encode(random.below(8) as u8, sizes, &client, &parts)
}
