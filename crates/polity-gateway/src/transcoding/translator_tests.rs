//! Tests of translation, by the services of `polity-transcode`'s own tests.

use std::mem::MaybeUninit;
use std::path::Path;

use polity_http::head::request::HeaderSpace;
use polity_http::limits::MAX_HEADERS;
use polity_transcode::DescriptorPool;

use super::*;

fn translator() -> Translator {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../polity-transcode/tests/protos");
    let mut compiler = protox::Compiler::new([folder]).expect("the folder is there");
    compiler.include_imports(true);
    compiler.open_file("library.proto").expect("it compiles");
    let pool = DescriptorPool::decode(compiler.encode_file_descriptor_set().as_slice());
    Translator::new(Some(Arc::new(
        Transcoder::new(pool.expect("it fits together")).0,
    )))
}

/// What becomes of a request.
fn asked(translator: &mut Translator, head: &str, body: &str) -> Result<String, String> {
    let head = format!("{head}\r\n\r\n");
    let mut space: HeaderSpace<'_> = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let parsed = RequestHead::parse(head.as_bytes(), &mut space).expect("a head");
    let (parsed, _) = parsed.expect("it is whole");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    match translator.request(&parsed, Some(body.as_bytes())) {
        Asked::Otherwise(request) => Ok(text(request)),
        Asked::Answered(answer) => Err(text(answer)),
    }
}

/// What an answer is told as.
fn told(translator: &mut Translator, head: &str, messages: &[&[u8]], trailers: &str) -> String {
    let head = format!("HTTP/1.1 {head}\r\n\r\n");
    let mut space: HeaderSpace<'_> = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let parsed = ResponseHead::parse(head.as_bytes(), &mut space).expect("a head");
    translator.answer(&parsed.expect("it is whole").0);
    let mut out = Vec::new();
    for message in messages {
        translator.answer_data(&frame(message), &mut out);
    }
    translator.answer_end(trailers.as_bytes(), &mut out);
    String::from_utf8(out).expect("text")
}

const GET_BOOK: &str = "GET /v1/shelves/1/books/2 HTTP/1.1\r\nhost: shop";
const WATCH: &str = "GET /v1/shelves/1/books/2:watch HTTP/1.1\r\nhost: shop";
const GRPC: &str = "200 \r\ncontent-type: application/grpc\r\nx-shelf: 1";
/// A book called `a`.
const BOOK: &[u8] = &[0x0a, 1, b'a'];
const OK: &str = "grpc-status: 0\r\n";

#[test]
fn a_request_is_asked_as_a_call() {
    let head = "GET /v1/shelves/1/books/2 HTTP/1.1\r\nhost: shop\r\ntraceparent: t\r\naccept: */*\r\nx-request-timeout-ms: 1500";
    let asked = asked(&mut translator(), head, "").expect("it is asked");
    let expected = "POST /library.Library/GetBook HTTP/1.1\r\nhost: shop\r\ntraceparent: t\r\ngrpc-timeout: 1500m\r\n\
        content-type: application/grpc\r\nte: trailers\r\nconnection: te\r\ncontent-length: 24\r\n\r\n\
        \0\0\0\0\x13\n\x11shelves/1/books/2";
    assert_eq!(asked, expected);
}

#[test]
fn one_message_is_told_with_its_fields() {
    let mut translator = translator();
    asked(&mut translator, GET_BOOK, "").expect("it is asked");
    let told = told(&mut translator, GRPC, &[BOOK], OK);
    let expected = "HTTP/1.1 200 \r\nx-shelf: 1\r\ncontent-type: application/json\r\ncontent-length: 12\r\n\r\n{\"name\":\"a\"}";
    assert_eq!(told, expected);
}

