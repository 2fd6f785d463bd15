//! Tests of path templates.

use proptest::prelude::*;

use super::*;

fn template(text: &str) -> Template {
    Template::parse(text).expect("a template")
}

/// What `path` gives the fields of `text`, as `field=value` with commas between.
fn matched(text: &str, path: &str) -> Option<String> {
    let template = template(text);
    let fields = template.matches(path)?;
    let fields = fields
        .iter()
        .map(|(field, value)| format!("{}={value}", field.join(".")));
    Some(fields.collect::<Vec<_>>().join(","))
}

#[test]
fn segments_are_matched_one_by_one() {
    assert_eq!(matched("/v1/books", "/v1/books").as_deref(), Some(""));
    assert_eq!(matched("/v1/books", "/v1/b%6Foks").as_deref(), Some(""));
    assert_eq!(matched("/v1/books", "/v1/books/"), None);
    assert_eq!(matched("/v1/books", "/v1"), None);
    assert_eq!(
        matched("/v1/*/pages", "/v1/moby/pages").as_deref(),
        Some("")
    );
    assert_eq!(matched("/v1/*/pages", "/v1//pages"), None);
    assert_eq!(matched("/", "/").as_deref(), Some(""));
    assert_eq!(matched("/", "/v1"), None);
}

#[test]
fn variables_take_what_their_segments_match() {
    assert_eq!(matched("/v1/{id}", "/v1/7").as_deref(), Some("id=7"));
    let nested = matched("/v1/{book.name=shelves/*/books/*}", "/v1/shelves/1/books/2");
    assert_eq!(nested.as_deref(), Some("book.name=shelves/1/books/2"));
    assert_eq!(matched("/v1/{name=shelves/*}", "/v1/racks/1"), None);
    let two = matched("/v1/{a}/to/{b}", "/v1/x/to/y");
    assert_eq!(two.as_deref(), Some("a=x,b=y"));
}

#[test]
fn the_rest_may_be_empty() {
    assert_eq!(
        matched("/files/{path=**}", "/files/a/b/c").as_deref(),
        Some("path=a/b/c")
    );
    assert_eq!(
        matched("/files/{path=**}", "/files").as_deref(),
        Some("path=")
    );
    assert_eq!(
        matched("/files/{path=a/**}", "/files/a/b").as_deref(),
        Some("path=a/b")
    );
}

#[test]
fn a_verb_follows_the_last_colon() {
    assert_eq!(
        matched("/v1/{id}:cancel", "/v1/7:cancel").as_deref(),
        Some("id=7")
    );
    assert_eq!(matched("/v1/{id}:cancel", "/v1/7"), None);
    assert_eq!(
        matched("/v1/{path=**}:undo", "/v1/a/b:undo").as_deref(),
        Some("path=a/b")
    );
    // Without one, a colon is a character as any other.
    assert_eq!(
        matched("/v1/{id}", "/v1/7:cancel").as_deref(),
        Some("id=7:cancel")
    );
}

#[test]
fn slashes_that_are_encoded_are_no_segments() {
    assert_eq!(
        matched("/v1/{id}", "/v1/a%2Fb%20c").as_deref(),
        Some("id=a/b c")
    );
    let rest = matched("/v1/{id=**}", "/v1/a%2Fb%20c/d%2fe");
    assert_eq!(rest.as_deref(), Some("id=a%2Fb c/d%2fe"));
    assert_eq!(matched("/v1/{id}", "/v1/%FF"), None);
}

#[test]
fn what_is_more_precise_is_asked_first() {
    let mut templates = [
        "/v1/{id=**}",
        "/v1/{id}",
        "/v1/all",
        "/v1/{id}:undo",
        "/v1/{id}/x",
    ]
    .map(template);
    templates.sort_by(Template::by_precision);
    let sorted = [
        "/v1/all",
        "/v1/{id}:undo",
        "/v1/{id}",
        "/v1/{id}/x",
        "/v1/{id=**}",
    ]
    .map(template);
    assert_eq!(templates, sorted);
}

#[test]
fn what_is_no_template_is_refused() {
    use TemplateError::{AfterRest, Braces, EmptySegment, FieldName, NotAbsolute, PartOfSegment};
    let refused = [
        ("v1", NotAbsolute),
        ("/:verb", EmptySegment),
        ("/v1//x", EmptySegment),
        ("/v1/{id", Braces),
        ("/v1/id}", Braces),
        ("/v1/{a={b}}", Braces),
        ("/v1/{id}x", Braces),
        ("/v1/{}", FieldName(String::new())),
        ("/v1/{a..b}", FieldName("a..b".into())),
        ("/v1/{path=**}/x", AfterRest),
        ("/v1/a*", PartOfSegment("a*".into())),
    ];
    for (text, error) in refused {
        assert_eq!(Template::parse(text), Err(error), "{text}");
    }
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(text in "[/{}=*:.a%2F]{0,24}", path in "[/:.a%2Fé]{0,24}") {
        if let Ok(template) = Template::parse(&text) {
            template.matches(&path);
        }
    }

    #[test]
    fn a_variable_gives_back_what_was_encoded(value in "\\PC{1,20}") {
        let encoded = percent_encoding::utf8_percent_encode(&value, percent_encoding::NON_ALPHANUMERIC);
        let template = template("/v1/{id}/x");
        let path = format!("/v1/{encoded}/x");
        let found = template.matches(&path).expect("it matches");
        prop_assert_eq!(&found[0].1, &value);
    }
}
