//! Conditions of requests, in the order in which they are looked at (RFC 9110, section 13).

use std::time::SystemTime;

use polity_http::RequestHead;
use polity_http::head::list;

use super::validators::Validators;

/// What a request makes its answer depend on, as it was sent; all of a name in one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Conditions {
    if_match: Option<Box<[u8]>>,
    if_none_match: Option<Box<[u8]>>,
    if_modified_since: Option<Box<[u8]>>,
    if_unmodified_since: Option<Box<[u8]>>,
    if_range: Option<Box<[u8]>>,
    /// What it asks for of the whole.
    pub(super) range: Option<Box<[u8]>>,
}

/// What comes of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is answered with the whole.
    Whole,
    /// It is answered with the range that it asks for.
    Range,
    /// 304: the client has it.
    NotModified,
    /// 412: it is not what the client takes it for.
    Failed,
}

impl Conditions {
    /// Those of a request for a file.
    pub(super) fn of(head: &RequestHead<'_>) -> Self {
        let mut conditions = Self::default();
        for header in head.headers {
            let name = header.name;
            // Most fields are none of these.
            if !matches!(name.as_bytes().first(), Some(b'i' | b'I' | b'r' | b'R')) {
                continue;
            }
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            let (field, joins) = match name.len() {
                5 if is("range") => (&mut conditions.range, false),
                8 if is("if-match") => (&mut conditions.if_match, true),
                8 if is("if-range") => (&mut conditions.if_range, false),
                13 if is("if-none-match") => (&mut conditions.if_none_match, true),
                17 if is("if-modified-since") => (&mut conditions.if_modified_since, false),
                19 if is("if-unmodified-since") => (&mut conditions.if_unmodified_since, false),
                _ => continue,
            };
            *field = Some(match field.take() {
                None => header.value.into(),
                Some(before) if joins => [&before[..], b", ", header.value].concat().into(),
                // What may be there once and is there twice is no date and no range.
                Some(_) => Box::default(),
            });
        }
        conditions
    }

    /// What comes of them for a representation with these validators (section 13.2.2).
    pub(super) fn judge(&self, file: &Validators, is_get: bool) -> Verdict {
        let date = |value: &Option<Box<[u8]>>| value.as_deref().and_then(parse_date);
        if let Some(tags) = &self.if_match {
            if !matches(tags, |tag| file.is_strongly(tag)) {
                return Verdict::Failed;
            }
        } else if let Some(since) = date(&self.if_unmodified_since)
            && file.modified > since
        {
            return Verdict::Failed;
        }
        if let Some(tags) = &self.if_none_match {
            if matches(tags, |tag| file.is_weakly(tag)) {
                return Verdict::NotModified;
            }
        } else if let Some(since) = date(&self.if_modified_since)
            && file.modified <= since
        {
            return Verdict::NotModified;
        }
        match is_get && self.range.is_some() && self.continues(file) {
            true => Verdict::Range,
            false => Verdict::Whole,
        }
    }

    /// Whether a client that has a part of it can go on with another (section 13.1.5).
    fn continues(&self, file: &Validators) -> bool {
        let Some(value) = &self.if_range else {
            return true;
        };
        let value = value.trim_ascii();
        match value.first() {
            Some(b'"' | b'W') => file.is_strongly(value),
            // A date is a strong validator once nothing can change within its second any more.
            _ => file.is_settled && parse_date(value) == Some(file.modified),
        }
    }
}

/// Whether a list of entity tags is `*` or has one that is as wanted.
fn matches(value: &[u8], is_wanted: impl FnMut(&[u8]) -> bool) -> bool {
    value.trim_ascii() == b"*" || list(value).any(is_wanted)
}

