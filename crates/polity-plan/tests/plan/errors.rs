//! What is refused, and what is not.

use crate::{codes, load, plan};

/// Checks that a plan of `[service.a]` with these lines, beside an ordinary service `b`, gives
/// exactly these codes.
fn check(lines: &str, expected: &[&str]) {
    let text = format!(
        "[service.b]\nrun = \"b\"\nroute = \"/b\"\n\n[service.a]\nroute = \"/a\"\n{lines}\n"
    );
    assert_eq!(codes(&text), expected, "{text}");
}

/// The same with a `run`.
fn check_run(lines: &str, expected: &[&str]) {
    check(&format!("run = \"a\"\n{lines}"), expected);
}

#[test]
fn keys_have_types() {
    check_run("replicas = \"2\"", &["P0104"]);
    check_run("replicas = 2.0", &["P0104"]);
    check_run("calls = \"b\"", &["P0104"]);
    check_run("calls = [1]", &["P0104"]);
    check_run("port = \"3000\"", &["P0104"]);
    check_run("env = [\"A=1\"]", &["P0104"]);
    check_run("env = { A = [1] }", &["P0104"]);
    check_run("env = { A = 1.5 }", &["P0104"]);
    check_run("health = true", &["P0104"]);
    check_run("timeout = 30", &["P0104"]);
    check_run("timeout = 1979-05-27", &["P0104"]);
    check_run("retry = 2", &["P0104"]);
    check("run = { program = \"a\" }", &["P0104"]);
    check("run = [\"a\", 1]", &["P0104"]);
    assert_eq!(codes("service = 1"), ["P0104"]);
    assert_eq!(codes("[service]\na = \"run\""), ["P0104"]);
    assert_eq!(codes("[[service]]\nname = \"a\""), ["P0104"]);
    assert_eq!(codes("[[service.a]]\nrun = \"a\""), ["P0104"]);
}

#[test]
fn values_have_bounds() {
    check_run("replicas = 0", &["P0106"]);
    check_run("replicas = 1001", &["P0106"]);
    check_run("replicas = 99999999999999999999", &["P0106"]);
    check_run("port = 0", &["P0106"]);
    check_run("port = 65536", &["P0106"]);
    check_run("timeout = \"0s\"", &["P0106"]);
    check_run("timeout = \"31d\"", &["P0106"]);
    check_run("timeout = \"99999999999999d\"", &["P0106"]);
    check_run("retry = { attempts = 0 }", &["P0106"]);
    check_run("retry = { budget = 1.1 }", &["P0106"]);
    check_run("retry = { budget = nan }", &["P0106"]);
    check_run("retry = { budget = 1, attempts = 10 }", &[]);
    check_run("protocol = \"udp\"", &["P0106"]);
    check_run("balance = \"fastest\"", &["P0106"]);
    check_run("health = \"health\"", &["P0106"]);
    check_run("health = { path = \"/a b\" }", &["P0106"]);
    check_run("dir = \"\"", &["P0106"]);
    check_run("watch = [\"\"]", &["P0106"]);
    check_run("env = { A = \"a\\u0000b\" }", &["P0106"]);
    check_run("allow = [\"P0999\"]", &["P0106"]);
    check_run("allow = [\"P0101\"]", &["P0106"]);
    check_run("publishes = [\"a b\"]", &["P0107"]);
    check_run(
        "env = { \"A-B\" = \"1\", \"2\" = \"1\", \"\" = \"1\" }",
        &["P0107"; 3],
    );
    check_run("database = \"oracle\"", &["P0106"]);
    check_run("database = \"postgres\"", &["P0103"]);
}

#[test]
fn addresses_are_checked() {
    let listen = |address, expected: &[&str]| {
        let plan =
            format!("[gateway]\nlisten = \"{address}\"\n[service.a]\nrun = \"a\"\nroute = \"/\"");
        assert_eq!(codes(&plan), expected, "{address}");
    };
    for good in [
        ":0",
        ":80",
        "127.0.0.1:80",
        "[::1]:80",
        "localhost:8080",
        "0.0.0.0:1",
    ] {
        listen(good, &[]);
    }
    for bad in [
        "",
        "80",
        "::1:80",
        ":x",
        ":-1",
        ":65536",
        "a.example:80",
        "[::1]",
        ":+80",
    ] {
        listen(bad, &["P0106"]);
    }
    for good in [
        "http://h:9000",
        "http://h",
        "http://h/",
        "http://[::1]:9",
        "http://10.0.0.7:80",
    ] {
        check(&format!("url = \"{good}\""), &[]);
    }
    for bad in [
        "h:9000",
        "http://",
        "http://h:0",
        "http://h/base",
        "http://u:p@h",
        "http://h:x",
        "ftp://h",
        "http://a..b",
        "http://h?x",
        "http://::1",
        "http://bücher.example",
    ] {
        check(&format!("url = \"{bad}\""), &["P0106"]);
    }
    check("url = \"https://h\"", &["P0103"]);
    check("urls = []", &["P0106"]);
    check("urls = [\"http://h\", \"http://H:80\"]", &["P0106"]);
    check("urls = [\"http://h\", \"tcp://h:5\"]", &["P0106"]);
}

