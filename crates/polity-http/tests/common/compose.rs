//! Random messages that are mostly well formed: parts that go together in ways nobody wrote down.

use crate::random::Random;

const METHODS: &[&str] = &[
    "GET", "GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PROPFIND", "get", "X-Y",
];
const TARGETS: &[&str] = &[
    "/",
    "/a/b?c=d",
    "*",
    "http://b:1/x",
    "HTTPS://b",
    "//a",
    "/%00/..",
    "/?",
    "/a|b[1]{2}\"^",
];
const HOSTS: &[&str] = &[
    "a",
    "a.example:80",
    "[::1]:8080",
    "192.0.2.1",
    "a_b",
    "A.",
    "a:",
];
const VERSIONS: &[&str] = &["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0"];
const STATUSES: &[&str] = &[
    "200 OK",
    "200",
    "204 No Content",
    "304 Not Modified",
    "404 Not Found",
    "500 \x08",
    "599 x y",
    "301 ",
];
const FIELDS: &[&str] = &[
    "Connection: close",
    "Connection: keep-alive",
    "Connection: x-a, te",
    "Connection:",
    "X-A: b",
    "x-a:c",
    "X-A: d ",
    "Cookie: a=b; c=\"d\"",
    "Set-Cookie: a",
    "Expect: 100-continue",
    "TE: trailers",
    "TE: gzip, trailers;q=1",
    "Upgrade: websocket",
    "Connection: upgrade",
    "Upgrade: h2c",
    "Trailer: X-B",
    "Keep-Alive: timeout=5",
    "Content_Length: 3",
    "Accept: */*",
    "Content-Type: a/b",
    "X-Empty:",
    "Content-Encoding: gzip",
    "Via: 1.0 a",
];
const TRAILERS: &[&str] = &[
    "X-B: 1",
    "X-C:",
    "Content-Length: 3",
    "x_d: 4",
    "Set-Cookie: a",
];
const EXTENSIONS: &[&str] = &["", "", "", ";a", ";a=b", ";a=\"b\\\"c\";d", "; a = b"];

/// A request, or several one after the other.
pub(crate) fn requests(random: &mut Random) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..=random.below(3) {
        let (method, target) = (random.pick(METHODS), random.pick(TARGETS));
        let line = format!("{method} {target} {}\r\n", random.pick(VERSIONS));
        out.extend_from_slice(line.as_bytes());
        let host = format!("Host: {}\r\n", random.pick(HOSTS));
        message(random, &mut out, &host);
    }
    out
}

/// An answer, perhaps after interim ones.
pub(crate) fn answer(random: &mut Random) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..random.below(8).saturating_sub(5) {
        out.extend_from_slice(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    }
    let line = format!("{} {}\r\n", random.pick(VERSIONS), random.pick(STATUSES));
    out.extend_from_slice(line.as_bytes());
    message(random, &mut out, "");
    out
}

/// Fields in any order, `first` among them, then a body.
fn message(random: &mut Random, out: &mut Vec<u8>, first: &str) {
    let mut fields = vec![first.to_owned()];
    for _ in 0..random.below(5) {
        fields.push(format!("{}\r\n", random.pick(FIELDS)));
    }
    let body: Vec<u8> = (0..random.below(40))
        .map(|_| random.below(256) as u8)
        .collect();
    let framed = match random.below(3) {
        0 => Vec::new(),
        1 => {
            fields.push(format!("Content-Length: {}\r\n", body.len()));
            body
        }
        _ => {
            fields.push("Transfer-Encoding: chunked\r\n".to_owned());
            chunks(random, &body)
        }
    };
    for left in (0..fields.len()).rev() {
        let at = random.below(left + 1);
        out.extend_from_slice(fields.swap_remove(at).as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(&framed);
}

fn chunks(random: &mut Random, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(1 + random.below(rest.len()));
        let line = format!("{:x}{}\r\n", chunk.len(), random.pick(EXTENSIONS));
        out.extend_from_slice(line.as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
        rest = after;
    }
    out.extend_from_slice(format!("0{}\r\n", random.pick(EXTENSIONS)).as_bytes());
    for _ in 0..random.below(6).saturating_sub(3) {
        out.extend_from_slice(format!("{}\r\n", random.pick(TRAILERS)).as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out
}
