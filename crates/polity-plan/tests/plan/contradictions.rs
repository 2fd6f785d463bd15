//! What the parts of a plan say about each other and must not.

use crate::{check, check_run, codes};

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
fn json_is_translated_for_what_speaks_grpc() {
    check_run("transcode = true", &["P0110"]);
    check_run("transcode = true\nprotocol = \"http1\"", &["P0110"]);
    check_run(
        "transcode = { descriptors = \"\" }\nprotocol = \"auto\"",
        &["P0106"],
    );
    for said in ["true", "false", "{ descriptors = \"api.pb\" }", "{}"] {
        check_run(&format!("transcode = {said}\nprotocol = \"http2\""), &[]);
    }
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
    check_run("max_calls_in_flight = 5", &["P0110"]);
    check_run("calls = []\nmax_calls_in_flight = 5", &["P0110"]);
    check_run("calls = [\"b\"]\nmax_calls_in_flight = false", &[]);
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
