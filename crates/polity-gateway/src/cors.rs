//! Which pages of other origins may use a route: the CORS protocol of the Fetch standard.

use std::fmt::Write;

use polity_http::{Answer, RequestHead};
use polity_plan::{Allowed, OriginPattern};

/// What begins the names of the protocol's own fields on answers.
const PREFIX: &str = "access-control-";

/// A route's rules, compiled from the plan.
#[derive(Debug)]
pub(crate) struct Cors {
    origins: Allowed<OriginPattern>,
    /// Lines of every answer to a page that is admitted, but for its origin.
    answer: Box<str>,
    /// Further lines of the answer to a preflight.
    preflight: Box<str>,
}

/// The origin of a page that may read the answer. It is the request's own, and at most what a head
/// may be long.
#[derive(Debug)]
pub(crate) struct Admitted(Box<str>);

impl Cors {
    pub(crate) fn new(planned: &polity_plan::Cors) -> Self {
        let mut answer = String::new();
        line(&mut answer, "expose-headers", &planned.expose);
        if planned.credentials {
            answer.push_str("access-control-allow-credentials: true\r\n");
        }
        let mut preflight = String::new();
        line(&mut preflight, "allow-methods", &planned.methods);
        line(&mut preflight, "allow-headers", &planned.headers);
        // Writing to a string does not fail.
        let _ = write!(
            preflight,
            "{PREFIX}max-age: {}\r\n",
            planned.max_age.as_secs()
        );
        Self {
            origins: planned.origins.clone(),
            answer: answer.into(),
            preflight: preflight.into(),
        }
    }

    /// The origin of the page that asks, if it may read the answer.
    pub(crate) fn admit(&self, head: &RequestHead<'_>) -> Option<Admitted> {
        let origin = single(head, "origin")?;
        match &self.origins {
            Allowed::Any => Some(Admitted("*".into())),
            Allowed::Only(patterns) => patterns
                .iter()
                .any(|pattern| pattern.matches(origin))
                .then(|| Admitted(origin.into())),
        }
    }

    /// Appends what a page needs to read an answer; without one that is admitted, no more than that
    /// it depends on who asks.
    pub(crate) fn write(&self, admitted: Option<&Admitted>, out: &mut Vec<u8>) {
        if let Some(Admitted(origin)) = admitted {
            for part in [PREFIX, "allow-origin: ", origin, "\r\n", &self.answer] {
                out.extend_from_slice(part.as_bytes());
            }
        }
        if matches!(self.origins, Allowed::Only(_)) {
            // Whatever the answer: a cache must not give one origin's to another.
            out.extend_from_slice(b"vary: origin\r\n");
        }
    }

    /// The answer to a preflight. A page that is not admitted learns that from what is not in it.
    pub(crate) fn preflight(&self, head: &RequestHead<'_>) -> Answer {
        let admitted = self.admit(head);
        let mut fields = Vec::new();
        self.write(admitted.as_ref(), &mut fields);
        if admitted.is_some() {
            fields.extend_from_slice(self.preflight.as_bytes());
        }
        Answer {
            status: 204,
            fields,
            body: Vec::new(),
        }
    }
}

/// Whether an origin's field gives way to what the plan says.
pub(crate) fn is_of_cors(name: &str) -> bool {
    name.split_at_checked(PREFIX.len())
        .is_some_and(|(start, _)| start.eq_ignore_ascii_case(PREFIX))
}

/// The method that a browser asks about before it sends it; none for any other request.
pub(crate) fn preflight_method<'h>(head: &RequestHead<'h>) -> Option<&'h str> {
    if head.method != "OPTIONS" {
        return None;
    }
    single(head, "origin")?;
    single(head, "access-control-request-method")
}

/// The value of a field that was sent exactly once.
fn single<'h>(head: &RequestHead<'h>, name: &str) -> Option<&'h str> {
    let mut values = head
        .headers
        .iter()
        .filter(|header| header.name.eq_ignore_ascii_case(name));
    let value = values.next()?.value;
    if values.next().is_some() {
        return None;
    }
    std::str::from_utf8(value).ok()
}

