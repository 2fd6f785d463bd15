//! polity.toml end to end: text in, plan or diagnostics out.
#![allow(clippy::unwrap_used)]

mod balance;
mod contradictions;
mod documentation;
mod edge;
mod errors;
mod events;
mod http2;
mod lints;
mod loading;
mod pages;
mod rendering;
mod resilience;
mod robustness;
mod sites;

use polity_plan::{Loaded, Source, Style};

/// The variables the tests' plans may name.
fn environment(name: &str) -> Option<String> {
    match name {
        "GREETING" => Some("hello".to_owned()),
        "SECRET" => Some("hunter2".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

/// Loads `text` as polity.toml.
fn load(text: &str) -> Loaded {
    polity_plan::load(Source {
        name: "polity.toml",
        text,
        environment: &environment,
    })
}

/// Loads a plan that must be without fault.
fn plan(text: &str) -> polity_plan::Plan {
    let loaded = load(text);
    let shown = polity_plan::render(&loaded.diagnostics, "polity.toml", text, Style::Plain);
    loaded.plan.unwrap_or_else(|| panic!("{shown}"))
}

/// The codes that loading `text` reports, in the order of the file.
fn codes(text: &str) -> Vec<String> {
    let loaded = load(text);
    let codes = loaded.diagnostics.iter().map(|d| d.code.to_string());
    codes.collect()
}

/// What is shown of `text`.
fn shown(text: &str) -> String {
    polity_plan::render(&load(text).diagnostics, "polity.toml", text, Style::Plain)
}

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
