//! Tests of route precedence: cases by hand, and a naive model over random tables and requests.

use proptest::prelude::*;

use super::*;

/// `host path methods headers`, in a shorthand: `*.` before a wildcard host, `-` for any; `=`
/// before an exact path; the rest by commas.
fn pattern(text: &str) -> Pattern {
    let mut words = text.split(' ');
    let mut word = || words.next().unwrap_or("-");
    let host = match word() {
        "-" => HostPattern::Any,
        host => match host.strip_prefix("*.") {
            Some(suffix) => HostPattern::Wildcard(suffix.to_owned()),
            None => HostPattern::Exact(host.to_owned()),
        },
    };
    let path = word();
    let path = match path.strip_prefix('=') {
        Some(exact) => PathPattern::Exact(exact.to_owned()),
        None => PathPattern::Prefix(path.to_owned()),
    };
    let list = |text: &str| -> Vec<String> {
        let words = text.split(',').filter(|word| *word != "-");
        words.map(str::to_owned).collect()
    };
    let methods = list(word()).into_iter().collect();
    let headers = list(word());
    let headers = headers.iter().filter_map(|pair| pair.split_once(':'));
    let headers = headers
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Pattern {
        host,
        path,
        methods,
        headers,
    }
}

struct Asked<'a> {
    host: &'a str,
    path: &'a str,
    method: &'a str,
    headers: &'a [(&'a str, &'a str)],
}

/// The route that is found, as it was written.
fn find<'t>(table: &RouteTable<&'t str>, asked: &Asked<'_>) -> Option<&'t str> {
    let has_header = |name: &str, value: &str| asked.headers.contains(&(name, value));
    let request = Request {
        host: asked.host,
        path: asked.path,
        method: asked.method,
        has_header: &has_header,
    };
    let found = table.find(&request)?;
    let rest = pattern(found.target).path.rest(asked.path);
    assert_eq!(rest, Some(found.rest), "{}", found.target);
    Some(found.target)
}

/// Checks one `host path method headers` against routes given both ways round.
#[track_caller]
fn check(routes: &[&str], asked: &str, expected: Option<&str>) {
    let words: Vec<&str> = asked.split(' ').collect();
    let headers: Vec<(&str, &str)> = words.get(3).map_or(vec![], |headers| {
        headers
            .split(',')
            .filter_map(|pair| pair.split_once(':'))
            .collect()
    });
    let asked = Asked {
        host: words[0],
        path: words[1],
        method: words.get(2).unwrap_or(&"GET"),
        headers: &headers,
    };
    let forward = RouteTable::new(routes.iter().map(|text| (pattern(text), *text)));
    let backward = RouteTable::new(routes.iter().rev().map(|text| (pattern(text), *text)));
    assert_eq!(find(&forward, &asked), expected, "{words:?}");
    assert_eq!(find(&backward, &asked), expected, "{words:?}, backward");
}

#[test]
fn prefixes_hold_by_whole_segments() {
    let routes = &["- /a", "- /a/b/", "- /c//d"];
    check(routes, "h /a", Some("- /a"));
    check(routes, "h /a/", Some("- /a"));
    check(routes, "h /a/x", Some("- /a"));
    check(routes, "h /ab", None);
    check(routes, "h /a/b", Some("- /a/b/"));
    check(routes, "h /a/b/c/d/e/f", Some("- /a/b/"));
    check(routes, "h /a/bc", Some("- /a"));
    check(routes, "h /c/d", None);
    check(routes, "h /c//d/e", Some("- /c//d"));
    check(routes, "h /", None);
    check(&["- /"], "h /anything/at/all", Some("- /"));
    check(&["- /"], "h /", Some("- /"));
}

#[test]
fn an_exact_path_beats_every_prefix() {
    let routes = &["- =/a/b", "- /a/b", "- /"];
    check(routes, "h /a/b", Some("- =/a/b"));
    check(routes, "h /a/b/", Some("- /a/b"));
    check(routes, "h /a", Some("- /"));
}

