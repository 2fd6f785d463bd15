//! What a plan says of the public entry: limits, redirects, headers, other origins.

use std::time::Duration;

use polity_core::ByteSize;
use polity_plan::{
    Acme, Allowed, Coding, Compression, Cors, Hsts, Limits, OriginPattern, Route, Tls,
};
use polity_route::Rewrite;

use crate::{check_run, codes, plan, shown};

const SERVICE: &str = "[service.a]\nrun = \"a\"\nroute = \"/a\"\n";

/// The codes of a plan with this about the gateway.
#[track_caller]
fn gateway(lines: &str, expected: &[&str]) {
    assert_eq!(codes(&format!("{lines}\n{SERVICE}")), expected, "{lines}");
}

/// The codes of a plan with a route of these lines.
#[track_caller]
fn route(lines: &str, expected: &[&str]) {
    let text = format!("[service.a]\nrun = \"a\"\n[[service.a.routes]]\n{lines}");
    assert_eq!(codes(&text), expected, "{lines}");
}

/// The route of a plan with these lines.
fn planned(lines: &str) -> Route {
    let text = format!("[service.a]\nrun = \"a\"\n[[service.a.routes]]\n{lines}");
    plan(&text).services["a"].routes[0].clone()
}

#[test]
fn limits_have_defaults_and_false_lifts_them() {
    let none = plan(SERVICE).gateway;
    assert_eq!(none.limits, Limits::default());
    let lifted = plan(&format!(
        "[gateway.limits]\nconnections_per_address = false\nrequests_per_connection = false\n\
         body_size = false\nmax_in_flight = false\nbulkhead = false\nqueue_delay = false\n{SERVICE}"
    ));
    let expected = Limits {
        connections_per_address: None,
        requests_per_connection: None,
        body_size: None,
        max_in_flight: None,
        bulkhead: None,
        queue_delay: None,
        ..Limits::default()
    };
    assert_eq!(lifted.gateway.limits, expected);
    let set = plan(&format!(
        "[gateway.limits]\nconnections_per_address = 1\nrequests_per_connection = 2\nheader_count = 3\n\
         header_size = \"4KiB\"\nbody_size = \"5B\"\nmax_in_flight = 6\nbulkhead = 0.25\nqueue_delay = \"70ms\"\n\
         [gateway.timeouts]\nhead = \"1s\"\nkeep_alive = \"2s\"\nbody = \"3s\"\nsend = \"4s\"\n\
         connect = \"5s\"\nidle = \"6s\"\n{SERVICE}max_in_flight = 7\n"
    ));
    let expected = Limits {
        connections_per_address: Some(1),
        requests_per_connection: Some(2),
        header_count: 3,
        header_size: ByteSize(4096),
        body_size: Some(ByteSize(5)),
        max_in_flight: Some(6),
        bulkhead: Some(0.25),
        queue_delay: Some(Duration::from_millis(70)),
    };
    assert_eq!(set.gateway.limits, expected);
    let timeouts = set.gateway.timeouts;
    let read = [
        timeouts.head,
        timeouts.keep_alive,
        timeouts.body,
        timeouts.send,
        timeouts.connect,
        timeouts.idle,
    ];
    assert_eq!(read, [1, 2, 3, 4, 5, 6].map(Duration::from_secs));
    assert_eq!(set.services["a"].max_in_flight, Some(7));
    assert_eq!(plan(SERVICE).services["a"].max_in_flight, None);
}

