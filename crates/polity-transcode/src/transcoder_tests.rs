//! Tests of which call a request is.

use serde_json::json;

use super::*;
use crate::testing::{decoded, encoded, pool};

fn transcoder() -> Transcoder {
    Transcoder::new(pool()).0
}

fn found(verb: &str, path: &str) -> Result<String, NoCall> {
    transcoder().find(verb, path).map(|call| call.path())
}

fn is_found(verb: &str, path: &str, method: &str) {
    let method = format!("/library.Library/{method}");
    assert_eq!(found(verb, path), Ok(method), "{verb} {path}");
}

#[test]
fn rules_and_methods_own_paths_are_found() {
    is_found("GET", "/v1/shelves/1/books/2", "GetBook");
    is_found("GET", "/v1/books/2", "GetBook");
    is_found("GET", "/v1/shelves/1/books", "ListBooks");
    is_found("POST", "/v1/shelves/1/books", "CreateBook");
    is_found("PATCH", "/v1/shelves/1/books/2", "UpdateBook");
    is_found("GET", "/v1/shelves/1/books/2:watch", "Watch");
    is_found("PROPFIND", "/v1/shelves/1/books/2:watch", "Watch");
    is_found("POST", "/library.Library/Import", "Import");
}

#[test]
fn what_is_elsewhere_or_asked_otherwise_is_told_apart() {
    assert_eq!(found("GET", "/v2/books"), Err(NoCall::NotFound));
    assert_eq!(
        found("POST", "/library.Library/Nothing"),
        Err(NoCall::NotFound)
    );
    let allowed = |methods: &[&str]| {
        let methods = methods.iter().map(|method| (*method).to_owned());
        Err(NoCall::MethodNotAllowed(methods.collect()))
    };
    assert_eq!(
        found("DELETE", "/v1/shelves/1/books"),
        allowed(&["GET", "POST"])
    );
    assert_eq!(found("GET", "/library.Library/Import"), allowed(&["POST"]));
}

#[test]
fn a_rule_that_cannot_be_served_is_told_and_its_method_still_asked() {
    let (_, problems) = Transcoder::new(pool());
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let expected = "the HTTP rule of `library.Library.Wrong` cannot be served: `nobody` is no field of `library.GetBookRequest`";
    assert_eq!(told, [expected]);
    is_found("POST", "/library.Library/Wrong", "Wrong");
}

#[test]
fn a_call_goes_there_and_back() {
    let transcoder = transcoder();
    let call = transcoder
        .find("GET", "/v1/shelves/1/books")
        .expect("a call");
    let nothing = Content {
        kind: "",
        bytes: b"",
    };
    let request = call.request("page_size=3", nothing).expect("a message");
    let pool = pool();
    let kind = |name| pool.get_message_by_name(name).expect("it is known");
    let expected = json!({ "parent": "shelves/1", "pageSize": 3 });
    assert_eq!(
        decoded(&kind("library.ListBooksRequest"), &request),
        expected
    );
    let books = json!({ "books": [{ "name": "moby" }] });
    let answer = encoded(&kind("library.ListBooksResponse"), books);
    let told = call.tell(&answer).expect("an answer");
    assert_eq!(told.bytes, br#"[{"name":"moby"}]"#);
}

#[test]
fn streams_are_told() {
    let transcoder = transcoder();
    let watch = transcoder
        .find("GET", "/v1/shelves/1/books/2:watch")
        .expect("a call");
    assert!(watch.answers_stream() && !watch.requests_stream() && !watch.takes_body());
    let import = transcoder
        .find("POST", "/library.Library/Import")
        .expect("a call");
    assert!(!import.answers_stream() && import.requests_stream() && import.takes_body());
}

#[test]
fn a_status_is_told_in_json() {
    let status = Status::of_trailers(Some("5"), Some("no%20book"), None);
    let told: serde_json::Value =
        serde_json::from_slice(&transcoder().tell_status(&status)).expect("JSON");
    assert_eq!(
        told,
        json!({ "code": 5, "message": "no book", "details": [] })
    );
}