fn line(out: &mut String, name: &str, allowed: &Allowed<String>) {
    let list = match allowed {
        Allowed::Any => "*".to_owned(),
        Allowed::Only(names) if names.is_empty() => return,
        Allowed::Only(names) => names.join(", "),
    };
    // Writing to a string does not fail.
    let _ = write!(out, "{PREFIX}{name}: {list}\r\n");
}

#[cfg(test)]
mod tests {
    use std::mem::MaybeUninit;
    use std::time::Duration;

    use super::*;

    const EMPTY: Allowed<String> = Allowed::Only(Vec::new());

    fn only(names: &[&str]) -> Allowed<String> {
        Allowed::Only(names.iter().map(|name| (*name).to_owned()).collect())
    }

    fn shop(credentials: bool) -> Cors {
        Cors::new(&polity_plan::Cors {
            origins: Allowed::Only(vec![OriginPattern::Exact("https://shop.example".into())]),
            methods: only(&["GET", "PUT"]),
            headers: only(&["content-type", "x-a"]),
            expose: only(&["x-total"]),
            credentials,
            max_age: Duration::from_secs(600),
        })
    }

    fn anybody() -> Cors {
        Cors::new(&polity_plan::Cors {
            origins: Allowed::Any,
            methods: Allowed::Any,
            headers: Allowed::Any,
            expose: EMPTY,
            credentials: false,
            max_age: Duration::from_secs(5),
        })
    }

    fn with_head<T>(lines: &str, read: impl FnOnce(&RequestHead<'_>) -> T) -> T {
        let text = format!("OPTIONS / HTTP/1.1\r\nhost: a\r\n{lines}\r\n");
        let mut space = [const { MaybeUninit::uninit() }; polity_http::limits::MAX_HEADERS];
        let parsed = RequestHead::parse(text.as_bytes(), &mut space);
        read(&parsed.expect("a head").expect("a whole head").0)
    }

    fn preflight(cors: &Cors, lines: &str) -> String {
        let answer = with_head(lines, |head| cors.preflight(head));
        assert_eq!((answer.status, answer.body.len()), (204, 0));
        String::from_utf8(answer.fields).expect("text")
    }

    #[test]
    fn a_page_that_is_admitted_learns_what_it_may() {
        assert_eq!(
            preflight(&shop(true), "origin: https://shop.example\r\n"),
            "access-control-allow-origin: https://shop.example\r\n\
             access-control-expose-headers: x-total\r\n\
             access-control-allow-credentials: true\r\n\
             vary: origin\r\n\
             access-control-allow-methods: GET, PUT\r\n\
             access-control-allow-headers: content-type, x-a\r\n\
             access-control-max-age: 600\r\n"
        );
        assert_eq!(
            preflight(&anybody(), "origin: null\r\n"),
            "access-control-allow-origin: *\r\n\
             access-control-allow-methods: *\r\n\
             access-control-allow-headers: *\r\n\
             access-control-max-age: 5\r\n"
        );
    }

    #[test]
    fn any_other_page_learns_nothing() {
        for lines in [
            "",
            "origin: null\r\n",
            "origin: https://shop.example.evil\r\n",
            "origin: http://shop.example\r\n",
            "origin: https://shop.example, https://evil.example\r\n",
            "origin: https://shop.example\r\norigin: https://shop.example\r\n",
        ] {
            assert_eq!(preflight(&shop(true), lines), "vary: origin\r\n", "{lines}");
        }
    }

    #[test]
    fn a_preflight_is_told_from_other_questions() {
        let method =
            |lines: &str| with_head(lines, |head| preflight_method(head).map(str::to_owned));
        let asked = "origin: http://a\r\naccess-control-request-method: PUT\r\n";
        assert_eq!(method(asked).as_deref(), Some("PUT"));
        assert_eq!(method("origin: http://a\r\n"), None);
        assert_eq!(method("access-control-request-method: PUT\r\n"), None);
    }

    #[test]
    fn the_service_s_own_words_on_it_give_way() {
        assert!(is_of_cors("Access-Control-Allow-Origin"));
        assert!(!is_of_cors("access-contro"));
        assert!(!is_of_cors("x-access-control-allow-origin"));
    }
}