#[test]
fn limits_have_bounds() {
    for line in [
        "connections_per_address = 0",
        "requests_per_connection = -1",
        "header_count = 101",
        "header_count = 0",
        "header_size = \"33KiB\"",
        "header_size = \"1000B\"",
        "header_size = \"99999999TiB\"",
        "body_size = \"10 MB\"",
        "queue_delay = \"0s\"",
        "queue_delay = \"9ms\"",
        "max_in_flight = 0",
    ] {
        gateway(&format!("[gateway.limits]\n{line}"), &["P0106"]);
    }
    for line in [
        "connections_per_address = true",
        "body_size = true",
        "body_size = 100",
        "max_in_flight = \"many\"",
        "header_size = false",
    ] {
        gateway(&format!("[gateway.limits]\n{line}"), &["P0104"]);
    }
    gateway("[gateway.timeouts]\nhead = \"0s\"", &["P0106"]);
    gateway("[gateway.timeouts]\nidle = false", &["P0104"]);
    gateway("[gateway.limits]\nheaders = 1", &["P0102"]);
    check_run("max_in_flight = 0", &["P0106"]);
    assert_eq!(
        codes("[service.a]\nrun = \"a\"\nport = false\nmax_in_flight = 1"),
        ["P0110"]
    );
    check_run("max_in_flight = false", &[]);
}

#[test]
fn a_route_has_the_gateways_body_size_unless_it_says_another() {
    let sizes = |limit: &str| {
        let text = format!(
            "{limit}{SERVICE}[[service.a.routes]]\npath = \"/b\"\nbody_size = \"1KiB\"\n\
             [[service.a.routes]]\npath = \"/c\"\nbody_size = false\n"
        );
        let routes = plan(&text).services["a"].routes.clone();
        routes
            .iter()
            .map(|route| route.body_size)
            .collect::<Vec<_>>()
    };
    let kib = Some(ByteSize(1024));
    assert_eq!(sizes(""), [None, kib, None]);
    let limit = "[gateway.limits]\nbody_size = \"2B\"\n";
    assert_eq!(sizes(limit), [Some(ByteSize(2)), kib, None]);
}

#[test]
fn headers_are_set_and_removed_by_names_in_lower_case() {
    let route = planned(
        "request_headers = { set = { X-Tenant = \"${GREETING}\" }, remove = [\"X-Debug\"] }\n\
         response_headers = { remove = [\"Server\"] }",
    );
    let set: Vec<_> = route.request_headers.set.iter().collect();
    assert_eq!(set, [(&"x-tenant".to_owned(), &"hello".to_owned())]);
    assert!(route.request_headers.remove.contains("x-debug"));
    assert!(route.response_headers.remove.contains("server"));
    assert!(planned("").request_headers.is_empty());
}

#[test]
fn headers_of_the_connection_and_of_polity_are_no_routes_to_change() {
    for name in [
        "Host",
        "content-length",
        "transfer_encoding",
        "X-Forwarded-For",
        "traceparent",
        "te",
    ] {
        route(
            &format!("request_headers = {{ set = {{ {name} = \"1\" }} }}"),
            &["P0127"],
        );
        route(
            &format!("request_headers = {{ remove = [\"{name}\"] }}"),
            &["P0127"],
        );
    }
    for name in ["connection", "x-polity-reason", "Date", "Trailer"] {
        route(
            &format!("response_headers = {{ set = {{ {name} = \"1\" }} }}"),
            &["P0127"],
        );
        route(
            &format!("response_headers = {{ remove = [\"{name}\"] }}"),
            &["P0127"],
        );
    }
    for name in ["x-forwarded-prefix", "x-real-ip", "authorization", "cookie"] {
        route(
            &format!("request_headers = {{ set = {{ {name} = \"1\" }} }}"),
            &[],
        );
    }
    route("response_headers = { set = { host = \"1\" } }", &[]);
}

#[test]
fn rules_of_headers_are_checked() {
    route(
        "request_headers = { set = { \"a b\" = \"1\" } }",
        &["P0107"],
    );
    route(
        "request_headers = { set = { a = \"1\\r\\nb: 2\" } }",
        &["P0106"],
    );
    route(
        "request_headers = { set = { a = \"1\", A = \"2\" } }",
        &["P0107"],
    );
    route("request_headers = { remove = [\"a:\"] }", &["P0107"]);
    route("request_headers = { add = { a = \"1\" } }", &["P0102"]);
    route(
        "request_headers = { set = { x_a = \"1\" }, remove = [\"X-A\"] }",
        &["P0109"],
    );
    route(
        "response_headers = { set = { Access-Control-Max-Age = \"1\" } }\ncors = { origins = [\"*\"] }",
        &["P0109"],
    );
    route(
        "response_headers = { set = { access-control-allow-origin = \"*\" } }",
        &[],
    );
}

