//! The corpus: messages as they come over the wire, each with what must become of it.
//!
//! A case is a line `EXPECTATION NAME`, then the bytes in one or more lines with escapes, then facts
//! about what goes on, each a line that begins with `=>`. Blank lines part cases, `#` begins a remark.

/// A message and what must become of it.
pub(crate) struct Case {
    /// A status, or a word such as `accept`.
    pub(crate) expectation: String,
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) facts: Vec<Fact>,
}

/// What is true of the message that goes on.
pub(crate) enum Fact {
    /// Its first line is this.
    Line(Vec<u8>),
    /// One of its fields is this one; the name in lower case.
    Has(String, Vec<u8>),
    /// It has no such field; the name in lower case.
    Lacks(String),
    /// Its body is this.
    Body(Vec<u8>),
}

/// Requests, to be refused with a status or to be accepted.
pub(crate) fn requests() -> Vec<Case> {
    cases(include_str!("../corpus/requests.txt"))
}

/// Answers, each with the status that the client gets, or `cut`.
pub(crate) fn answers() -> Vec<Case> {
    cases(include_str!("../corpus/answers.txt"))
}

/// The messages of `cases`, those twice that are good: most of what is bred from others is refused.
pub(crate) fn parents(cases: Vec<Case>) -> Vec<Vec<u8>> {
    let is_good = |case: &&Case| case.expectation == "accept" || case.expectation.starts_with('2');
    let good = cases.iter().filter(is_good);
    let messages = cases.iter().chain(good);
    messages.map(|case| case.bytes.clone()).collect()
}

fn cases(text: &str) -> Vec<Case> {
    let blocks = text.split("\n\n").map(|block| {
        let lines = block
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty());
        lines.collect::<Vec<_>>()
    });
    blocks
        .filter(|block| !block.is_empty())
        .map(|block| case(&block))
        .collect()
}

fn case(block: &[&str]) -> Case {
    let (expectation, name) = block[0].split_once(' ').expect("expectation and name");
    let (facts, bytes): (Vec<&str>, Vec<&str>) =
        block[1..].iter().partition(|line| line.starts_with("=> "));
    Case {
        expectation: expectation.to_owned(),
        name: name.to_owned(),
        bytes: unescape(&bytes.concat()),
        facts: facts.iter().map(|line| fact(&line[3..])).collect(),
    }
}

fn fact(text: &str) -> Fact {
    let (kind, rest) = text.split_once(' ').expect("a kind and what it is about");
    match kind {
        "line" => Fact::Line(unescape(rest)),
        "lacks" => Fact::Lacks(rest.to_owned()),
        "body" => Fact::Body(unescape(rest)),
        "has" => {
            let (name, value) = rest.split_once(": ").expect("a name and a value");
            Fact::Has(name.to_owned(), unescape(value))
        }
        other => panic!("no fact is called {other}"),
    }
}

/// `\r`, `\n`, `\t`, `\0`, `\\`, `\xHH`, and `\{COUNT*TEXT}` for as many times the text.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, escape)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let (byte, length) = match escape.as_bytes()[0] {
            b'r' => (b'\r', 1),
            b'n' => (b'\n', 1),
            b't' => (b'\t', 1),
            b'0' => (0, 1),
            b'\\' => (b'\\', 1),
            b'x' => (
                u8::from_str_radix(&escape[1..3], 16).expect("two digits"),
                3,
            ),
            b'{' => {
                let (repeated, after) = escape[1..].split_once('}').expect("an end");
                let (count, text) = repeated.split_once('*').expect("a count");
                bytes.extend(unescape(text).repeat(count.parse().expect("a count")));
                rest = after;
                continue;
            }
            other => panic!("unknown escape {}", char::from(other)),
        };
        bytes.push(byte);
        rest = &escape[length..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// Bytes as the corpus writes them, so that what a test prints can be pasted there.
pub(crate) fn escape(bytes: &[u8]) -> String {
    let mut text = String::new();
    for &byte in bytes {
        match byte {
            b'\r' => text.push_str("\\r"),
            b'\n' => text.push_str("\\n"),
            b'\t' => text.push_str("\\t"),
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text
}