#[test]
fn the_host_beats_the_path() {
    let routes = &[
        "a.example.com /",
        "*.example.com /x/y",
        "*.com =/x/y/z",
        "- =/x/y/z",
    ];
    check(routes, "a.example.com /x/y/z", Some("a.example.com /"));
    check(routes, "b.example.com /x/y/z", Some("*.example.com /x/y"));
    check(routes, "b.c.example.com /x/y/z", Some("*.example.com /x/y"));
    check(routes, "other.com /x/y/z", Some("*.com =/x/y/z"));
    check(routes, "example.com /x/y/z", Some("*.com =/x/y/z"));
    check(routes, "com /x/y/z", Some("- =/x/y/z"));
    check(routes, "b.example.com /q", None);
    check(&["*.example.com /"], "example.com /", None);
    check(&["*.example.com /"], ".example.com /", None);
    check(&["*.example.com /"], "badexample.com /", None);
}

#[test]
fn method_then_headers_decide_between_equal_paths() {
    let routes = &["- /a", "- /a GET", "- /a - x:1,y:1", "- /a - x:1"];
    check(routes, "h /a GET x:1,y:1", Some("- /a GET"));
    check(routes, "h /a POST x:1,y:1", Some("- /a - x:1,y:1"));
    check(routes, "h /a POST x:1", Some("- /a - x:1"));
    check(routes, "h /a POST x:2", Some("- /a"));
    check(routes, "h /a get", Some("- /a"));
}

#[test]
fn get_is_head_too() {
    check(&["- /a GET", "- /"], "h /a HEAD", Some("- /a GET"));
    check(&["- /a POST", "- /"], "h /a HEAD", Some("- /"));
    // A route of its own comes first, but for one that asks more.
    let routes = &["- /a GET", "- /a HEAD", "- /a GET x:1"];
    check(routes, "h /a HEAD", Some("- /a HEAD"));
    check(routes, "h /a HEAD x:1", Some("- /a GET x:1"));
    check(routes, "h /a GET", Some("- /a GET"));
    check(&["- /a HEAD"], "h /a GET", None);
}

#[test]
fn a_specific_route_that_fails_makes_way() {
    let routes = &[
        "shop.com =/a/b POST",
        "shop.com /a - x:1",
        "*.com /a/b PUT",
        "- /",
    ];
    check(routes, "shop.com /a/b POST", Some("shop.com =/a/b POST"));
    check(routes, "shop.com /a/b GET x:1", Some("shop.com /a - x:1"));
    check(routes, "shop.com /a/b PUT", Some("*.com /a/b PUT"));
    check(routes, "shop.com /a/b GET", Some("- /"));
}

#[test]
fn paths_of_every_length_are_told_apart() {
    // Short keys and long ones are held in different ways.
    let path = |length: usize, end: &str| format!("- /{}{end}", "x".repeat(length));
    let long: Vec<String> = (0..60)
        .flat_map(|it| [path(it, "a"), path(it, "b")])
        .collect();
    let routes: Vec<&str> = long.iter().map(String::as_str).collect();
    for route in &routes {
        check(&routes, &route.replacen('-', "h", 1), Some(route));
        check(
            &routes,
            &format!("{}/y", route.replacen('-', "h", 1)),
            Some(route),
        );
    }
    check(&routes, "h /xxx", None);
}

#[test]
fn ties_are_told() {
    let tie = |left: &str, right: &str| {
        let (left, right) = (pattern(left), pattern(right));
        assert_eq!(left.ties_with(&right), right.ties_with(&left));
        left.ties_with(&right)
    };
    assert!(tie("- /a", "- /a"));
    assert!(tie("- /a", "- /a/"));
    assert!(tie("- /a GET", "- /a GET,POST"));
    assert!(tie("- /a - x:1", "- /a - y:1"));
    assert!(!tie("- /a GET", "- /a POST"));
    assert!(!tie("- /a GET", "- /a"));
    assert!(!tie("- /a - x:1", "- /a - x:2"));
    assert!(!tie("- /a - x:1", "- /a"));
    assert!(!tie("- /a", "- =/a"));
    assert!(!tie("- =/a", "- =/a/"));
    assert!(!tie("h /a", "- /a"));
    assert!(!tie("*.h /a", "h /a"));
}

#[test]
fn a_path_full_of_slashes_costs_no_more_than_the_longest_prefix() {
    let path = "/".repeat(100_000);
    assert!(prefixes(&path, 5).count() <= 6);
    assert_eq!(prefixes("/a/b", 9).collect::<Vec<_>>(), ["/a/b", "/a", ""]);
    assert_eq!(prefixes("/a/b", 3).collect::<Vec<_>>(), ["/a", ""]);
    assert_eq!(prefixes("/a/b", 0).collect::<Vec<_>>(), [""]);
}

