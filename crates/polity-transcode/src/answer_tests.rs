//! Tests of what answers are told as.

use serde_json::json;

use super::*;
use crate::testing::{encoded, pool};

fn told(kind: &str, field: Option<&str>, message: serde_json::Value) -> (String, String) {
    let pool = pool();
    let kind = pool.get_message_by_name(kind).expect("it is known");
    let told = tell(&kind, field, &encoded(&kind, message)).expect("it is told");
    (told.kind, String::from_utf8(told.bytes).expect("text"))
}

fn is_json(told: &(String, String), expected: &serde_json::Value) {
    assert_eq!(told.0, "application/json");
    let value: serde_json::Value = serde_json::from_str(&told.1).expect("JSON");
    assert_eq!(&value, expected);
}

#[test]
fn a_message_is_told_as_json_has_it() {
    let message = json!({ "name": "moby", "pages": "635", "tags": ["whale"] });
    is_json(&told("library.Book", None, message.clone()), &message);
    is_json(&told("library.Book", None, json!({})), &json!({}));
}

#[test]
fn of_a_field_only_that_is_told() {
    let books = json!({ "books": [{ "name": "moby" }] });
    is_json(
        &told("library.ListBooksResponse", Some("books"), books),
        &json!([{ "name": "moby" }]),
    );
    is_json(
        &told("library.ListBooksResponse", Some("books"), json!({})),
        &json!([]),
    );
}

#[test]
fn a_body_is_told_as_it_is() {
    let body = json!({ "contentType": "text/plain", "data": "aGVsbG8=" });
    let hello = ("text/plain".to_owned(), "hello".to_owned());
    assert_eq!(told("google.api.HttpBody", None, body.clone()), hello);
    let page = json!({ "content": body });
    assert_eq!(told("library.Page", Some("content"), page), hello);
}

#[test]
fn what_is_no_message_is_the_services_fault() {
    let kind = pool()
        .get_message_by_name("library.Book")
        .expect("it is known");
    let status = tell(&kind, None, &[0x0a, 0x7f]).expect_err("it is cut short");
    assert_eq!(status.code, Code::INTERNAL);
    assert!(
        status.message.contains("library.Book"),
        "{}",
        status.message
    );
}
