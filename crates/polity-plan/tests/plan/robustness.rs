//! Whatever stands in the file, loading and showing it ends, and agrees with itself.

use polity_plan::{MAX_PLAN_BYTES, Severity, Style, locate, render};
use proptest::prelude::*;

use crate::load;

/// Real plans, whole and broken.
const PLANS: &[&str] = &[
    include_str!("../../../../docs/plan.md"),
    include_str!("../../../../examples/shop/polity.toml"),
    include_str!("../../../../examples/polyglot/polity.toml"),
    include_str!("loading.rs"),
];

/// What mutations put in: everything that means something to a step of loading.
const PIECES: &[&str] = &[
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "\"",
    "'",
    "\"\"\"",
    "'''",
    "=",
    ".",
    ",",
    "\n",
    "#",
    "\\",
    "${",
    "${A",
    "}",
    "$${",
    ":-",
    "env",
    "[service.a]",
    "[service.a.env]",
    "run = ",
    "é",
    "🔑",
    "\0",
    "\u{feff}",
    "\r",
    "-1",
    "1e999",
    "nan",
    "1979-05-27",
    "true",
    "{port}",
    "&&",
    "$PORT",
    "://u:p@",
    "route = \"/../\"",
    "calls = [\"a\"]",
    "[gateway.limits]",
    "[[gateway.redirects]]",
    "to = \"/a\"",
    "path = \"/\"",
    "body_size = false",
    "cors = { origins = [\"*\"] }",
    "set = { a = \"b\" }",
];

/// Loads and shows; a panic is what this is for.
fn survive(text: &str) {
    let loaded = load(text);
    let failed = loaded
        .diagnostics
        .iter()
        .any(|d| d.severity() == Severity::Error);
    assert_eq!(loaded.plan.is_none(), failed, "{text}");
    let shown = render(&loaded.diagnostics, "polity.toml", text, Style::Plain);
    assert_eq!(shown.is_empty(), loaded.diagnostics.is_empty(), "{text}");
    for located in locate(&loaded.diagnostics, "polity.toml", text) {
        assert!(located.line >= 1 && located.column >= 1);
    }
    for diagnostic in &loaded.diagnostics {
        let places = diagnostic.others.iter().chain([&diagnostic.label]);
        for place in places {
            assert!(
                text.get(place.span.clone()).is_some(),
                "{diagnostic:?} in {text}"
            );
        }
    }
    if let Some(plan) = loaded.plan {
        let started = plan.start_order.iter().flatten().count();
        assert_eq!(started, plan.services.len());
        plan.availability();
    }
}

proptest! {
    #[test]
    fn any_text_is_survived(text in any::<String>()) {
        survive(&text);
    }

    #[test]
    fn any_heap_of_pieces_is_survived(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..40)) {
        survive(&pieces.concat());
    }

    #[test]
    fn mutated_plans_are_survived(
        plan in prop::sample::select(PLANS),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..30usize, prop::sample::select(PIECES)), 1..6),
    ) {
        let mut characters: Vec<char> = plan.chars().collect();
        for (at, removed, piece) in edits {
            let at = at.index(characters.len() + 1);
            let end = (at + removed).min(characters.len());
            characters.splice(at..end, piece.chars());
        }
        survive(&characters.into_iter().collect::<String>());
    }
}

#[test]
fn the_largest_plans_are_judged_in_time() {
    let fill = |part: &dyn Fn(usize) -> String| {
        let mut text = String::new();
        for n in 0.. {
            let next = part(n);
            if text.len() + next.len() > MAX_PLAN_BYTES {
                break;
            }
            text += &next;
        }
        text
    };
    let start = std::time::Instant::now();
    // In a row, in the order that makes recursion deepest; each with an unknown callee; all on one
    // port; all with one path; each redirect to the next; a heap of errors.
    let parts: [&dyn Fn(usize) -> String; 6] = [
        &|n| format!("[service.s{n}]\nrun = \"s\"\ncalls = [\"s{}\"]\n", n + 1),
        &|n| format!("[service.s{n}]\nrun = \"s\"\ncalls = [\"nobody{n}\"]\n"),
        &|n| format!("[service.s{n}]\nrun = \"s\"\nport = 3000\n"),
        &|n| format!("[service.s{n}]\nrun = \"s\"\nroute = \"/a\"\n"),
        &|n| {
            format!(
                "[[gateway.redirects]]\npath = \"/{n}\"\nto = \"/{}\"\n",
                n + 1
            )
        },
        &|n| format!("[s{n}\n"),
    ];
    for part in parts {
        survive(&fill(part));
    }
    // As many headers set as removed.
    let half = MAX_PLAN_BYTES / 40;
    let set: String = (0..half).map(|n| format!("s{n} = \"\", ")).collect();
    let removed: String = (0..half).map(|n| format!("\"r{n}\", ")).collect();
    survive(&format!(
        "[service.s]\nrun = \"s\"\n[[service.s.routes]]\nrequest_headers = {{ set = {{ {set} }}, remove = [{removed}] }}\n"
    ));
    // Generous: it takes about a second, and the bound is for what is quadratic.
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}
