//! The chunked coding: any split of the input gives the same output, and what is written can be read.

use proptest::prelude::*;

use super::*;
use crate::head::Framing;
use crate::limits::MAX_TRAILERS;

#[derive(Debug, PartialEq, Eq)]
struct Decoded {
    data: Vec<u8>,
    trailers: Vec<u8>,
    /// What of the input was used; all of it while the body has not ended.
    used: usize,
    done: bool,
}

/// Decodes pieces of the given sizes (the last is what remains), each span at most `most` long.
fn decode(input: &[u8], sizes: &[usize], most: usize) -> Result<Decoded, BodyError> {
    let mut decoder = Decoder::new(Framing::Chunked);
    let (mut data, mut used, mut end) = (Vec::new(), 0, 0);
    for size in sizes.iter().copied().chain([usize::MAX]) {
        end = input.len().min(usize::saturating_add(end, size.max(1)));
        loop {
            let rest = &input[used..end];
            let step = decoder.step(rest, most)?;
            data.extend_from_slice(&rest[step.data.clone()]);
            used += step.consumed;
            if step.consumed == 0 || decoder.is_done() {
                break;
            }
        }
    }
    Ok(Decoded {
        data,
        trailers: decoder.trailers().to_vec(),
        used,
        done: decoder.is_done(),
    })
}

fn encode(chunks: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()) {
        write_chunk_start(&mut out, chunk.len());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    write_last_chunk(&mut out, b"", |_| true);
    out
}

#[test]
fn trailers_are_kept_apart_and_what_follows_is_left() {
    let input = b"3\r\nabc\r\n0\r\nX-A: 1\r\nX-B: 2\r\n\r\nGET ";
    let decoded = decode(input, &[], usize::MAX).expect("legal");
    assert_eq!(decoded.data, b"abc");
    assert_eq!(decoded.trailers, b"X-A: 1\r\nX-B: 2\r\n");
    assert_eq!(&input[decoded.used..], b"GET ");
}

#[test]
fn trailers_that_mean_something_else_after_the_body_are_left_out() {
    let mut out = Vec::new();
    let trailers =
        b"Content-Length: 1\r\nX-A: 1\r\nset_cookie: a\r\nX-Forwarded-For: b\r\nTE: c\r\nX-Request-Id: d\r\nx_real_ip: e\r\n";
    write_last_chunk(&mut out, trailers, |_| true);
    assert_eq!(out, b"0\r\nX-A: 1\r\n\r\n");
}

#[test]
fn lines_past_their_bounds_are_refused() {
    let extension = [
        b"1;".to_vec(),
        vec![b'a'; 300],
        b"\r\na\r\n0\r\n\r\n".to_vec(),
    ]
    .concat();
    assert!(decode(&extension, &[], usize::MAX).is_err());
    let trailer = [
        b"0\r\nx: ".to_vec(),
        vec![b'a'; MAX_TRAILERS],
        b"\r\n\r\n".to_vec(),
    ]
    .concat();
    assert!(decode(&trailer, &[], usize::MAX).is_err());
}

#[test]
fn the_end_of_the_connection_ends_only_what_it_may() {
    let ended = |framing| Decoder::new(framing).end_of_stream();
    assert_eq!(ended(Framing::UntilClose), Ok(()));
    assert_eq!(ended(Framing::Length(0)), Ok(()));
    assert_eq!(ended(Framing::Length(1)), Err(BodyError::Truncated));
    assert_eq!(ended(Framing::Chunked), Err(BodyError::Truncated));
}

proptest! {
    #[test]
    fn what_is_written_is_read_in_any_pieces(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..6),
        sizes in proptest::collection::vec(1usize..20, 0..40),
        most in 1usize..64,
    ) {
        let encoded = encode(&chunks);
        let decoded = decode(&encoded, &sizes, most);
        prop_assert_eq!(decoded, Ok(Decoded {
            data: chunks.concat(),
            trailers: Vec::new(),
            used: encoded.len(),
            done: true,
        }));
    }

    #[test]
    fn any_bytes_mean_the_same_in_any_pieces(
        pieces in proptest::collection::vec(prop_oneof![
            Just("3\r\nabc\r\n"), Just("0\r\n"), Just("\r\n"), Just("a: b\r\n"), Just(";x=y"),
            Just("A\r\n0123456789"), Just("\n"), Just("\r"), Just("fffffffffffffff"), Just("7"), Just(" "),
        ], 0..8),
        sizes in proptest::collection::vec(1usize..9, 0..30),
        most in 1usize..16,
    ) {
        let input = pieces.concat();
        let whole = decode(input.as_bytes(), &[], usize::MAX);
        let split = decode(input.as_bytes(), &sizes, most);
        prop_assert_eq!(whole, split);
    }
}