fn parse_date(value: &[u8]) -> Option<SystemTime> {
    httpdate::parse_http_date(std::str::from_utf8(value.trim_ascii()).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use std::mem::MaybeUninit;
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const AFTER: &str = "Sunday, 06-Nov-94 08:49:38 GMT";

    fn file(is_settled: bool) -> Validators {
        let modified = UNIX_EPOCH + Duration::from_secs(784_111_777);
        let weak = if is_settled { "" } else { "W/" };
        Validators {
            tag: format!("{weak}\"x-1\""),
            modified,
            is_settled,
        }
    }

    fn conditions(lines: &str) -> Conditions {
        let text = format!("GET / HTTP/1.1\r\nhost: a\r\n{lines}\r\n");
        let mut space = [const { MaybeUninit::uninit() }; polity_http::limits::MAX_HEADERS];
        let parsed = RequestHead::parse(text.as_bytes(), &mut space);
        Conditions::of(&parsed.expect("a head").expect("a whole head").0)
    }

    #[track_caller]
    fn check(lines: &[String], expected: Verdict) {
        let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let verdict = conditions(&lines).judge(&file(true), true);
        assert_eq!(verdict, expected, "{lines}");
    }

    fn line(name: &str, value: &str) -> String {
        format!("{name}: {value}")
    }

    #[test]
    fn each_condition_by_itself() {
        use Verdict::*;
        let one = |name, value, expected| check(&[line(name, value)], expected);
        one("x", "y", Whole);
        one("If-Match", "\"x-1\"", Whole);
        one("if-match", "*", Whole);
        one("if-match", "\"y\", \"x-1\"", Whole);
        one("if-match", "\"y\"", Failed);
        one("if-match", "W/\"x-1\"", Failed);
        one("if-none-match", "\"x-1\"", NotModified);
        one("if-none-match", "W/\"x-1\"", NotModified);
        one("if-none-match", "\"y\" ,W/\"x-1\"", NotModified);
        one("if-none-match", "*", NotModified);
        one("if-none-match", "\"y\"", Whole);
        one("if-none-match", "x-1", Whole);
        one("if-modified-since", MODIFIED, NotModified);
        one("if-modified-since", AFTER, NotModified);
        one("if-modified-since", BEFORE, Whole);
        one("if-modified-since", "yesterday", Whole);
        one("if-unmodified-since", MODIFIED, Whole);
        one("if-unmodified-since", AFTER, Whole);
        one("if-unmodified-since", BEFORE, Failed);
        one("if-unmodified-since", "yesterday", Whole);
        one("range", "bytes=0-1", Range);
    }

    #[test]
    fn the_stronger_condition_is_heard_and_the_other_is_not() {
        use Verdict::*;
        check(
            &[
                line("if-match", "\"x-1\""),
                line("if-unmodified-since", BEFORE),
            ],
            Whole,
        );
        check(
            &[
                line("if-none-match", "\"y\""),
                line("if-modified-since", AFTER),
            ],
            Whole,
        );
        check(
            &[line("if-match", "\"y\""), line("if-none-match", "\"x-1\"")],
            Failed,
        );
        check(
            &[
                line("if-match", "\"x-1\""),
                line("if-none-match", "\"x-1\""),
            ],
            NotModified,
        );
        check(
            &[line("if-none-match", "\"x-1\""), line("range", "bytes=0-1")],
            NotModified,
        );
        check(
            &[
                line("if-none-match", "\"y\""),
                line("if-none-match", "\"x-1\""),
            ],
            NotModified,
        );
        check(
            &[
                line("if-modified-since", AFTER),
                line("if-modified-since", AFTER),
            ],
            Whole,
        );
    }

    #[test]
    fn a_range_of_what_has_changed_is_the_whole() {
        use Verdict::*;
        let asks = |value, is_settled, expected| {
            let lines = format!("range: bytes=0-1\r\nif-range: {value}\r\n");
            let verdict = conditions(&lines).judge(&file(is_settled), true);
            assert_eq!(verdict, expected, "{lines}");
        };
        asks("\"x-1\"", true, Range);
        asks("\"y\"", true, Whole);
        asks("W/\"x-1\"", true, Whole);
        asks(MODIFIED, true, Range);
        asks(BEFORE, true, Whole);
        asks(AFTER, true, Whole);
        asks("x", true, Whole);
        asks("W/\"x-1\"", false, Whole);
        asks(MODIFIED, false, Whole);
        let head = conditions("range: bytes=0-1\r\n").judge(&file(true), false);
        assert_eq!(head, Whole, "HEAD has no ranges");
    }
}