/// How specific a pattern is, by the words of the interface, if it holds at all.
fn model_rank(pattern: &Pattern, asked: &Asked<'_>) -> Option<impl Ord + use<>> {
    let host = match &pattern.host {
        HostPattern::Exact(host) => (asked.host == host).then_some((2, 0)),
        HostPattern::Wildcard(suffix) => {
            let label = asked
                .host
                .strip_suffix(suffix.as_str())?
                .strip_suffix('.')?;
            (!label.is_empty()).then_some((1, suffix.len()))
        }
        HostPattern::Any => Some((0, 0)),
    }?;
    let path = match &pattern.path {
        PathPattern::Exact(path) => (asked.path == path).then_some((1, 0)),
        PathPattern::Prefix(prefix) => {
            let prefix: Vec<&str> = prefix.trim_end_matches('/').split('/').collect();
            let segments: Vec<&str> = asked.path.split('/').collect();
            segments.starts_with(&prefix).then_some((0, prefix.len()))
        }
    }?;
    let has = |method: &str| pattern.methods.iter().any(|m| m == method);
    let own = has(asked.method);
    let method = pattern.methods.is_empty() || own || (asked.method == "HEAD" && has("GET"));
    let headers = pattern.headers.iter().all(|(name, value)| {
        asked
            .headers
            .iter()
            .any(|(theirs, sent)| theirs == name && sent == value)
    });
    (method && headers).then_some((
        host,
        path,
        !pattern.methods.is_empty(),
        pattern.headers.len(),
        own,
    ))
}

fn any_pattern() -> impl Strategy<Value = String> {
    let host = prop::sample::select(vec!["-", "a.b.c", "b.c", "*.b.c", "*.c", "*.a.b.c"]);
    let path = prop::sample::select(vec![
        "/", "/p", "/p/", "/p/q", "/p//q", "=/p", "=/p/q", "=/", "=/p/", "/p%2Fq",
    ]);
    let methods = prop::sample::select(vec!["-", "GET", "POST", "GET,POST", "HEAD", "GET,HEAD"]);
    let headers = prop::sample::select(vec!["-", "x:1", "x:2", "y:1", "x:1,y:1"]);
    (host, path, methods, headers)
        .prop_map(|(host, path, methods, headers)| format!("{host} {path} {methods} {headers}"))
}

proptest! {
    #[test]
    fn the_table_finds_what_a_linear_search_finds(
        texts in prop::collection::vec(any_pattern(), 0..12),
        seed in any::<prop::sample::Index>(),
        host in prop::sample::select(vec!["a.b.c", "b.c", "c", "x.a.b.c", "z", ""]),
        path in prop::sample::select(vec!["/", "/p", "/p/", "/p/q", "/p//q/r", "/p/q/r/s", "/pq", "/p%2Fq/x", "//"]),
        method in prop::sample::select(vec!["GET", "POST", "PUT", "HEAD"]),
        headers in prop::sample::subsequence(vec![("x", "1"), ("y", "1")], 0..=2),
    ) {
        // Only tables a plan could have: what ties is refused there.
        let mut texts_kept: Vec<&String> = Vec::new();
        for text in &texts {
            if !texts_kept.iter().any(|kept| pattern(kept).ties_with(&pattern(text))) {
                texts_kept.push(text);
            }
        }
        let asked = Asked { host, path, method, headers: &headers };
        let ranked = texts_kept.iter().filter_map(|text| Some((model_rank(&pattern(text), &asked)?, text.as_str())));
        let mut ranked: Vec<_> = ranked.collect();
        ranked.sort();
        // No two that are not told as ties may rank equal.
        prop_assert!(ranked.windows(2).all(|pair| pair[0].0 < pair[1].0));
        let expected = ranked.last().map(|(_, text)| *text);
        let turn = if texts_kept.is_empty() { 0 } else { seed.index(texts_kept.len()) };
        texts_kept.rotate_left(turn);
        let table = RouteTable::new(texts_kept.iter().map(|text| (pattern(text), text.as_str())));
        prop_assert_eq!(find(&table, &asked), expected);
    }
}
