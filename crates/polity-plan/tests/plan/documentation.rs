//! The examples of docs/plan.md, docs/gateway.md, docs/https.md, docs/grpc.md, docs/balancing.md and docs/events.md load without a finding.

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

#[test]
fn the_examples_of_the_page_on_the_gateway_load() {
    let page = include_str!("../../../../docs/gateway.md");
    let examples = blocks(page, "toml");
    assert!(examples.len() >= 6, "{}", examples.len());
    for text in examples {
        assert_eq!(codes(&text), [""; 0], "{text}");
    }
}

#[test]
fn the_examples_of_the_page_on_https_load() {
    let page = include_str!("../../../../docs/https.md");
    let examples = blocks(page, "toml");
    assert!(examples.len() >= 5, "{}", examples.len());
    for text in examples {
        assert_eq!(codes(&text), [""; 0], "{text}");
    }
}

#[test]
fn the_examples_of_the_page_on_grpc_load() {
    let page = include_str!("../../../../docs/grpc.md");
    let examples = blocks(page, "toml");
    assert!(examples.len() >= 2, "{}", examples.len());
    for text in examples {
        assert_eq!(codes(&text), [""; 0], "{text}");
    }
}

#[test]
fn the_examples_of_the_page_on_balancing_load() {
    let page = include_str!("../../../../docs/balancing.md");
    let examples = blocks(page, "toml");
    assert!(examples.len() >= 3, "{}", examples.len());
    for text in examples {
        assert_eq!(codes(&text), [""; 0], "{text}");
    }
}

#[test]
fn the_examples_of_the_page_on_events_load() {
    let page = include_str!("../../../../docs/events.md");
    let examples = blocks(page, "toml");
    assert!(examples.len() >= 3, "{}", examples.len());
    for text in examples {
        assert_eq!(codes(&text), [""; 0], "{text}");
    }
}
