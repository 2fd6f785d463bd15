//! The name of a route: its path as the plan writes it, made of the path of a request that took it.

use polity_route::PathPattern;

/// How a route's path differs from the part of a request's path that it holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// `=/a`: this path alone.
    Exact,
    /// `/a`: just so.
    Same,
    /// `/a/`, which holds for `/a` as well.
    FinalSlash,
}

/// What there is to tell which part of a request's path its route holds for, and how to write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RouteName {
    spelling: Spelling,
    /// Bytes.
    matched: usize,
}

impl Spelling {
    pub(crate) fn of(path: &PathPattern) -> Self {
        match path {
            PathPattern::Exact(_) => Self::Exact,
            PathPattern::Prefix(path) if path.ends_with('/') => Self::FinalSlash,
            PathPattern::Prefix(_) => Self::Same,
        }
    }
}

impl RouteName {
    /// Of the route that leaves `rest` of `path`.
    pub(crate) fn new(spelling: Spelling, path: &str, rest: &str) -> Self {
        let matched = path.len() - rest.len();
        Self { spelling, matched }
    }

    /// To be written one after the other; `path` is the one it was made of.
    pub(crate) fn parts<'a>(&self, path: &'a str) -> [&'a str; 3] {
        let matched = path.get(..self.matched).unwrap_or_default();
        match self.spelling {
            Spelling::Exact => ["=", matched, ""],
            Spelling::Same => ["", matched, ""],
            Spelling::FinalSlash => ["", matched, "/"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_named_as_the_plan_writes_it() {
        let check = |pattern: PathPattern, path: &str, expected: &str| {
            let rest = pattern.rest(path).expect("it holds");
            let name = RouteName::new(Spelling::of(&pattern), path, rest);
            assert_eq!(name.parts(path).concat(), expected, "{path}");
        };
        let prefix = |path: &str| PathPattern::Prefix(path.to_owned());
        check(PathPattern::Exact("/a/b".to_owned()), "/a/b", "=/a/b");
        check(prefix("/a"), "/a", "/a");
        check(prefix("/a"), "/a/", "/a");
        check(prefix("/a"), "/a/b", "/a");
        check(prefix("/a/"), "/a", "/a/");
        check(prefix("/a/"), "/a/b", "/a/");
        check(prefix("/"), "/", "/");
        check(prefix("/"), "/a/b", "/");
        check(prefix("/a//"), "/a//b", "/a//");
    }
}