#[test]
fn several_messages_are_told_as_they_come() {
    for (accept, kind, lines) in [
        ("*/*", "application/x-ndjson", "d\r\n{\"name\":\"a\"}\n\r\n"),
        (
            "text/event-stream",
            "text/event-stream",
            "14\r\ndata: {\"name\":\"a\"}\n\n\r\n",
        ),
    ] {
        let mut translator = translator();
        let head = format!("{WATCH}\r\naccept: {accept}");
        asked(&mut translator, &head, "").expect("it is asked");
        let told = told(&mut translator, GRPC, &[BOOK, BOOK], OK);
        let head = format!(
            "HTTP/1.1 200 \r\nx-shelf: 1\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        assert_eq!(told, format!("{head}{lines}{lines}0\r\n\r\n"));
    }
}

#[test]
fn a_failure_is_told_in_json_before_and_within_a_stream() {
    let failed = "grpc-status: 5\r\ngrpc-message: no%20book\r\n";
    let status = "{\"code\":5,\"details\":[],\"message\":\"no book\"}";
    for (head, messages) in [
        (GET_BOOK, &[][..]),
        (GET_BOOK, &[BOOK][..]),
        (WATCH, &[][..]),
    ] {
        let mut translator = translator();
        asked(&mut translator, head, "").expect("it is asked");
        let told = told(&mut translator, GRPC, messages, failed);
        assert!(told.starts_with("HTTP/1.1 404 \r\n"), "{told}");
        assert!(told.ends_with(status), "{told}");
    }
    let mut translator = translator();
    asked(&mut translator, WATCH, "").expect("it is asked");
    let told = told(&mut translator, GRPC, &[BOOK], failed);
    assert!(told.starts_with("HTTP/1.1 200 \r\n"), "{told}");
    assert!(
        told.ends_with(&format!("{{\"error\":{status}}}\n\r\n0\r\n\r\n")),
        "{told}"
    );
}

#[test]
fn an_answer_of_nothing_but_a_head_is_told() {
    let mut translator = translator();
    asked(&mut translator, GET_BOOK, "").expect("it is asked");
    let head = "200 \r\ncontent-type: application/grpc\r\ngrpc-status: 16\r\ngrpc-message: who";
    let told = told(&mut translator, head, &[], "");
    assert!(told.starts_with("HTTP/1.1 401 \r\n"), "{told}");
    assert!(told.contains("\"message\":\"who\""), "{told}");
}

#[test]
fn what_is_no_answer_of_grpc_is_the_services_fault() {
    let check = |head: &str, messages: &[&[u8]], trailers: &str, status: u16, word: &str| {
        let mut translator = translator();
        asked(&mut translator, GET_BOOK, "").expect("it is asked");
        let told = told(&mut translator, head, messages, trailers);
        assert!(
            told.starts_with(&format!("HTTP/1.1 {status} \r\n")),
            "{told}"
        );
        assert!(told.contains(word), "{told}");
    };
    check("502 ", &[], "", 503, "HTTP status 502");
    check(
        "200 \r\ncontent-type: text/html",
        &[b"<html>"],
        "",
        500,
        "no gRPC",
    );
    check(GRPC, &[BOOK], "", 500, "without a status");
    check(GRPC, &[], OK, 500, "without a message");
    check(GRPC, &[BOOK, BOOK], OK, 500, "several messages");
    check(GRPC, &[&[0x0a, 0x7f]], OK, 500, "library.Book");
}

#[test]
fn an_answer_that_ends_within_a_message_is_told_as_such() {
    let mut translator = translator();
    asked(&mut translator, GET_BOOK, "").expect("it is asked");
    let head = format!("HTTP/1.1 {GRPC}\r\n\r\n");
    let mut space: HeaderSpace<'_> = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let parsed = ResponseHead::parse(head.as_bytes(), &mut space).expect("a head");
    translator.answer(&parsed.expect("it is whole").0);
    let mut out = Vec::new();
    translator.answer_data(&[0, 0, 0, 0, 3, 0x0a], &mut out);
    translator.answer_end(OK.as_bytes(), &mut out);
    assert!(String::from_utf8_lossy(&out).contains("ends within a message"));
}

#[test]
fn what_leads_to_no_call_is_answered() {
    let refused = |head: &str, body: &str| {
        asked(
            &mut translator(),
            &format!("{head} HTTP/1.1\r\nhost: shop"),
            body,
        )
        .expect_err("refused")
    };
    assert!(refused("GET /v2", "").starts_with("HTTP/1.1 404 "));
    let other = refused("DELETE /v1/shelves/1/books", "");
    assert!(
        other.starts_with("HTTP/1.1 405 \r\nallow: GET, POST\r\n"),
        "{other}"
    );
    assert!(refused("POST /library.Library/Import", "{}").starts_with("HTTP/1.1 501 "));
    let wrong = refused("POST /v1/shelves/1/books", "{\"colour\":1}");
    assert!(
        wrong.starts_with("HTTP/1.1 400 ") && wrong.contains("colour"),
        "{wrong}"
    );
    let unread = asked(&mut Translator::new(None), GET_BOOK, "").expect_err("refused");
    assert!(
        unread.starts_with("HTTP/1.1 503 \r\nretry-after: 1\r\n"),
        "{unread}"
    );
}

#[test]
fn an_answer_to_head_has_no_body() {
    let answer = asked(
        &mut translator(),
        "HEAD /nowhere HTTP/1.1\r\nhost: shop",
        "",
    );
    let answer = answer.expect_err("refused");
    assert!(
        answer.ends_with("\r\n\r\n") && !answer.contains("content-length: 0"),
        "{answer}"
    );
}
