//! Content that is compressed on its way to clients that take it (RFC 9110, sections 8.4 and 12.5.3).
//!
//! Compressed are answers that become smaller by it, that say nothing to the contrary, and of which the whole is sent.
//! They lose their length, and are no longer byte by byte what their origin said: an entity tag becomes weak.

mod accepted;
mod encoders;
mod worth;

use polity_http::head::{Version, list};
use polity_http::{Encoder, RequestHead, ResponseHead};
use polity_plan::Coding;

pub(crate) use accepted::{Accepted, CHEAPEST, SMALLEST, extension};
pub(crate) use encoders::{Permit, encoder};
pub(crate) use worth::is_compressible;

/// Bytes below which nothing is compressed: they fit in one packet either way.
pub(crate) const MIN_LENGTH: u64 = 1024;

/// What becomes of one request's answer.
#[derive(Debug)]
pub(crate) struct Compression {
    accepted: Accepted,
    codings: Box<[Coding]>,
    /// The answer would be another one for another client.
    varies: bool,
    chosen: Option<Chosen>,
}

#[derive(Debug)]
struct Chosen {
    coding: Coding,
    /// Until there is an encoder.
    permit: Option<Permit>,
    /// The answer's entity tag, weakened.
    tag: Option<Box<[u8]>>,
}

impl Compression {
    /// That of a request, where the plan has such and its client can be sent it.
    pub(crate) fn new(
        planned: &polity_plan::Compression,
        head: &RequestHead<'_>,
    ) -> Option<Box<Self>> {
        if !planned.services || head.version != Version::Http11 {
            return None;
        }
        Some(Box::new(Self {
            accepted: Accepted::of(head),
            codings: planned.codings.as_slice().into(),
            varies: false,
            chosen: None,
        }))
    }

    /// Decides on an answer that is about to be forwarded: whether it is compressed.
    pub(crate) fn decide(&mut self, head: &ResponseHead<'_>) -> bool {
        self.chosen = None;
        self.varies = is_worth_it(head);
        if !self.varies {
            return false;
        }
        let accepted = self.accepted.in_order(CHEAPEST);
        let mut accepted = accepted.filter(|coding| self.codings.contains(coding));
        let chosen = accepted.next().zip(Permit::take());
        self.chosen = chosen.map(|(coding, permit)| Chosen {
            coding,
            permit: Some(permit),
            tag: head.header("etag").map(weakened),
        });
        self.chosen.is_some()
    }

    /// Whether the answer's field of this name is passed on.
    pub(crate) fn keeps(&self, name: &str) -> bool {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        self.chosen.is_none() || !(is("etag") || is("accept-ranges") || is("content-encoding"))
    }

    /// Appends what is said of it.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        if self.varies {
            out.extend_from_slice(b"vary: accept-encoding\r\n");
        }
        let Some(chosen) = &self.chosen else { return };
        let mut field = |name: &[u8], value: &[u8]| {
            out.extend_from_slice(name);
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        };
        field(b"content-encoding: ", chosen.coding.name().as_bytes());
        if let Some(tag) = &chosen.tag {
            field(b"etag: ", tag);
        }
    }

    /// What compresses it, once.
    pub(crate) fn encoder(&mut self) -> Option<Box<dyn Encoder>> {
        let chosen = self.chosen.as_mut()?;
        let permit = chosen.permit.take()?;
        let encoder = encoder(chosen.coding, permit)?;
        Some(encoder)
    }
}

/// Whether an answer would become smaller, and may.
fn is_worth_it(head: &ResponseHead<'_>) -> bool {
    let is_whole = matches!(head.status, 200..=203 | 400..);
    let text = |name| {
        head.header(name)
            .and_then(|value| std::str::from_utf8(value).ok())
    };
    let is_long = match text("content-length") {
        Some(length) => length
            .trim()
            .parse::<u64>()
            .is_ok_and(|it| it >= MIN_LENGTH),
        None => true,
    };
    is_whole
        && is_long
        && text("content-type").is_some_and(is_compressible)
        && head
            .headers
            .iter()
            .all(|field| leaves_it_be(field.name, field.value))
}

/// Whether a field does not stand against it.
fn leaves_it_be(name: &str, value: &[u8]) -> bool {
    let is = |known: &str| name.eq_ignore_ascii_case(known);
    match name.len() {
        11 if is("content-md5") => false,
        13 if is("content-range") => false,
        14 if is("content-digest") => false,
        16 if is("content-encoding") => value.trim_ascii().eq_ignore_ascii_case(b"identity"),
        13 if is("cache-control") => {
            !list(value).any(|member| member.eq_ignore_ascii_case(b"no-transform"))
        }
        _ => true,
    }
}

