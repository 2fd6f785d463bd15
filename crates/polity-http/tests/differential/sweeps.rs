//! Every byte there is, in each of the places where one has fooled somebody.

use crate::message::{self, Message, Stop};

/// What is read of a request with this line among its fields; none when it is refused.
fn read(line: &[u8]) -> Option<Message> {
    let request = [
        b"POST / HTTP/1.1\r\nHost: a\r\n",
        line,
        b"\r\n\r\n0\r\n\r\n",
    ]
    .concat();
    let reading = message::requests(&request);
    assert!(
        reading.stop == Stop::Refused || !reading.messages.is_empty(),
        "a head with {line:?} is waited for"
    );
    reading.messages.into_iter().next()
}

fn has(message: &Message, name: &str) -> bool {
    message.fields.iter().any(|field| field.0 == name)
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Puts each byte before the name, within it, after it, before the value, within it and after it.
fn sweep(name: &str, value: &str) {
    let lower = name.to_ascii_lowercase();
    let (first, rest) = name.split_at(4);
    let (begins, ends) = value.split_at(1);
    for byte in 0..=255u8 {
        let line = |parts: [&str; 2]| [parts[0].as_bytes(), &[byte], parts[1].as_bytes()].concat();
        let in_name = [
            line(["", &format!("{name}: {value}")]),
            line([first, &format!("{rest}: {value}")]),
            line([name, &format!(": {value}")]),
        ];
        for line in in_name {
            // It is another name, or none.
            let is_another = read(&line).is_none_or(|read| is_token(byte) && !has(&read, &lower));
            // A colon parts the name from the value wherever it stands.
            assert!(is_another || byte == b':', "{byte:#x} in {name}");
        }
        let around = [
            line([&format!("{name}:"), value]),
            line([&format!("{name}: {value}"), ""]),
        ];
        for line in around {
            let is_space = byte == b' ' || byte == b'\t';
            let longer = byte.is_ascii_digit() && lower == "content-length";
            assert!(
                is_space || longer || read(&line).is_none(),
                "{byte:#x} around {value}"
            );
        }
        let within = line([&format!("{name}: {begins}"), ends]);
        let is_digit = byte.is_ascii_digit() && lower == "content-length";
        assert!(is_digit || read(&within).is_none(), "{byte:#x} in {value}");
    }
}

#[test]
fn no_byte_makes_a_transfer_encoding_that_only_some_would_see() {
    sweep("Transfer-Encoding", "chunked");
}

#[test]
fn no_byte_makes_a_length_that_only_some_would_see() {
    sweep("Content-Length", "10");
}

#[test]
fn no_byte_parts_a_line_or_a_field_but_those_that_do() {
    for byte in (0..=255u8).filter(|&byte| !is_token(byte)) {
        for place in [&b"X"[..], b"X: a"] {
            let line = [place, &[byte], b"Y: b"].concat();
            let Some(read) = read(&line) else {
                continue;
            };
            assert!(!has(&read, "y"), "{byte:#x} parts two fields");
        }
    }
}