#[test]
fn other_origins_are_admitted_by_name() {
    let cors = |lines: &str| Cors::clone(planned(lines).cors.as_ref().unwrap());
    let exact = |origin: &str| OriginPattern::Exact(origin.to_owned());
    let words = |words: &[&str]| Allowed::Only(words.iter().map(|w| (*w).to_owned()).collect());
    let least = Cors {
        origins: Allowed::Only(vec![exact("https://a.example")]),
        methods: words(&["GET", "HEAD", "POST"]),
        headers: words(&[]),
        expose: words(&[]),
        credentials: false,
        max_age: Duration::from_secs(600),
    };
    assert_eq!(
        cors("cors = { origins = [\"https://A.example:443\"] }"),
        least
    );
    let of_the_route = cors("methods = [\"PUT\"]\ncors = { origins = [\"https://a.example\"] }");
    assert_eq!(of_the_route.methods, words(&["PUT"]));
    let full = cors(
        "cors = { origins = [\"http://a:1\", \"http://b\"], methods = [\"PUT\"], headers = [\"X-A\"],\n\
         expose = [\"X-B\"], credentials = true, max_age = \"1m\" }",
    );
    let expected = Cors {
        origins: Allowed::Only(vec![exact("http://a:1"), exact("http://b")]),
        methods: words(&["PUT"]),
        headers: words(&["x-a"]),
        expose: words(&["x-b"]),
        credentials: true,
        max_age: Duration::from_secs(60),
    };
    assert_eq!(full, expected);
    let any = cors(
        "cors = { origins = [\"*\"], methods = [\"*\"], headers = [\"*\"], expose = [\"*\"] }",
    );
    assert_eq!(any.origins, Allowed::Any);
    assert_eq!(
        (any.methods, any.headers, any.expose),
        (Allowed::Any, Allowed::Any, Allowed::Any)
    );
}

#[test]
fn other_origins_are_checked() {
    route("cors = {}", &["P0105"]);
    route("cors = true", &["P0104"]);
    route("cors = { origins = [] }", &["P0106"]);
    route("cors = { origins = [\"shop.example.com\"] }", &["P0106"]);
    route("cors = { origins = [\"null\"] }", &["P0106"]);
    route("cors = { origins = [\"https://a.example/\"] }", &["P0106"]);
    route(
        "cors = { origins = [\"*\", \"https://a.example\"] }",
        &["P0106"],
    );
    route(
        "cors = { origins = [\"*\"], credentials = true }",
        &["P0109"],
    );
    route(
        "cors = { origins = [\"http://a\"], headers = [\"*\"], credentials = true }",
        &["P0109"],
    );
    route("cors = { origins = [\"*\"], credentials = false }", &[]);
    route(
        "cors = { origins = [\"http://a\"], methods = [\"put\"] }",
        &["P0106"],
    );
    route(
        "cors = { origins = [\"http://a\"], max-age = \"1m\" }",
        &["P0102"],
    );
}

/// The codes of a plan with a redirect of these lines.
#[track_caller]
fn redirect(lines: &str, expected: &[&str]) {
    gateway(&format!("[[gateway.redirects]]\n{lines}"), expected);
}

#[test]
fn redirects_are_read() {
    let text = format!(
        "[[gateway.redirects]]\nhost = \"www.example.com\"\nto = \"https://Example.com\"\nstatus = 301\n\
         [[gateway.redirects]]\nexact = \"/old\"\nto = \"/new\"\n{SERVICE}"
    );
    let redirects = plan(&text).gateway.redirects;
    let read: Vec<_> = redirects
        .iter()
        .map(|redirect| {
            (
                redirect.origin.as_deref(),
                &redirect.rewrite,
                redirect.status,
            )
        })
        .collect();
    let to = |path: &str| Rewrite::Replace(path.to_owned());
    assert_eq!(
        read,
        [
            (Some("https://example.com"), &to("/"), 301),
            (None, &to("/new"), 308)
        ]
    );
}