fn weakened(tag: &[u8]) -> Box<[u8]> {
    match tag.starts_with(b"W/") {
        true => tag.into(),
        false => [b"W/", tag].concat().into(),
    }
}

#[cfg(test)]
mod tests {
    use std::mem::MaybeUninit;

    use polity_http::limits::MAX_HEADERS;

    use super::*;

    fn compression(accept: &str) -> Box<Compression> {
        let text = format!("GET / HTTP/1.1\r\nhost: a\r\n{accept}\r\n");
        let mut space = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        let parsed = RequestHead::parse(text.as_bytes(), &mut space);
        let head = parsed.expect("a head").expect("a whole head").0;
        let planned = polity_plan::Compression {
            services: true,
            ..Default::default()
        };
        Compression::new(&planned, &head).expect("it is on")
    }

    /// Whether it is compressed, and what is said of it.
    fn decide(accept: &str, answer: &str) -> (bool, String) {
        let mut compression = compression(accept);
        let text = format!("HTTP/1.1 {answer}\r\n");
        let mut space = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        let parsed = ResponseHead::parse(text.as_bytes(), &mut space);
        let head = parsed.expect("a head").expect("a whole head").0;
        let decided = compression.decide(&head);
        let mut out = Vec::new();
        compression.write(&mut out);
        (decided, String::from_utf8(out).expect("text"))
    }

    const GZIP: &str = "accept-encoding: gzip\r\n";

    #[test]
    fn what_becomes_smaller_is_compressed_for_who_takes_it() {
        let text = "200 OK\r\ncontent-type: text/html\r\netag: \"a\"\r\ncontent-length: 2000\r\n";
        let (decided, said) = decide(GZIP, text);
        assert!(decided);
        assert_eq!(
            said,
            "vary: accept-encoding\r\ncontent-encoding: gzip\r\netag: W/\"a\"\r\n"
        );
        // What another client would be sent is told to caches all the same.
        assert_eq!(
            decide("", text),
            (false, "vary: accept-encoding\r\n".to_owned())
        );
        assert!(
            decide(
                GZIP,
                "200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n"
            )
            .0
        );
        assert!(
            decide(
                GZIP,
                "404 Not Found\r\ncontent-type: application/problem+json\r\n"
            )
            .0
        );
    }

    #[test]
    fn what_may_not_or_would_not_is_left_as_it_is() {
        let html = "200 OK\r\ncontent-type: text/html\r\n";
        let with = |line: &str| format!("{html}{line}\r\n");
        for answer in [
            "200 OK\r\n".to_owned(),
            "200 OK\r\ncontent-type: image/png\r\n".to_owned(),
            "200 OK\r\ncontent-type: text/event-stream\r\n".to_owned(),
            "200 OK\r\ncontent-type: application/grpc\r\n".to_owned(),
            "206 Partial Content\r\ncontent-type: text/html\r\ncontent-range: bytes 0-1/2\r\n"
                .to_owned(),
            "304 Not Modified\r\ncontent-type: text/html\r\n".to_owned(),
            "204 No Content\r\ncontent-type: text/html\r\n".to_owned(),
            "302 Found\r\ncontent-type: text/html\r\n".to_owned(),
            with("content-encoding: br"),
            with("cache-control: public, No-Transform"),
            with("content-length: 1023"),
            with("content-length: 0"),
            with("content-digest: sha-256=:AAAA:"),
        ] {
            assert_eq!(decide(GZIP, &answer), (false, String::new()), "{answer}");
        }
        assert!(decide(GZIP, &with("content-encoding: identity")).0);
        assert!(decide(GZIP, &with("content-length: 1024")).0);
    }

    #[test]
    fn there_is_one_encoder() {
        let mut compression = compression(GZIP);
        let text = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n";
        let mut space = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        let parsed = ResponseHead::parse(text.as_bytes(), &mut space);
        let head = parsed.expect("a head").expect("a whole head").0;
        assert!(compression.encoder().is_none(), "nothing is decided");
        assert!(compression.decide(&head));
        assert!(compression.encoder().is_some() && compression.encoder().is_none());
        assert!(!compression.keeps("ETag") && compression.keeps("cache-control"));
    }
}
