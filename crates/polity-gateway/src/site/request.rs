//! What of a request's head an answer from a folder depends on.

use std::sync::Arc;

use polity_core::Rng;
use polity_http::head::{Version, list};
use polity_http::{Answer, RequestHead};

use super::condition::Conditions;
use super::path::Place;
use crate::compression::Accepted;
use crate::exchange::HSTS;
use crate::problem::{Cause, Reached};
use crate::treatment::Treated;

/// What may be done with files (RFC 9110, section 10.2.1).
const ALLOW: &[u8] = b"allow: GET, HEAD, OPTIONS\r\n";

/// How it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Head,
    Options,
    Other,
}

/// A request for a file.
pub(crate) struct Asked {
    pub(super) method: Method,
    /// None where there cannot be a file.
    pub(super) place: Option<Place>,
    /// In normal form, as it was sent to the gateway.
    pub(super) path: String,
    query: Option<String>,
    pub(super) conditions: Conditions,
    pub(super) accepted: Accepted,
    wants_html: bool,
    /// Whether it can be sent what has no length.
    pub(super) takes_chunks: bool,
    /// What parts of an answer are told apart by: nothing that was there before knows of it.
    pub(super) boundary: u128,
    pub(super) request_id: Option<String>,
    treated: Option<Box<Treated>>,
    /// A line that answers have, where they go over TLS.
    hsts: Option<Arc<[u8]>>,
}

impl Asked {
    /// A request for `path`, of which its route leaves `below`.
    pub(crate) fn new(
        head: &RequestHead<'_>,
        path: &str,
        below: &str,
        query: Option<&str>,
        treated: Option<Box<Treated>>,
    ) -> Self {
        let accepts = head.headers.iter();
        let mut accepts = accepts
            .filter(|it| it.name.len() == 6 && it.name.eq_ignore_ascii_case("accept"))
            .flat_map(|it| list(it.value));
        Self {
            method: match head.method {
                "GET" => Method::Get,
                "HEAD" => Method::Head,
                "OPTIONS" => Method::Options,
                _ => Method::Other,
            },
            place: Place::of(below),
            path: path.to_owned(),
            query: query.map(str::to_owned),
            conditions: Conditions::of(head),
            accepted: Accepted::of(head),
            wants_html: accepts.any(|it| it.starts_with(b"text/html")),
            takes_chunks: head.version == Version::Http11,
            boundary: 0,
            request_id: None,
            treated,
            hsts: None,
        }
    }

    /// Gives it what is the exchange's.
    pub(crate) fn identify(
        &mut self,
        request_id: Option<&str>,
        hsts: Option<Arc<[u8]>>,
        rng: &mut impl Rng,
    ) {
        self.request_id = request_id.map(str::to_owned);
        self.hsts = hsts;
        if self.conditions.range.is_some() {
            self.boundary = (u128::from(rng.next_u64()) << 64) | u128::from(rng.next_u64());
        }
    }

    /// The answer that needs no file.
    pub(super) fn without_file(&self) -> Option<Answer> {
        let mut answer = match self.method {
            Method::Get | Method::Head => return None,
            Method::Options => Answer {
                status: 204,
                fields: Vec::new(),
                body: Vec::new(),
            },
            Method::Other => self.problem(Cause::MethodNotAllowed, "files can only be read"),
        };
        answer.fields.extend_from_slice(ALLOW);
        Some(answer)
    }

    /// The same with a slash behind it. It never begins with two, which would name another host.
    pub(super) fn to_folder(&self) -> Answer {
        let path = self.path.trim_start_matches('/');
        let (mark, query) = match &self.query {
            Some(query) => ("?", query.as_str()),
            None => ("", ""),
        };
        let location = ["location: /", path, "/", mark, query, "\r\n"];
        self.dress(Answer {
            status: 308,
            fields: location.concat().into_bytes(),
            body: Vec::new(),
        })
    }

    /// Whether a page is asked for: by a browser that goes there, or by a path that names no file.
    pub(super) fn is_for_a_page(&self) -> bool {
        let names_file = |place: &Place| !place.is_folder && place.name().contains(&b'.');
        self.wants_html || !self.place.as_ref().is_none_or(names_file)
    }

    /// An error as an answer.
    pub(super) fn problem(&self, cause: Cause, detail: &str) -> Answer {
        let mut answer = cause.answer(Reached::No, detail, self.request_id.as_deref(), None);
        if let Some(treated) = &self.treated {
            treated.dress(&mut answer);
        }
        self.secure(&mut answer);
        answer
    }

    /// Has browsers come by HTTPS alone, unless the route says what they are told.
    fn secure(&self, answer: &mut Answer) {
        let is_own = |it: &Treated| !it.keeps_of_answer(HSTS);
        if let Some(line) = &self.hsts
            && !self.treated.as_deref().is_some_and(is_own)
        {
            answer.fields.extend_from_slice(line);
        }
    }

    /// Gives an answer what its route says.
    pub(super) fn dress(&self, mut answer: Answer) -> Answer {
        if let Some(treated) = &self.treated {
            treated.dress_own(&mut answer);
        }
        self.secure(&mut answer);
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::mem::MaybeUninit;

    use super::*;

    fn asked(path: &str, lines: &str) -> Asked {
        let text = format!("GET {path} HTTP/1.1\r\nhost: a\r\n{lines}\r\n");
        let mut space = [const { MaybeUninit::uninit() }; polity_http::limits::MAX_HEADERS];
        let parsed = RequestHead::parse(text.as_bytes(), &mut space);
        let head = parsed.expect("a head").expect("a whole head").0;
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path, None),
        };
        let below = polity_route::Rewrite::Replace("/".to_owned());
        Asked::new(&head, path, &below.apply(path, path), query, None)
    }

    #[test]
    fn a_page_is_what_a_browser_goes_to_or_what_names_no_file() {
        let check = |path: &str, lines: &str, expected| {
            assert_eq!(asked(path, lines).is_for_a_page(), expected, "{path}");
        };
        let html = "accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\n";
        check("/users/1", "", true);
        check("/users/1", "accept: */*\r\n", true);
        check("/users/", "", true);
        check("/users/jane.doe", html, true);
        check("/app.js", "accept: */*\r\n", false);
        check("/v1.2/users", "", true);
        check("/.env", "", false);
    }

    #[test]
    fn a_folder_is_not_another_host() {
        let location = |path: &str| String::from_utf8(asked(path, "").to_folder().fields);
        let check = |path, expected: &str| {
            let expected = format!("location: {expected}\r\n");
            assert_eq!(location(path).expect("text"), expected);
        };
        check("/a", "/a/");
        check("/a/b?c=d&e", "/a/b/?c=d&e");
        check("//evil.example", "/evil.example/");
        check("///evil.example/a", "/evil.example/a/");
    }
}
