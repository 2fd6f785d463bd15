//! What a plan says of folders that are served.

use std::path::PathBuf;

use polity_route::{HostPattern, PathPattern, Rewrite};

use crate::{codes, plan, shown};

/// The codes of a plan with a site of these lines.
#[track_caller]
fn site(lines: &str, expected: &[&str]) {
    let text = format!("[site.docs]\nroot = \"public\"\n{lines}");
    assert_eq!(codes(&text), expected, "{lines}");
}

#[test]
fn a_folder_alone_is_a_whole_plan() {
    let text = "[site.docs]\nroot = \"public\"\n";
    assert_eq!(codes(text), [""; 0]);
    let site = plan(text).sites["docs"].clone();
    assert_eq!(site.root, PathBuf::from("public"));
    assert_eq!((site.index.as_str(), site.listing), ("index.html", false));
    assert_eq!((&site.fallback, &site.cache), (&None, &None));
    assert_eq!(site.routes.len(), 1);
    let route = &site.routes[0];
    assert_eq!(route.pattern.path, PathPattern::Prefix("/".to_owned()));
    assert_eq!(route.pattern.host, HostPattern::Any);
    assert_eq!(route.rewrite, Rewrite::Replace("/".to_owned()));
}

#[test]
fn everything_that_may_be_said_of_one() {
    let text = "[site.docs]\nroot = \"/srv/public\"\nroute = \"/docs\"\nindex = \"start.html\"\nlisting = true\n\
        fallback = \"/app/index.html\"\ncache = \"max-age=60\"\n\
        [[site.docs.routes]]\nhost = \"docs.example.com\"\n\
        [site.docs.routes.response_headers]\nset = { x-frame-options = \"DENY\" }\n";
    assert_eq!(codes(text), [""; 0]);
    let site = plan(text).sites["docs"].clone();
    assert_eq!(site.root, PathBuf::from("/srv/public"));
    assert_eq!((site.index.as_str(), site.listing), ("start.html", true));
    assert_eq!(site.fallback, Some(PathBuf::from("app/index.html")));
    assert_eq!(site.cache.as_deref(), Some("max-age=60"));
    assert_eq!(site.routes.len(), 2);
    assert_eq!(site.routes[1].rewrite, Rewrite::Replace("/".to_owned()));
    assert!(
        site.routes[1]
            .response_headers
            .set
            .contains_key("x-frame-options")
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    assert_eq!(codes("[site.docs]\nlisting = true\n"), ["P0105"]);
    assert_eq!(codes("[site.Docs]\nroot = \"public\"\n"), ["P0107"]);
    site("folder = \"x\"", &["P0102"]);
    site("index = \"a/b.html\"", &["P0106"]);
    site("index = \".htaccess\"", &["P0106"]);
    site("index = \"\"", &["P0106"]);
    site("fallback = \"index.html\"", &["P0106"]);
    site("fallback = \"/../index.html\"", &["P0106"]);
    site("fallback = \"/\"", &["P0106"]);
    site("fallback = \"/a//b\"", &["P0106"]);
    site("listing = \"yes\"", &["P0104"]);
    site("cache = \"a\\nb\"", &["P0106"]);
    // Files are read: a route for other methods, or another path, would be one to nothing.
    site("[[site.docs.routes]]\nmethods = [\"POST\"]", &["P0102"]);
    site("[[site.docs.routes]]\nrewrite = \"/x\"", &["P0102"]);
}

#[test]
fn a_site_claims_its_routes_as_a_service_does() {
    let with = |service: &str| {
        format!("[site.docs]\nroot = \"public\"\n[service.a]\nrun = \"a\"\nroute = \"{service}\"\n")
    };
    assert_eq!(codes(&with("/a")), [""; 0]);
    assert_eq!(codes(&with("/")), ["P0119"]);
    let text = with("/");
    assert!(
        shown(&text).contains("`docs`") && shown(&text).contains("`a`"),
        "{}",
        shown(&text)
    );
    let redirect =
        "[site.docs]\nroot = \"public\"\n[[gateway.redirects]]\npath = \"/\"\nto = \"/x\"\n";
    assert!(codes(redirect).contains(&"P0119".to_owned()));
}

#[test]
fn a_site_and_a_service_have_two_names() {
    let text = "[site.a]\nroot = \"public\"\n[service.a]\nrun = \"a\"\nroute = \"/a\"\n";
    assert_eq!(codes(text), ["P0126"]);
}
