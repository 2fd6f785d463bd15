//! What is allowed and warned of, and what is not worth a warning.

use crate::{codes, load, plan, shown};

/// A plan of services "name: line, line".
fn services(services: &[&str]) -> String {
    let service = |text: &&str| {
        let (name, lines) = text.split_once(':').unwrap_or((text, ""));
        let lines = lines.trim().replace("; ", "\n");
        format!("[service.{name}]\nrun = \"{name}\"\n{lines}\n")
    };
    services.iter().map(service).collect()
}

fn check(list: &[&str], expected: &[&str]) {
    let text = services(list);
    assert_eq!(codes(&text), expected, "{text}");
}

#[test]
fn circles_are_told_once_with_every_call() {
    let text = services(&[
        "a: route = \"/\"; calls = [\"b\"]",
        "b: calls = [\"c\", \"d\"]",
        "c: calls = [\"a\"]",
        "d",
    ]);
    assert_eq!(codes(&text), ["P0201"]);
    let loaded = load(&text);
    assert_eq!(
        loaded.diagnostics[0].message,
        "`a` -> `b` -> `c` -> `a` call each other in a circle"
    );
    assert_eq!(loaded.diagnostics[0].others.len(), 2);
    let order = loaded.plan.unwrap().start_order;
    let order: Vec<Vec<&str>> = order
        .iter()
        .map(|g| g.iter().map(|n| n.as_str()).collect())
        .collect();
    assert_eq!(order, [vec!["d"], vec!["a", "b", "c"]]);
}

#[test]
fn chains_of_three_calls_are_none_and_of_four_are_one() {
    let chain = |length: usize, extra: &str| {
        let mut text = String::new();
        for n in 0..=length {
            let calls = if n < length {
                format!("calls = [\"s{}\"]", n + 1)
            } else {
                extra.to_owned()
            };
            let route = if n == 0 { "route = \"/\"\n" } else { "" };
            text += &format!("[service.s{n}]\nrun = \"s\"\n{route}{calls}\n");
        }
        text
    };
    assert_eq!(codes(&chain(3, "")), [""; 0]);
    assert_eq!(codes(&chain(4, "")), ["P0202"]);
    // What is not HTTP is no link.
    assert_eq!(codes(&chain(4, "protocol = \"tcp\"")), [""; 0]);
    assert_eq!(codes(&chain(5, "")), ["P0204", "P0202"]);
    let allowed = chain(4, "").replacen("route = \"/\"", "route = \"/\"\nallow = [\"P0202\"]", 1);
    assert_eq!(codes(&allowed), [""; 0]);
}

#[test]
fn a_chain_through_a_circle_is_a_chain() {
    let text = services(&[
        "a: route = \"/\"; calls = [\"b\"]",
        "b: calls = [\"c\"]",
        "c: calls = [\"b\", \"d\"]",
        "d: calls = [\"e\"]",
        "e: calls = [\"f\"]",
        "f",
    ]);
    assert_eq!(codes(&text), ["P0204", "P0202", "P0201"]);
    let chain = "a chain of 5 calls: `a` -> `b` -> `c` -> `d` -> `e` -> `f`";
    assert_eq!(load(&text).diagnostics[1].message, chain);
}

#[test]
fn topics_are_matched() {
    check(&["a: route = \"/\"; publishes = [\"t\"]"], &[]);
    check(&["a: consumes = [\"t\"]"], &["P0203"]);
    check(&["a: consumes = [\"t\"]; allow = [\"P0203\"]"], &[]);
    check(&["a: consumes = [\"t\"]; publishes = [\"t\"]"], &[]);
    let text = services(&[
        "a: route = \"/\"; publishes = [\"order.placed\"]",
        "b: consumes = [\"order.place\"]",
    ]);
    assert!(
        shown(&text).contains("did you mean `order.placed`?"),
        "{}",
        shown(&text)
    );
}

#[test]
fn what_nothing_reaches_is_told_once() {
    check(&["a"], &["P0205"]);
    check(
        &["a: calls = [\"b\"]", "b: calls = [\"c\"]", "c"],
        &["P0205"],
    );
    check(
        &["a: calls = [\"b\"]", "b: calls = [\"a\"]"],
        &["P0205", "P0201"],
    );
    check(&["a: port = false"], &[]);
    check(&["a: port = 3000"], &[]);
    check(&["a: protocol = \"tcp\""], &["P0205"]);
    check(&["a: port = false; calls = [\"b\"]", "b"], &[]);
    check(&["a: publishes = [\"t\"]"], &["P0205"]);
    assert_eq!(codes("[service.a]\nurl = \"http://h\""), ["P0205"]);
}

#[test]
fn warnings_do_not_stop_the_plan_and_errors_do() {
    assert!(load("[service.a]\nrun = \"a\"").plan.is_some());
    assert!(load("").plan.is_some());
    assert!(load("[service.a]").plan.is_none());
}

#[test]
fn each_route_has_its_availability() {
    let text = services(&[
        "a: route = \"/a\"; calls = [\"b\", \"c\"]",
        "b: calls = [\"c\"]",
        "c: route = \"/\"",
    ]) + "[[service.c.routes]]\nexact = \"/c\"\nhost = \"*.x.example\"\nmethods = [\"PUT\", \"GET\"]\nheaders = { B = \"1\" }\n";
    let routes = plan(&text).availability();
    let routes: Vec<_> = routes
        .iter()
        .map(|route| {
            (
                route.route.as_str(),
                route.needs.len(),
                (route.availability * 1e6).round(),
            )
        })
        .collect();
    assert_eq!(
        routes,
        [
            ("/a/*", 3, 997_003.0),
            ("/*", 1, 999_000.0),
            ("GET,PUT *.x.example/c b: 1", 1, 999_000.0),
        ]
    );
}

#[test]
fn six_services_at_once_are_too_many_and_five_are_not() {
    let star = |leaves: usize| {
        let names: Vec<String> = (0..leaves).map(|n| format!("\"s{n}\"")).collect();
        let leaves: String = (0..leaves)
            .map(|n| format!("[service.s{n}]\nrun = \"s\"\n"))
            .collect();
        format!(
            "[service.a]\nrun = \"a\"\nroute = \"/\"\ncalls = [{}]\n{leaves}",
            names.join(", ")
        )
    };
    assert_eq!(codes(&star(4)), [""; 0]);
    assert_eq!(codes(&star(5)), ["P0204"]);
}