#[test]
fn routes_are_checked() {
    let route = |lines: &str, expected: &[&str]| {
        let plan = format!("[service.a]\nrun = \"a\"\n[[service.a.routes]]\n{lines}");
        assert_eq!(codes(&plan), expected, "{lines}");
    };
    route("", &[]);
    route("host = \"shop.example.com.\"", &[]);
    route("host = \"*.example.com\"\nmethods = [\"GET\"]", &[]);
    route("host = \"[::1]\"", &[]);
    for host in [
        "",
        "a.example:80",
        "http://a",
        "*.",
        "a*b",
        "a b",
        "bücher.example",
    ] {
        route(&format!("host = \"{host}\""), &["P0106"]);
    }
    for path in ["", "a", "/../a", "/a?x", "/%zz", "/a b"] {
        route(&format!("path = \"{path}\""), &["P0106"]);
    }
    route("methods = [\"get\"]", &["P0106"]);
    route("methods = []", &["P0106"]);
    route("headers = { \"a b\" = \"1\" }", &["P0107"]);
    route("headers = { a = \" 1\" }", &["P0106"]);
    route("path = \"/a\"\nexact = \"/a\"", &["P0109"]);
    route("strip = true\nrewrite = \"/v1\"", &["P0109"]);
    route("paht = \"/a\"", &["P0102"]);
}

#[test]
fn headers_that_differ_by_case_are_one() {
    let text =
        "[service.a]\nrun = \"a\"\n[[service.a.routes]]\nheaders = { X-A = \"1\", x-a = \"2\" }";
    assert_eq!(codes(text), ["P0107"]);
}

#[test]
fn routes_that_tie_are_told_apart_by_anything() {
    let two = |one: &str, other: &str, expected: &[&str]| {
        let plan = format!(
            "[service.a]\nrun = \"a\"\n[[service.a.routes]]\n{one}\n\n\
             [service.b]\nrun = \"b\"\n[[service.b.routes]]\n{other}\n"
        );
        assert_eq!(codes(&plan), expected, "{plan}");
    };
    two("path = \"/a\"", "path = \"/a\"", &["P0119"]);
    two("path = \"/a\"", "path = \"/a/\"", &["P0119"]);
    two("path = \"/a\"", "path = \"/b/../%61\"", &["P0119"]);
    two("host = \"X.example\"", "host = \"x.example.\"", &["P0119"]);
    two(
        "methods = [\"GET\"]",
        "methods = [\"GET\", \"POST\"]",
        &["P0119"],
    );
    two("path = \"/a\"", "exact = \"/a\"", &[]);
    two("path = \"/a\"", "path = \"/A\"", &[]);
    two("methods = [\"GET\"]", "methods = [\"POST\"]", &[]);
    two("methods = [\"GET\"]", "", &[]);
    two("headers = { a = \"1\" }", "headers = { A = \"2\" }", &[]);
    two(
        "headers = { a = \"1\" }",
        "headers = { b = \"2\" }",
        &["P0119"],
    );
}

#[test]
fn a_table_says_what_it_lacks_once() {
    check("", &["P0105"]);
    // A misspelt key is not missing as well.
    check("rnu = \"a\"", &["P0102"]);
    assert_eq!(codes("[task.t]"), ["P0105", "P0105"]);
}

#[test]
fn what_polity_does_not_run_has_no_keys_of_running() {
    for line in [
        "build = \"b\"",
        "dir = \"d\"",
        "replicas = 1",
        "port = 80",
        "health = \"/\"",
        "database = \"sqlite\"",
        "calls = [\"b\"]",
        "env = { A = \"1\" }",
        "watch = [\"src\"]",
        "start_timeout = \"1s\"",
        "stop_timeout = \"1s\"",
        "restart_after = \"1s\"",
    ] {
        check(&format!("url = \"http://h\"\n{line}"), &["P0110"]);
    }
    check(
        "url = \"http://h\"\ntimeout = \"1s\"\nretry = { attempts = 1 }\nbalance = \"random\"\npublishes = [\"t\"]",
        &[],
    );
    check("run = \"a\"\nurls = [\"http://h\"]", &["P0109"]);
    check("url = \"http://g\"\nurls = [\"http://h\"]", &["P0109"]);
}

