//! What is refused, and what is not.

use crate::{check, check_run, codes, load, plan};

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
fn a_table_says_what_it_lacks_once() {
    check("", &["P0105"]);
    // A misspelt key is not missing as well.
    check("rnu = \"a\"", &["P0102"]);
    assert_eq!(codes("[task.t]"), ["P0105", "P0105"]);
}

#[test]
fn later_keys_are_refused_as_such() {
    for text in ["[saga.order]", "[discovery.consul]", "[telemetry.otlp]"] {
        assert_eq!(codes(text)[..1], ["P0103"], "{text}");
    }
    check_run("isolation = true", &["P0103"]);
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
