//! A redirect: another place for a request that the plan knows of.

use polity_http::Answer;
use polity_route::Rewrite;

/// Compiled from the plan.
#[derive(Debug)]
pub(crate) struct Redirect {
    /// `https://new.example.com`; empty for the host the request was for.
    origin: Box<str>,
    rewrite: Rewrite,
    status: u16,
}

impl Redirect {
    pub(crate) fn new(planned: &polity_plan::Redirect) -> Self {
        Self {
            origin: planned.origin.as_deref().unwrap_or_default().into(),
            rewrite: planned.rewrite.clone(),
            status: planned.status,
        }
    }

    /// The answer to a request for `path`, in normal form, of which its pattern leaves `rest`.
    ///
    /// What leads on is that form, not what the client sent, and [`Rewrite::apply`] never begins with
    /// two slashes: no path makes the location name another host.
    pub(crate) fn answer(&self, path: &str, rest: &str, query: Option<&str>) -> Answer {
        let path = self.rewrite.apply(path, rest);
        let (mark, query) = match query {
            Some(query) => ("?", query),
            None => ("", ""),
        };
        let location = ["location: ", &self.origin, &path, mark, query, "\r\n"];
        Answer {
            status: self.status,
            fields: location.concat().into_bytes(),
            body: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use polity_route::{PathPattern, normalise};

    use super::*;

    #[track_caller]
    fn check(pattern: PathPattern, to: (Option<&str>, &str), target: &str, expected: &str) {
        let redirect = Redirect::new(&polity_plan::Redirect {
            pattern: polity_route::Pattern {
                host: polity_route::HostPattern::Any,
                path: pattern.clone(),
                methods: Default::default(),
                headers: Default::default(),
            },
            origin: to.0.map(str::to_owned),
            rewrite: Rewrite::Replace(to.1.to_owned()),
            status: 308,
        });
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let path = normalise(path).expect("a path");
        let rest = pattern.rest(&path).expect("it holds");
        let answer = redirect.answer(&path, rest, query);
        let expected = format!("location: {expected}\r\n");
        assert_eq!(
            String::from_utf8_lossy(&answer.fields),
            expected,
            "{target}"
        );
    }

    fn prefix(path: &str) -> PathPattern {
        PathPattern::Prefix(path.to_owned())
    }

    #[test]
    fn what_is_below_and_the_query_go_along() {
        check(prefix("/old"), (None, "/new"), "/old", "/new");
        check(
            prefix("/old"),
            (None, "/new"),
            "/old/a/b?c=d&e",
            "/new/a/b?c=d&e",
        );
        check(prefix("/old"), (None, "/"), "/old/a?", "/a?");
        let elsewhere = (Some("https://new.example"), "/");
        check(prefix("/"), elsewhere, "/a/b", "https://new.example/a/b");
        check(prefix("/old"), elsewhere, "/old", "https://new.example/");
        check(
            PathPattern::Exact("/a".into()),
            (None, "/b"),
            "/a?x",
            "/b?x",
        );
    }

    #[test]
    fn no_path_leads_to_another_host() {
        for target in [
            "/old//evil.example",
            "/old///evil.example",
            "/old/.//evil.example",
            "/old/a/..//evil.example",
        ] {
            check(prefix("/old"), (None, "/"), target, "/evil.example");
        }
        check(
            prefix("/old"),
            (None, "/"),
            "/old/\\evil.example",
            "/%5Cevil.example",
        );
        check(
            prefix("/"),
            (Some("https://a"), "/"),
            "//evil.example",
            "https://a/evil.example",
        );
        check(
            prefix("/"),
            (Some("https://a"), "/"),
            "/@evil.example",
            "https://a/@evil.example",
        );
    }
}
