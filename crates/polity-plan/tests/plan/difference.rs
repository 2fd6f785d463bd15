//! What an edit of a plan asks of a running system.

use polity_plan::Difference;

use crate::plan;

const BEFORE: &str = r#"
[service.orders]
run = "orders"
route = "/orders"
calls = ["stock"]

[service.stock]
run = "stock"

[service.bank]
url = "http://h:1"
route = "/bank"

[task.migrate]
run = "migrate"
before = ["orders"]
"#;

/// Checks what replacing `from` by `to` in the plan changes; `expected` is written as
/// "list: names".
fn check(from: &str, to: &str, expected: &str) {
    assert!(BEFORE.contains(from), "{from}");
    let after = plan(&BEFORE.replacen(from, to, 1));
    let difference = plan(BEFORE).difference(&after);
    assert_eq!(describe(&difference), expected, "{from} -> {to}");
}

fn describe(difference: &Difference) -> String {
    let flags = [
        ("gateway", difference.gateway),
        ("console", difference.console),
    ];
    let flags = flags
        .into_iter()
        .filter(|(_, set)| *set)
        .map(|(name, _)| name.to_owned());
    let lists = [
        ("removed", &difference.removed),
        ("added", &difference.added),
        ("rolled", &difference.rolled),
        ("scaled", &difference.scaled),
        ("retuned", &difference.retuned),
    ];
    let lists = lists
        .into_iter()
        .flat_map(|(list, names)| names.iter().map(move |name| format!("{list}: {name}")));
    let tasks = difference.tasks.iter().map(|name| format!("task: {name}"));
    flags
        .chain(lists)
        .chain(tasks)
        .collect::<Vec<_>>()
        .join(", ")
}

#[test]
fn what_did_not_change_is_not_touched() {
    check("[service.bank]", "# a comment\n[service.bank]", "");
    check("run = \"stock\"", "run = ['stock']", "");
}

#[test]
fn a_service_is_touched_as_little_as_its_change_allows() {
    let stock = "run = \"stock\"";
    check(stock, "run = \"stock -v\"", "rolled: stock");
    for line in [
        "build = \"make\"",
        "env = { A = \"1\" }",
        "database = \"sqlite\"",
        "dir = \"d\"",
        "port = 80",
        "calls = [\"bank\"]",
    ] {
        check(stock, &format!("{stock}\n{line}"), "rolled: stock");
    }
    check(stock, &format!("{stock}\nreplicas = 2"), "scaled: stock");
    for line in [
        "timeout = \"1s\"",
        "route = \"/stock\"",
        "balance = \"random\"",
        "health = \"/\"",
        "stop_timeout = \"1s\"",
        "watch = [\"src\"]",
    ] {
        check(stock, &format!("{stock}\n{line}"), "retuned: stock");
    }
    check("\"http://h:1\"", "\"http://h:2\"", "retuned: bank");
    check("url = \"http://h:1\"", "run = \"bank\"", "rolled: bank");
}

#[test]
fn services_come_and_go() {
    check(
        "[task.migrate]",
        "[service.new]\nrun = \"new\"\nroute = \"/new\"\n[task.migrate]",
        "added: new",
    );
    check(
        "[service.bank]\nurl",
        "[service.bench]\nurl",
        "removed: bank, added: bench",
    );
}

#[test]
fn callers_are_told_of_another_protocol() {
    check(
        "run = \"stock\"",
        "run = \"stock\"\nprotocol = \"tcp\"",
        "rolled: orders, retuned: stock",
    );
}

#[test]
fn listeners_and_tasks_are_told_apart() {
    check(
        "[service.orders]",
        "[gateway]\nlisten = \":1\"\n[service.orders]",
        "gateway",
    );
    check(
        "[service.orders]",
        "[console]\nlisten = \":1\"\n[service.orders]",
        "console",
    );
    check(
        "run = \"migrate\"",
        "run = \"migrate --all\"",
        "task: migrate",
    );
}