#[test]
fn redirects_are_checked() {
    redirect("path = \"/old\"", &["P0105"]);
    for to in ["new", "//evil.example", "/new?x=1", "ftp://a", ""] {
        redirect(&format!("path = \"/old\"\nto = \"{to}\""), &["P0106"]);
    }
    redirect("path = \"/old\"\nto = \"/new\"\nstatus = 304", &["P0106"]);
    redirect(
        "path = \"/old\"\nto = \"/new\"\nstatus = \"301\"",
        &["P0104"],
    );
    redirect(
        "path = \"/old\"\nexact = \"/old\"\nto = \"/new\"",
        &["P0109"],
    );
    redirect(
        "path = \"/old\"\nto = \"/new\"\nmethods = [\"GET\"]",
        &["P0102"],
    );
}

#[test]
fn a_redirect_and_a_route_claim_no_request_both() {
    redirect("path = \"/a\"\nto = \"/b\"", &["P0119"]);
    redirect("exact = \"/a\"\nto = \"/b\"", &[]);
    redirect("path = \"/a/old\"\nto = \"/a\"", &[]);
    redirect(
        "host = \"www.example.com\"\npath = \"/a\"\nto = \"https://example.com\"",
        &[],
    );
    redirect(
        "path = \"/o\"\nto = \"/b\"\n[[gateway.redirects]]\npath = \"/o/\"\nto = \"/c\"",
        &["P0119"],
    );
    let text = format!("{SERVICE}[[gateway.redirects]]\npath = \"/a\"\nto = \"/b\"");
    let shown = shown(&text);
    assert!(
        shown.contains("`a` and a redirect claim one route"),
        "{shown}"
    );
}

#[test]
fn a_redirect_leads_away_from_itself() {
    redirect("path = \"/o\"\nto = \"/o\"", &["P0128"]);
    redirect("path = \"/o\"\nto = \"/o/new\"", &["P0128"]);
    redirect("to = \"/\"", &["P0128"]);
    redirect("exact = \"/o\"\nto = \"/o/new\"", &[]);
    // A service takes what would come back.
    redirect("to = \"/a\"", &[]);
    redirect(
        "path = \"/x\"\nto = \"/y\"\n[[gateway.redirects]]\npath = \"/y\"\nto = \"/x\"",
        &["P0128", "P0128"],
    );
    // Only the second goes round; the first leads there.
    redirect(
        "path = \"/x\"\nto = \"/y\"\n[[gateway.redirects]]\npath = \"/y\"\nto = \"/y/z\"",
        &["P0128"],
    );
    redirect("host = \"w.example\"\nto = \"/n\"", &["P0128"]);
    redirect("host = \"*.example\"\nto = \"https://example\"", &[]);
}

