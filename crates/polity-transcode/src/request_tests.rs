//! Tests of requests' messages.

use serde_json::json;

use super::*;
use crate::testing::{decoded, pool};

fn kind(name: &str) -> MessageDescriptor {
    let kind = pool().get_message_by_name(&format!("library.{name}"));
    kind.expect("it is known")
}

fn made(
    name: &str,
    path: &[(&str, &str)],
    query: &str,
    body: &Body,
    content: &str,
) -> Result<Value, String> {
    let path: Vec<_> = path
        .iter()
        .map(|(field, value)| (names(field), (*value).to_owned()))
        .collect();
    let content = Content {
        kind: "application/json",
        bytes: content.as_bytes(),
    };
    let kind = kind(name);
    let message = message(&kind, &path, query, body, content);
    match message {
        Ok(message) => Ok(decoded(&kind, &message)),
        Err(status) => {
            assert_eq!(status.code, Code::INVALID_ARGUMENT);
            Err(status.message)
        }
    }
}

/// Of a book, by a query.
fn by_query(query: &str) -> Result<Value, String> {
    made("Book", &[], query, &Body::None, "")
}

#[test]
fn a_query_names_fields_of_every_kind() {
    let told = [
        ("name=a+b%26c", json!({ "name": "a b&c" })),
        ("pages=635", json!({ "pages": "635" })),
        ("tags=a&tags=b", json!({ "tags": ["a", "b"] })),
        ("genre=NOVEL", json!({ "genre": "NOVEL" })),
        ("genre=1", json!({ "genre": "NOVEL" })),
        ("lent=true", json!({ "lent": true })),
        ("signed=false", json!({ "signed": false })),
        ("copies=3", json!({ "copies": 3 })),
        ("price=1.5", json!({ "price": 1.5 })),
        ("cover=AQID", json!({ "cover": "AQID" })),
        ("loan=1.5s", json!({ "loan": "1.500s" })),
        (
            "returned=2026-01-02T03:04:05Z",
            json!({ "returned": "2026-01-02T03:04:05Z" }),
        ),
        (
            "author.first_name=Herman",
            json!({ "author": { "firstName": "Herman" } }),
        ),
        (
            "author.firstName=H&author.born=1819",
            json!({ "author": { "firstName": "H", "born": 1819 } }),
        ),
        ("&&name=x&", json!({ "name": "x" })),
    ];
    for (query, expected) in told {
        assert_eq!(by_query(query), Ok(expected), "{query}");
    }
    let masked = made(
        "GetBookRequest",
        &[],
        "read_mask=name,pages",
        &Body::None,
        "",
    );
    assert_eq!(masked, Ok(json!({ "readMask": "name,pages" })));
}

#[test]
fn what_a_query_says_wrongly_is_named() {
    let refused = [
        ("colour=red", "`colour` is no field of `library.Book`"),
        ("author.age=7", "`author.age` is no field of `library.Book`"),
        ("name.first=x", "`name.first` is no field of `library.Book`"),
        ("author=x", "`author`: a message can only stand in the body"),
        ("notes=x", "`notes`: a map can only stand in the body"),
        ("lent=yes", "`lent`: has to be `true` or `false`"),
        ("genre=OPERA", "`genre`: no such value of the enumeration"),
        ("name=a&name=b", "`name` is given twice"),
        ("name=%FF", "the query is not UTF-8"),
    ];
    for (query, error) in refused {
        assert_eq!(by_query(query), Err(error.to_owned()), "{query}");
    }
    assert!(by_query("pages=many").is_err());
    assert!(by_query(&"tags=x&".repeat(MAX_PARAMETERS + 1)).is_err());
}

#[test]
fn the_path_counts_more_than_the_body() {
    let path = [("name", "shelves/1/books/2"), ("author.first_name", "H")];
    let body = r#"{"name": "x", "author": {"firstName": "y", "born": 1819}, "pages": 3}"#;
    let expected = json!({
        "name": "shelves/1/books/2",
        "author": { "firstName": "H", "born": 1819 },
        "pages": "3",
    });
    assert_eq!(made("Book", &path, "", &Body::Rest, body), Ok(expected));
}

#[test]
fn the_body_may_be_a_field() {
    let body = Body::Field("book".into());
    let path = [("parent", "shelves/1")];
    let made_of = |query, content| made("CreateBookRequest", &path, query, &body, content);
    let expected = json!({ "parent": "shelves/1", "book": { "name": "x" }, "requestId": "7" });
    assert_eq!(made_of("request_id=7", r#"{"name": "x"}"#), Ok(expected));
    let expected = json!({ "parent": "shelves/1" });
    assert_eq!(made_of("", ""), Ok(expected));
}

#[test]
fn what_is_given_in_two_places_is_refused() {
    let path = [("name", "x")];
    let twice = made("Book", &path, "name=y", &Body::None, "");
    assert_eq!(twice, Err("`name` stands in the path already".into()));
    let beside = made("Book", &[], "pages=3", &Body::Rest, "{}");
    assert!(
        beside
            .expect_err("refused")
            .contains("nothing left for a query")
    );
}

#[test]
fn what_is_no_json_of_the_message_is_told() {
    let of = |content: &str| made("Book", &[], "", &Body::Rest, content).expect_err("refused");
    assert!(of("{").starts_with("the body is no JSON"));
    assert_eq!(of("[]"), "the body has to be a JSON object");
    assert!(of(r#"{"colour": "red"}"#).contains("colour"));
    assert!(of(r#"{"pages": "many"}"#).contains("invalid"));
    assert!(of(&"[".repeat(100_000)).contains("recursion"));
    let deep = format!("{}1{}", r#"{"author":"#.repeat(200), "}".repeat(200));
    assert!(of(&deep).contains("recursion"));
}

#[test]
fn bytes_are_taken_as_they_are() {
    let content = Content {
        kind: "image/png",
        bytes: &[0, 1, 2],
    };
    let page = kind("Page");
    let body = Body::Field("content".into());
    let path = [(names("name"), "cover".to_owned())];
    let made = message(&page, &path, "", &body, content);
    let expected = json!({
        "name": "cover",
        "content": { "contentType": "image/png", "data": "AAEC" },
    });
    assert_eq!(decoded(&page, &made.expect("a message")), expected);
    let raw = pool()
        .get_message_by_name("google.api.HttpBody")
        .expect("it is known");
    let made = message(&raw, &[], "", &Body::Rest, content).expect("a message");
    assert_eq!(decoded(&raw, &made), expected["content"]);
}
