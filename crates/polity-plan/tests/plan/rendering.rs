//! What people and machines are shown, and what nobody is.

use polity_plan::{Style, locate, render};

use crate::{load, shown};

fn check(text: &str, expected: &str) {
    assert_eq!(
        shown(text),
        expected.trim_start_matches('\n'),
        "\n{}",
        shown(text)
    );
}

#[test]
fn an_error_shows_its_place_and_the_nearest_name() {
    check(
        "[service.hello]\nrun = \"python3 hello.py\"\nrout = \"/\"\n",
        r#"
error[P0102]: unknown key `rout` in `service.hello`
 --> polity.toml:3:1
  |
3 | rout = "/"
  | ^^^^ not a key here
  |
  = help: did you mean `route`?

"#,
    );
}

#[test]
fn two_places_are_shown_together() {
    check(
        "[service.a]\nrun = \"a\"\nroute = \"/x\"\n\n[service.b]\nrun = \"b\"\nroute = \"/x/\"\n",
        r#"
error[P0119]: `a` and `b` claim one route
 --> polity.toml:7:9
  |
3 | route = "/x"
  |         ---- claimed here first
...
7 | route = "/x/"
  |         ^^^^^ the same requests again
  |
  = help: tell them apart by path, host, method or header, or remove one

"#,
    );
}

#[test]
fn columns_count_characters() {
    let text = "[service.a]\nroute = \"/\" \nrun = \"é日本 🔑 'x\"\n";
    check(
        text,
        r#"
error[P0111]: `service.a.run` does not split into words
 --> polity.toml:3:14
  |
3 | run = "é日本 🔑 'x"
  |                 ^ this quote is never closed
  |
  = help: commands are split as a shell would; an array stands as it is

"#,
    );
    let located = locate(&load(text).diagnostics, "polity.toml", text);
    assert_eq!((located[0].line, located[0].column), (3, 14));
}

#[test]
fn machines_get_the_same() {
    let text = "[service.a]\nrun = \"a\"\nroute = \"/\"\ntimeout = \"5\"\n";
    let json =
        serde_json::to_value(locate(&load(text).diagnostics, "x/polity.toml", text)).unwrap();
    let expected = serde_json::json!([{
        "code": "P0106",
        "severity": "error",
        "message": "`service.a.timeout` is not a duration like \"250ms\", \"2s\" or \"5m\"",
        "label": "",
        "file": "x/polity.toml",
        "line": 4,
        "column": 11,
        "help": null,
    }]);
    assert_eq!(json, expected);
}

/// Secrets in every place a plan can have them; all are "hunter" and a number.
const SECRETS: &[&str] = &[
    "[service.a]\nenv = { A = \"hunter1\", PORT = \"hunter2\" }",
    "[service.a]\nenv = { A = \"hunter1\", bad key = \"hunter2\" }",
    "[service.a]\nenv = { A = \"hunter1\", oops \"hunter2\" }",
    "[service.a]\nenv = { A = \"hunter1",
    "[service.a]\nenv = { A = [\"hunter1\", { B = \"hunter2\" }, 'hunter3'] }",
    "[service.a]\nenv = \"hunter1\"",
    "[service.a]\nenv = [\"A=hunter1\", \"B=hunter2\"]",
    "[service.a]\nenv = hunter1",
    "[service.a]\nenv = { A = hunter1 }",
    "[service.a]\nenv.PORT = \"hunter1\"",
    "[service.a]\n\"env\".PORT = 'hunter1'",
    "[service.a]\n\"\\u0065nv\".PORT = 'hunter1'",
    "[service.a.env]\nPORT = \"\"\"\nhunter1\nhunter2\"\"\"\nHOST = 'hunter3' # x",
    "[service.a.env]\nA = [\n  'hunter1',\n  'hunter2'\n]",
    "[service.a.env]\nhunter1\nA = \"hunter2",
    "[service.a.env]\nA = \"\"\"hunter1\nhunter2",
    "[service.a]\nenv = {\n  A = 'hunter1', # x\n  PORT = 'hunter2',\n}\nrun = 1",
    "service = { a = { env = { A = 'hunter1', PORT = 'hunter2' }, run = 1 } }",
    "service.a.env.A = 'hunter1'; x",
    "[task.a]\nenv = { POLITY_A = \"hunter1\" }",
    "[env]\nA = \"hunter1\"",
    "[service.a.env]\nPORT = '1'\n# A = 'hunter1'\nHOST = '1'",
    "[service.a]\ndatabase = \"postgres://u:hunter1@h/d b\"",
    "[service.a]\nurl = \"http://u:hunter1@h\"",
    "[service.a]\nurl = 'http://u:hunter1/hunter2@h'",
    "[service.a]\nurls = [\"http://:hunter1@h\", 4]",
    "[service.a]\nrun = \"a --db postgres://u:hunter1@h/d | x\"",
];

#[test]
fn secrets_are_never_shown() {
    for text in SECRETS {
        let loaded = load(text);
        assert!(!loaded.diagnostics.is_empty(), "{text}");
        let shown = shown(text);
        assert!(!shown.contains("hunter"), "{text}\n{shown}");
        let json = serde_json::to_string(&locate(&loaded.diagnostics, "p", text)).unwrap();
        assert!(!json.contains("hunter"), "{text}\n{json}");
    }
}

#[test]
fn masks_leave_the_rest_of_the_line() {
    check(
        "[service.a]\nrun = \"a\"\nroute = \"/\"\nenv = { KEY = \"sécrét\", LOG = 4, PORT = \"x\" } # why\n",
        r#"
error[P0122]: `PORT` is set by Polity
 --> polity.toml:4:34
  |
4 | env = { KEY = **·**·**, LOG = *, PORT = *** } *****
  |                                  ^^^^ every service is given it
  |
  = help: fix a port by `port = 3000` beside `run`

"#,
    );
    // A service may be named as the secret key is.
    assert!(shown("[service.env]\nrun = \"visible\"\nx = 1").contains("x = 1"));
    assert!(shown("[service.env]\nx = \"visible\"").contains("visible"));
}

#[test]
fn brackets_without_end_are_shown_without_overflow() {
    for bracket in ["[", "{", "[{a=", "{a=["] {
        let text = format!("a = {}", bracket.repeat(100_000));
        assert!(shown(&text).contains("P0101"));
    }
}

#[test]
fn a_flood_of_errors_is_cut() {
    let text: String = (0..5000).map(|n| format!("key{n} = 1\n")).collect();
    let loaded = load(&text);
    assert_eq!(loaded.diagnostics.len(), polity_plan::MAX_DIAGNOSTICS);
    let shown = render(&loaded.diagnostics, "polity.toml", &text, Style::Plain);
    assert_eq!(shown.matches("error[").count(), 50);
    assert!(shown.ends_with("and 950 more\n"));
}

#[test]
fn colours_are_only_for_who_asks() {
    let text = "x = 1";
    let loaded = load(text);
    assert!(!render(&loaded.diagnostics, "p", text, Style::Plain).contains('\u{1b}'));
    assert!(render(&loaded.diagnostics, "p", text, Style::Colour).contains('\u{1b}'));
    assert_eq!(render(&[], "p", text, Style::Colour), "");
}
