//! Head parsing over whatever bytes come, and the rules that the corpus does not reach.

use std::mem::MaybeUninit;

use proptest::prelude::*;

use super::request::{Asks, HeaderSpace};
use super::*;
use crate::limits::MAX_HEADERS;

fn request<T>(
    input: &[u8],
    look: impl FnOnce(&RequestHead<'_>) -> T,
) -> Result<Option<T>, HeadError> {
    let mut space: HeaderSpace<'_> = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let parsed = RequestHead::parse(input, &mut space)?;
    Ok(parsed.map(|(head, _)| look(&head)))
}

fn response<T>(
    input: &[u8],
    look: impl FnOnce(&ResponseHead<'_>) -> T,
) -> Result<Option<T>, HeadError> {
    let mut space: HeaderSpace<'_> = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let parsed = ResponseHead::parse(input, &mut space)?;
    Ok(parsed.map(|(head, _)| look(&head)))
}

#[test]
fn an_absolute_target_replaces_the_host() {
    let seen = request(
        b"GET http://a.example:1/x?y HTTP/1.1\r\nhost: b\r\n\r\n",
        |head| (head.authority.to_owned(), head.target.to_owned()),
    );
    assert_eq!(seen, Ok(Some(("a.example:1".into(), "/x?y".into()))));
}

#[test]
fn connections_stay_open_by_the_rules_of_their_version() {
    let check = |head: &str, expected| {
        let bytes = format!("GET / {head}\r\n\r\n");
        let keeps = request(bytes.as_bytes(), |head| head.keeps_alive());
        assert_eq!(keeps, Ok(Some(expected)), "{head}");
    };
    check("HTTP/1.1\r\nhost: a", true);
    check("HTTP/1.1\r\nhost: a\r\nconnection: x, CLOSE", false);
    check(
        "HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, close",
        false,
    );
    check("HTTP/1.0", false);
    check("HTTP/1.0\r\nconnection: Keep-Alive", true);
}

#[test]
fn the_permission_to_send_a_body_is_one_expectation_of_a_list() {
    let check = |head: &str, expected| {
        let bytes = format!("PUT / {head}\r\n\r\n");
        let expects = request(bytes.as_bytes(), |head| head.expects_continue);
        assert_eq!(expects, Ok(Some(expected)), "{head}");
    };
    check("HTTP/1.1\r\nhost: a\r\nexpect: 100-Continue", true);
    check("HTTP/1.1\r\nhost: a\r\nexpect: x, 100-continue", true);
    check("HTTP/1.1\r\nhost: a\r\nexpect: x", false);
    check("HTTP/1.0\r\nhost: a\r\nexpect: 100-continue", false);
}

#[test]
fn a_body_follows_by_status_method_and_fields() {
    let check = |asks, head: &str, expected| {
        let bytes = format!("{head}\r\n\r\n");
        let framing = response(bytes.as_bytes(), |head| head.framing(asks));
        assert_eq!(framing, Ok(Some(expected)), "{head}");
    };
    check(
        Asks::Answer,
        "HTTP/1.1 200 OK\r\ncontent-length: 3",
        Framing::Length(3),
    );
    check(
        Asks::Answer,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked",
        Framing::Chunked,
    );
    check(Asks::Answer, "HTTP/1.1 200 OK", Framing::UntilClose);
    check(
        Asks::Head,
        "HTTP/1.1 200 OK\r\ncontent-length: 3",
        Framing::None,
    );
    check(
        Asks::Answer,
        "HTTP/1.1 204 OK\r\ncontent-length: 3",
        Framing::None,
    );
    check(
        Asks::Answer,
        "HTTP/1.1 304 OK\r\ntransfer-encoding: chunked",
        Framing::None,
    );
}

#[test]
fn a_field_more_than_the_bound_is_too_many() {
    let with = |count: usize| {
        format!(
            "GET / HTTP/1.1\r\nhost: a\r\n{}\r\n",
            "a: b\r\n".repeat(count)
        )
    };
    assert!(request(with(MAX_HEADERS - 1).as_bytes(), |_| ()).is_ok_and(|head| head.is_some()));
    let more = request(with(MAX_HEADERS).as_bytes(), |_| ());
    assert_eq!(more, Err(HeadError::TooManyHeaders));
}

#[test]
fn names_that_alias_framing_are_not_written() {
    let input = b"POST / HTTP/1.1\r\nhost: a\r\ncontent_length: 5\r\nTransfer_Encoding: chunked\r\nx_fine: 1\r\n\r\n";
    let written = request(input, |head| {
        let mut out = Vec::new();
        write_request_head(head, head.target, &mut out, |_| true, |_| {});
        String::from_utf8_lossy(&out).into_owned()
    });
    assert_eq!(
        written,
        Ok(Some(
            "POST / HTTP/1.1\r\nhost: a\r\nx_fine: 1\r\n\r\n".into()
        ))
    );
}

/// Bytes that look like heads more often than chance would have it.
fn head_like() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"GET / HTTP/1.1\r\n".to_vec()),
        Just(b"HTTP/1.1 200 OK\r\n".to_vec()),
        Just(b"Host: a\r\n".to_vec()),
        Just(b"Content-Length: 5\r\n".to_vec()),
        Just(b"Transfer-Encoding: chunked\r\n".to_vec()),
        Just(b"Connection: close, x\r\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\n".to_vec()),
        Just(b": ".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..8),
    ];
    proptest::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_bytes_make_parsing_panic_and_a_prefix_is_never_another_head(input in head_like(), cut in 0usize..200) {
        let whole = request(&input, |head| (head.target.to_owned(), head.framing));
        let prefix = &input[..cut.min(input.len())];
        let part = request(prefix, |head| (head.target.to_owned(), head.framing));
        if let Ok(Some(part)) = part {
            prop_assert_eq!(whole, Ok(Some(part)));
        }
        let _ = response(&input, |head| head.status);
    }

    #[test]
    fn what_is_written_parses_to_the_same(input in head_like()) {
        let rewritten = request(&input, |head| {
            let mut out = Vec::new();
            let host = format!("host: {}\r\n", head.authority);
            let keep = |name: &str| !name.eq_ignore_ascii_case("host");
            write_request_head(head, head.target, &mut out, keep, |out| out.extend_from_slice(host.as_bytes()));
            (out, head.method.to_owned(), head.target.to_owned(), head.authority.to_owned(), head.framing)
        });
        if let Ok(Some((out, method, target, authority, framing))) = rewritten
            && !authority.is_empty()
        {
            let again = request(&out, |head| {
                (head.method.to_owned(), head.target.to_owned(), head.authority.to_owned(), head.framing)
            });
            prop_assert_eq!(again, Ok(Some((method, target, authority, framing))));
        }
    }

    #[test]
    fn a_head_is_noticed_however_it_is_split(input in head_like(), at in 0usize..200) {
        let at = at.min(input.len());
        let split = request(&input[..at], |_| ());
        if matches!(split, Ok(None)) && matches!(request(&input, |_| ()), Ok(Some(()))) {
            prop_assert!(may_be_complete(&input, at));
        }
    }
}