#[test]
fn what_a_header_is_set_to_is_never_shown() {
    for set in [
        "{ authorization = \"Bearer hunter2\" }",
        "{ authorization = \"hunter2\\r\" }",
    ] {
        let text = format!(
            "[service.a]\nrun = \"a\"\n[[service.a.routes]]\nrequest_headers = {{ set = {set}, remove = [\"te\"] }}"
        );
        let shown = shown(&text);
        assert!(
            shown.contains("P0127") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}

#[test]
fn browsers_are_told_to_come_by_https_alone_where_the_plan_says_so() {
    let hsts = |value: &str| {
        plan(&format!("[gateway]\nhsts = {value}\n{SERVICE}"))
            .gateway
            .hsts
    };
    assert_eq!(plan(SERVICE).gateway.hsts, None);
    assert_eq!(hsts("false"), None);
    assert_eq!(hsts("true"), Some(Hsts::default()));
    assert_eq!(hsts("{}"), Some(Hsts::default()));
    let all = "{ max_age = \"730d\", subdomains = true, preload = true }";
    let expected = Hsts {
        max_age: Duration::from_secs(730 * 86_400),
        subdomains: true,
        preload: true,
    };
    assert_eq!(hsts(all), Some(expected));
    let forget = hsts("{ max_age = \"0s\" }").unwrap();
    assert!(forget.max_age.is_zero());
    gateway("[gateway]\nhsts = { max_age = \"11y\" }", &["P0106"]);
    gateway("[gateway]\nhsts = { max_age = \"4000d\" }", &["P0106"]);
    gateway("[gateway]\nhsts = { preload = true }", &["P0106"]);
    let short = "[gateway]\nhsts = { max_age = \"364d\", subdomains = true, preload = true }";
    gateway(short, &["P0106"]);
}

#[test]
fn plain_http_has_a_listener_of_its_own_where_there_is_https() {
    let text = format!("[gateway]\ntls = \"local\"\nlisten_http = \":80\"\n{SERVICE}");
    assert_eq!(plan(&text).gateway.listen_http.map(|it| it.port), Some(80));
    assert_eq!(plan(SERVICE).gateway.listen_http, None);
    gateway("[gateway]\nlisten_http = false", &[]);
    gateway("[gateway]\nlisten_http = \":80\"", &["P0110"]);
    let both = "[gateway]\ntls = \"local\"\nlisten = \":8443\"\nlisten_http = \":8443\"";
    gateway(both, &["P0121"]);
}

#[test]
fn a_domain_brings_its_ports_and_its_certificate() {
    let gateway = plan(&format!(
        "[gateway]\ndomain = \"Shop.Example.com.\"\n{SERVICE}"
    ))
    .gateway;
    assert_eq!(gateway.domains, ["shop.example.com"]);
    let ports = (gateway.listen.port, gateway.listen_http.map(|it| it.port));
    assert_eq!(ports, (443, Some(80)));
    let Some(Tls::Acme(acme)) = gateway.tls else {
        panic!("{:?}", gateway.tls);
    };
    assert_eq!(acme.domains, gateway.domains);
    assert_eq!(acme.directory, Acme::DIRECTORY);
    assert_eq!((acme.email, acme.eab, acme.roots), (None, None, None));

    let ports = |lines: &str| {
        let text = format!("[gateway]\ndomain = \"a.example\"\n{lines}\n{SERVICE}");
        let gateway = plan(&text).gateway;
        (gateway.listen.port, gateway.listen_http.map(|it| it.port))
    };
    assert_eq!(ports("listen = \"127.0.0.1:443\""), (443, Some(80)));
    assert_eq!(ports("listen = \":8443\""), (8443, None));
    assert_eq!(
        ports("listen = \":8443\"\nlisten_http = \":81\""),
        (8443, Some(81))
    );
    assert_eq!(ports("listen_http = false"), (443, None));
}

#[test]
fn certificates_for_a_domain_come_from_where_the_plan_says() {
    let text = "[gateway]\ndomain = [\"a.example\", \"b.example\", \"A.example\"]\n\
         [gateway.acme]\ndirectory = \"https://ca.example:14000/dir\"\nemail = \"ops@a.example\"\n\
         eab = { kid = \"k-1\", hmac_key = \"c2VjcmV0LXNlY3JldA\" }\nroots = \"ca.pem\"\n";
    let Some(Tls::Acme(acme)) = plan(&format!("{text}{SERVICE}")).gateway.tls else {
        panic!("it has none");
    };
    assert_eq!(acme.domains, ["a.example", "b.example"]);
    assert_eq!(acme.directory, "https://ca.example:14000/dir");
    assert_eq!(acme.email.as_deref(), Some("ops@a.example"));
    assert_eq!(acme.roots, Some("ca.pem".into()));
    let eab = acme.eab.unwrap();
    assert_eq!((&*eab.kid, &*eab.hmac_key), ("k-1", "c2VjcmV0LXNlY3JldA"));
    assert!(!format!("{eab:?}").contains("c2Vj"));

    let local = plan(&format!(
        "[gateway]\ndomain = \"a.example\"\ntls = \"local\"\n{SERVICE}"
    ));
    assert_eq!(local.gateway.tls, Some(Tls::Local));
    assert_eq!(local.gateway.listen.port, 443);
}

#[test]
fn what_no_authority_gives_a_certificate_for_is_no_domain() {
    for name in [
        "*.example.com",
        "localhost",
        "10.0.0.1",
        "[::1]",
        "https://shop.example.com",
        "shop.example.com:443",
        "shop.example.com/a",
        "shop..example.com",
        "my_shop.example.com",
        "-a.example.com",
        "b\u{fc}cher.example",
        "",
    ] {
        gateway(&format!("[gateway]\ndomain = \"{name}\""), &["P0106"]);
    }
    gateway("[gateway]\ndomain = []", &["P0106"]);
    let text = format!("[gateway]\ndomain = \"*.example.com\"\n{SERVICE}");
    assert!(shown(&text).contains("a proof by DNS"), "{}", shown(&text));
    let domain = "[gateway]\ndomain = \"a.example\"\n";
    gateway("[gateway.acme]\nemail = \"a@b.example\"", &["P0110"]);
    gateway(&format!("{domain}tls = \"local\"\nacme = {{}}"), &["P0109"]);
    gateway(
        &format!("{domain}acme = {{ directory = \"http://ca\" }}"),
        &["P0106"],
    );
    gateway(
        &format!("{domain}acme = {{ email = \"nobody\" }}"),
        &["P0106"],
    );
    gateway(
        &format!("{domain}acme = {{ eab = {{ kid = \"a\" }} }}"),
        &["P0105"],
    );
    let key = format!("{domain}acme = {{ eab = {{ kid = \"a\", hmac_key = \"se cret\" }} }}");
    gateway(&key, &["P0106"]);
    assert!(!shown(&format!("{key}\n{SERVICE}")).contains("se cret"));
}

#[test]
fn clients_may_have_to_show_certificates() {
    let read = |lines: &str| {
        let text = format!(
            "[gateway]\ntls = \"local\"\n[gateway.client_certificates]\n{lines}\n{SERVICE}"
        );
        plan(&text).gateway.client_certificates.unwrap()
    };
    let asked = read("roots = \"ca.pem\"");
    assert_eq!((asked.roots, asked.required), ("ca.pem".into(), true));
    assert!(!read("roots = \"ca.pem\"\nrequired = false").required);
    gateway(
        "[gateway.client_certificates]\nroots = \"ca.pem\"",
        &["P0110"],
    );
    gateway(
        "[gateway]\ntls = \"local\"\nclient_certificates = {}",
        &["P0105"],
    );
}

#[test]
fn what_is_compressed_is_said_by_yes_or_no_or_by_what() {
    let planned = |line: &str| {
        plan(&format!("[gateway]\n{line}\n{SERVICE}"))
            .gateway
            .compress
    };
    assert_eq!(planned(""), Compression::default());
    let of = |services, sites, codings: &[Coding]| Compression {
        services,
        sites,
        codings: codings.to_vec(),
    };
    assert_eq!(planned(""), of(false, true, &Coding::ALL));
    assert_eq!(planned("compress = true"), of(true, true, &Coding::ALL));
    assert_eq!(planned("compress = false"), of(false, false, &Coding::ALL));
    let chosen = planned("compress = [\"gzip\", \"zstd\"]");
    assert_eq!(chosen, of(true, true, &[Coding::Gzip, Coding::Zstd]));
    gateway("[gateway]\ncompress = [\"deflate\"]", &["P0106"]);
    gateway("[gateway]\ncompress = []", &["P0106"]);
    gateway("[gateway]\ncompress = \"gzip\"", &["P0104"]);
}
