//! Every code has a page, and the examples on it are true.

use polity_plan::{Code, Severity, explain};

use crate::codes;

/// The fenced blocks of a page whose fence is followed by `info`.
pub(crate) fn blocks(page: &str, info: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if line.trim() == format!("```{info}") {
            let block: Vec<&str> = lines.by_ref().take_while(|l| l.trim() != "```").collect();
            blocks.push(block.join("\n") + "\n");
        }
    }
    blocks
}

#[test]
fn every_page_names_its_code() {
    for code in Code::all() {
        let page = code.page();
        let head = format!("# {code}: ");
        assert!(page.starts_with(&head), "{code}: {page}");
        assert!(page.contains("\n## What to do\n"), "{code}");
    }
}

#[test]
fn bad_examples_give_exactly_their_code_and_good_ones_none() {
    for code in Code::all() {
        let bad = blocks(code.page(), "toml bad");
        let good = blocks(code.page(), "toml");
        if code == Code::TooLarge {
            continue;
        }
        assert!(!bad.is_empty() && !good.is_empty(), "{code} has no example");
        for text in bad {
            assert_eq!(codes(&text), [code.to_string()], "{text}");
        }
        for text in good {
            assert_eq!(codes(&text), [""; 0], "{code}: {text}");
        }
    }
}

#[test]
fn every_file_under_docs_codes_is_a_page() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/codes");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let pages: Vec<String> = Code::all().map(|code| format!("{code}.md")).collect();
    assert_eq!(files, pages);
}

#[test]
fn codes_are_read_in_either_case() {
    assert_eq!(explain("p0101"), Some(Code::Syntax.page()));
    assert_eq!(explain("P9999"), None);
    assert_eq!(explain(""), None);
    assert_eq!(Code::Cycle.severity(), Severity::Warning);
    assert_eq!(Code::NameTaken.severity(), Severity::Error);
}

#[test]
fn a_plan_that_is_too_large_is_not_read() {
    let text = "#".repeat(polity_plan::MAX_PLAN_BYTES + 1);
    assert_eq!(codes(&text), ["P0123"]);
    assert_eq!(codes(&text[1..]), ["P0206"]);
}