#[test]
fn what_listens_on_nothing_has_no_keys_of_listening() {
    let text = |line: &str| format!("[service.a]\nrun = \"a\"\nport = false\n{line}");
    for line in [
        "health = \"/\"",
        "timeout = \"1s\"",
        "retry = {}",
        "balance = \"p2c\"",
        "protocol = \"tcp\"",
    ] {
        assert_eq!(codes(&text(line)), ["P0110"], "{line}");
    }
    assert_eq!(codes(&text("replicas = 3")), [""; 0]);
    assert_eq!(codes(&text("route = \"/\"")), ["P0118"]);
    assert_eq!(
        codes("[service.a]\nrun = \"a\"\nport = 80\nprotocol = \"tcp\"\nhealth = \"/\""),
        ["P0110"]
    );
    assert_eq!(
        codes(
            "[service.a]\nrun = \"a\"\nport = 80\nprotocol = \"tcp\"\nhealth = { interval = \"1s\" }"
        ),
        [""; 0]
    );
}

#[test]
fn ports_are_given_once() {
    check_run("port = 3000\nreplicas = 2", &["P0121"]);
    check_run("port = 8080", &["P0121"]);
    check_run("port = 7070", &["P0121"]);
    check_run(
        "port = 3000\n[service.c]\nrun = \"c\"\nport = 3000",
        &["P0121"],
    );
    let both = |console: &str| {
        format!(
            "[gateway]\nlisten = \"127.0.0.1:9\"\n[console]\nlisten = \"{console}\"\n[service.a]\nrun=\"a\"\nroute=\"/\""
        )
    };
    assert_eq!(codes(&both(":9")), ["P0121"]);
    assert_eq!(codes(&both("127.0.0.1:9")), ["P0121"]);
    assert_eq!(codes(&both("127.0.0.2:9")), [""; 0]);
    assert_eq!(
        codes(
            "[gateway]\nlisten=\":0\"\n[console]\nlisten=\":0\"\n[service.a]\nrun=\"a\"\nroute=\"/\""
        ),
        [""; 0]
    );
}

#[test]
fn variables_have_one_meaning() {
    for name in ["PORT", "HOST", "POLITY_SERVICE", "POLITY_ANYTHING"] {
        check_run(&format!("env = {{ {name} = \"1\" }}"), &["P0122"]);
    }
    check_run("calls = [\"b\"]\nenv = { B_URL = \"1\" }", &["P0122"]);
    check_run(
        "env = { B_URL = \"1\", B_PORT = \"1\", DATABASE_URL = \"sqlite:x\" }",
        &[],
    );
    check_run("calls = [\"b\"]\nenv = { B_PORT = \"1\" }", &[]);
    check_run(
        "database = \"sqlite\"\nenv = { DATABASE_PATH = \"x\" }",
        &["P0122"],
    );
    check_run(
        "calls = [\"c\"]\nenv = { C_HOST = \"1\" }\n[service.c]\nurl = \"tcp://h:5\"",
        &["P0122"],
    );
    check_run(
        "calls = [\"polity-events\"]\n[service.polity-events]\nurl = \"http://h\"",
        &["P0108"],
    );
}

#[test]
fn databases_are_not_shared() {
    let two = |one: &str, other: &str, expected: &[&str]| {
        let plan = format!(
            "[service.a]\nrun = \"a\"\nroute = \"/a\"\n{one}\n[service.b]\nrun = \"b\"\nroute = \"/b\"\n{other}"
        );
        assert_eq!(codes(&plan), expected, "{plan}");
    };
    let urls = |one: &str, other: &str, expected: &[&str]| {
        let line = |url: &str| format!("database = \"{url}\"");
        two(&line(one), &line(other), expected);
    };
    two("database = \"sqlite\"", "database = \"sqlite\"", &[]);
    urls(
        "postgres://u:p@H:5432/shop",
        "postgresql://v@h/shop?sslmode=off",
        &["P0120"],
    );
    urls(
        "postgres://127.0.0.1/shop",
        "postgres://localhost/shop/",
        &["P0120"],
    );
    urls("postgres://h/shop", "postgres+asyncpg://h/shop", &["P0120"]);
    urls("postgres://h/a", "postgres://h/b", &[]);
    urls("postgres://h:1/a", "postgres://h:2/a", &[]);
    urls("postgres://h/a?schema=x", "postgres://h/a?schema=y", &[]);
    urls("mysql://h/a", "postgres://h/a", &[]);
    urls("sqlite:///x/./a.db", "sqlite:x/b/../a.db", &["P0120"]);
    urls("sqlite:////x/a.db", "sqlite:///x/a.db", &[]);
    urls("sqlite::memory:", "sqlite::memory:", &[]);
    let shared = "env = { DATABASE_URL = \"postgres://h/shop\" }";
    two(shared, "database = \"postgres://h/shop\"", &["P0120"]);
    two(shared, shared, &["P0120"]);
}

