//! What becomes of the path before it is forwarded.

use std::borrow::Cow;

use crate::pattern::{Rewrite, stem};

impl Rewrite {
    /// The path to forward for `path`, in normal form, of which `rest` is what a pattern left
    /// ([`Match::rest`](crate::Match::rest)).
    ///
    /// Stripping borrows. It never leaves two slashes in front: a target like `//host/x` is read as
    /// an authority by servers that parse it as a URL reference, and `/a//host/x` would choose it.
    pub fn apply<'a>(&'a self, path: &'a str, rest: &'a str) -> Cow<'a, str> {
        let Self::Replace(replacement) = self else {
            return Cow::Borrowed(path);
        };
        if rest.is_empty() {
            return Cow::Borrowed(replacement);
        }
        match stem(replacement) {
            "" => {
                let doubled = rest.len() - rest.trim_start_matches('/').len() - 1;
                Cow::Borrowed(&rest[doubled..])
            }
            base => Cow::Owned([base, rest].concat()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{PathPattern, normalise};

    fn check(matched: PathPattern, to: &str, path: &str, expected: &str) {
        let rewrite = Rewrite::Replace(to.to_owned());
        let rest = matched.rest(path).expect("it holds");
        assert_eq!(
            rewrite.apply(path, rest),
            expected,
            "{matched:?} {to} {path}"
        );
    }

    fn prefix(path: &str) -> PathPattern {
        PathPattern::Prefix(path.to_owned())
    }

    #[test]
    fn stripping_leaves_the_rest() {
        check(prefix("/a"), "/", "/a", "/");
        check(prefix("/a"), "/", "/a/", "/");
        check(prefix("/a"), "/", "/a/b/c", "/b/c");
        check(prefix("/a/"), "/", "/a/b", "/b");
        check(prefix("/"), "/", "/b", "/b");
        check(PathPattern::Exact("/a".into()), "/", "/a", "/");
    }

    #[test]
    fn replacing_joins_with_one_slash() {
        check(prefix("/a"), "/v1", "/a", "/v1");
        check(prefix("/a"), "/v1", "/a/", "/v1/");
        check(prefix("/a"), "/v1", "/a/b", "/v1/b");
        check(prefix("/a"), "/v1/", "/a/b", "/v1/b");
        check(prefix("/a"), "/v1/", "/a", "/v1/");
        check(prefix("/"), "/v1", "/b", "/v1/b");
        check(prefix("/"), "/v1", "/", "/v1/");
        check(PathPattern::Exact("/a".into()), "/v1", "/a", "/v1");
    }

    #[test]
    fn stripping_never_makes_an_authority() {
        check(prefix("/a"), "/", "/a//evil.example/x", "/evil.example/x");
        check(prefix("/a"), "/", "/a///", "/");
        check(prefix("/"), "/", "//evil.example", "/evil.example");
        check(prefix("/a"), "/v1", "/a//b", "/v1//b");
    }

    #[test]
    fn keeping_changes_nothing() {
        assert_eq!(Rewrite::Keep.apply("/a//b", "//b"), "/a//b");
    }

    proptest! {
        #[test]
        fn what_is_forwarded_is_in_normal_form(path in "(/[a-c.]{0,2}){1,5}", prefix in "(/[a-c]){0,2}/?", to in "(/[a-c]{1,2}){0,2}/?") {
            let to = if to.is_empty() { "/".to_owned() } else { to };
            if let Ok(path) = normalise(&path) {
                let rewrite = Rewrite::Replace(to);
                let matched = PathPattern::Prefix(prefix);
                if let Some(rest) = matched.rest(&path) {
                    let forwarded = rewrite.apply(&path, rest);
                    prop_assert_eq!(normalise(&forwarded), Ok(forwarded.clone()));
                    prop_assert!(!forwarded.starts_with("//"));
                }
            }
        }
    }
}
