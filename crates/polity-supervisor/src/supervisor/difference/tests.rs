//! What each edit of a plan means.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use polity_plan::{HealthAsks, Port};

use super::*;
use crate::simulation::{Sketch, name};

fn shop() -> Sketch {
    Sketch::new()
        .service("inventory")
        .service("orders")
        .calls("orders", "inventory")
}

/// What an edit of `orders` means for it.
fn check(edited: Sketch, expected: Option<Effort>) {
    let difference = between(&shop().plan(), &edited.plan());
    let expected = expected.map(|effort| (name("orders"), effort));
    assert_eq!(difference.edited.into_iter().next(), expected);
    assert!(difference.added.is_empty() && difference.removed.is_empty());
}

fn with(change: impl FnOnce(&mut Program)) -> Sketch {
    shop().with("orders", change)
}

#[test]
fn what_makes_or_runs_it_needs_a_build() {
    check(with(|p| p.build = None), Some(Effort::Build));
    check(
        with(|p| p.run.words.push("-v".to_owned())),
        Some(Effort::Build),
    );
    check(
        with(|p| p.dir = PathBuf::from("orders")),
        Some(Effort::Build),
    );
}

#[test]
fn what_it_is_told_and_how_it_is_kept_needs_new_processes() {
    let secret = |p: &mut Program| drop(p.env.insert("A".to_owned(), "b".to_owned()));
    check(with(secret), Some(Effort::Roll));
    check(with(|p| p.port = Port::Fixed(80)), Some(Effort::Roll));
    check(
        with(|p| p.health.asks = HealthAsks::Get("/".to_owned())),
        Some(Effort::Roll),
    );
    check(
        with(|p| p.stop_timeout = Duration::ZERO),
        Some(Effort::Roll),
    );
    let calls_nobody = shop().edit("orders", |s| s.calls.clear());
    check(calls_nobody, Some(Effort::Roll));
    let tcp = shop().edit("inventory", |s| s.protocol = Protocol::Tcp);
    check(tcp, Some(Effort::Roll));
}

#[test]
fn another_broker_needs_new_processes_and_another_topic_none() {
    let keeps = |broker: &str, topics: &[&str]| {
        let text = format!("[events]\n{broker}\n{}", topics.join("\n"));
        let source = polity_plan::Source {
            name: "polity.toml",
            text: &text,
            environment: &|_| None,
        };
        Plan {
            events: polity_plan::load(source).plan.expect("valid").events,
            ..Plan::clone(&shop().plan())
        }
    };
    let check = |one: &Plan, other: &Plan, expected| {
        let edited = between(one, other).edited;
        assert_eq!(edited.get("orders").copied(), expected);
    };
    let none = shop().plan();
    let own = keeps("", &[]);
    let elsewhere = keeps("kafka = \"a:1\"", &[]);
    check(&none, &own, Some(Effort::Roll));
    check(&own, &elsewhere, Some(Effort::Roll));
    check(
        &elsewhere,
        &keeps("kafka = \"b:1\"", &[]),
        Some(Effort::Roll),
    );
    check(&elsewhere, &keeps("kafka = \"a:1\"", &["[topic.t]"]), None);
    check(&own, &keeps("listen = \":1\"", &["[topic.t]"]), None);
}

#[test]
fn numbers_and_watched_files_need_none() {
    check(with(|p| p.replicas = 3), Some(Effort::Keep));
    check(
        with(|p| p.watch.push(PathBuf::from("src"))),
        Some(Effort::Keep),
    );
}

#[test]
fn what_is_the_gateways_is_not_touched() {
    check(shop(), None);
    check(shop().edit("orders", |s| s.retry.attempts = 9), None);
    check(shop().edit("inventory", |s| s.routes.clear()), None);
}

#[test]
fn services_that_move_elsewhere_are_removed_here() {
    let external = |sketch: Sketch| {
        let mut plan = Plan::clone(&sketch.plan());
        let mut orders = Service::clone(&plan.services["orders"]);
        orders.origin = polity_plan::Origin::External(Vec::new());
        plan.services.insert(name("orders"), Arc::new(orders));
        plan
    };
    let away = between(&shop().plan(), &external(shop()));
    assert_eq!((away.removed, away.added), (vec![name("orders")], vec![]));
    let back = between(&external(shop()), &shop().plan());
    assert_eq!((back.removed, back.added), (vec![], vec![name("orders")]));
}