#[test]
fn names_are_known() {
    check_run("calls = [\"c\"]", &["P0115"]);
    check_run("calls = [\"a\"]", &["P0116"]);
    check_run(
        "calls = [\"c\"]\n[service.c]\nrun = \"c\"\nport = false",
        &["P0117"],
    );
    check_run("calls = [\"B\"]", &["P0107"]);
    check_run("[task.t]\nrun = \"t\"\nbefore = [\"c\"]", &["P0115"]);
    check_run("[task.t]\nrun = \"t\"\nbefore = []", &["P0106"]);
    check_run("[task.T]\nrun = \"t\"\nbefore = [\"a\"]", &["P0107"]);
    check_run("[task.b]\nrun = \"t\"\nbefore = [\"a\"]", &["P0126"]);
    check_run(
        "[task.t]\nrun = \"t\"\nbefore = [\"a\"]\nenv = { POLITY_X = \"1\" }",
        &["P0122"],
    );
    check_run(
        "[task.t]\nrun = \"t --port {port}\"\nbefore = [\"a\"]",
        &["P0125"],
    );
    // A service with a fault of its own is a service still.
    check_run("calls = [\"c\"]\n[service.c]\nrun = 1", &["P0104"]);
}

#[test]
fn later_keys_are_refused_as_such() {
    for text in [
        "[events]",
        "[topic.\"a.b\"]\npartitions = 4",
        "[site.docs]\nroot = \"public\"",
        "[discovery.consul]",
        "[telemetry.otlp]",
    ] {
        assert_eq!(codes(text)[..1], ["P0103"], "{text}");
    }
    assert_eq!(
        codes("[gateway]\ndomain = \"shop.example.com\"\ntls = \"local\"")[..2],
        ["P0103"; 2]
    );
    check_run("isolation = true\ntranscode = true", &["P0103", "P0103"]);
    check_run("balance = { algorithm = \"maglev\" }", &["P0103"]);
}

#[test]
fn syntax_errors_do_not_hide_the_rest() {
    let text = "[service.a]\nrun = a\nrplicas = 2\n[service.b\nrun = \"b\"\ncalls = [\"nobody\"]\n";
    assert_eq!(codes(text), ["P0101", "P0102", "P0101"]);
    assert_eq!(codes("a = 1\na = 2"), ["P0102", "P0101"]);
    assert!(codes("\0").contains(&"P0101".to_owned()));
}

#[test]
fn variables_of_the_environment_stand_in_any_string() {
    let plan = plan(
        "[service.a]\nrun = \"a ${GREETING} '${SECRET}' ${NONE:-x y}\"\nroute = \"/${GREETING}\"\n\
         env = { A = \"${SECRET}\", B = \"$${SECRET}\", C = 4, D = true }",
    );
    let program = plan.services["a"].program().unwrap();
    assert_eq!(program.run.words, ["a", "hello", "hunter2", "x", "y"]);
    let env: Vec<_> = program.env.values().map(String::as_str).collect();
    assert_eq!(env, ["hunter2", "${SECRET}", "4", "true"]);
    check_run(
        "env = { A = \"${NONE} ${ALSO_NONE}\", B = \"${\" }",
        &["P0113", "P0113", "P0114"],
    );
}

#[test]
fn what_came_from_a_variable_is_in_no_message() {
    for line in [
        "timeout = \"${SECRET}\"",
        "calls = [\"${SECRET}x!\"]",
        "balance = \"${SECRET}\"",
        "database = \"${SECRET}\"",
        "health = \"${SECRET}\"",
        "env = { PORT = \"${SECRET}\" }",
        "publishes = [\"${SECRET} x\"]",
    ] {
        let text = format!("[service.a]\nrun = \"a\"\n{line}");
        let loaded = load(&text);
        assert!(loaded.plan.is_none(), "{line}");
        let said = format!("{:?}", loaded.diagnostics);
        assert!(!said.contains("hunter2"), "{line}: {said}");
    }
}