mod copying {
    use proptest::prelude::*;

    use super::*;
    use crate::head::request::HeaderSpace;
    use crate::head::write_request_head;

    proptest! {
        /// Copying in runs gives what writing field by field gives, whatever is left out and however
        /// the client spaced its lines.
        #[test]
        fn runs_and_single_fields_come_to_the_same(
            fields in prop::collection::vec(
                ("[a-z]{1,4}", prop::sample::select(vec![":", ": ", ":\t", ":  "]), "[!-~]{0,6}", prop::sample::select(vec!["", " ", "\t"]), any::<bool>()),
                0..12,
            ),
        ) {
            let mut text = b"GET / HTTP/1.1\r\nhost: a\r\n".to_vec();
            let mut expected = b"GET / HTTP/1.1\r\n".to_vec();
            for (place, (name, separator, value, after, kept)) in fields.iter().enumerate() {
                let name = format!("x{place}-{name}{}", if *kept { "" } else { "-dropped" });
                text.extend_from_slice(format!("{name}{separator}{value}{after}\r\n").as_bytes());
                if *kept {
                    expected.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
                }
            }
            text.extend_from_slice(b"\r\n");
            expected.extend_from_slice(b"\r\n");
            let mut space: HeaderSpace<'_> = [const { std::mem::MaybeUninit::uninit() }; crate::limits::MAX_HEADERS];
            let (head, _) = RequestHead::parse(&text, &mut space).expect("valid").expect("whole");
            let mut out = Vec::new();
            let keep = |name: &str| name != "host" && !name.ends_with("-dropped");
            write_request_head(&head, head.target, &mut out, keep, |_| {});
            prop_assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(&expected));
        }
    }
}
