//! The examples of docs/plan.md load without a finding.

use crate::codes;
use crate::pages::blocks;

#[test]
fn the_examples_of_the_page_on_the_plan_load() {
    let page = include_str!("../../../../docs/plan.md");
    let examples = blocks(page, "toml");
    assert!(examples.len() >= 8, "{}", examples.len());
    for text in examples {
        assert_eq!(codes(&text), [""; 0], "{text}");
    }
}
