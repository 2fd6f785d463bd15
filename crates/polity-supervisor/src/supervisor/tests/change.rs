//! Edited plans: what changed is rolled, added or removed, and nothing else is touched.

use std::time::Duration;

use polity_plan::Protocol;

use super::command::broken;
use super::floor::Floor;
use crate::event::EventKind;
use crate::simulation::{Scene, Sketch, name};
use crate::supervisor::Applied;

fn shop() -> Sketch {
    Sketch::new()
        .service("inventory")
        .service("orders")
        .calls("orders", "inventory")
        .service("tracker")
}

#[tokio::test(start_paused = true)]
async fn an_edit_of_routes_and_policies_touches_no_process() {
    let mut scene = Scene::started(&shop()).await;
    let before = scene.world.launches().len();
    let edited = shop().edit("orders", |s| {
        s.timeout = Duration::from_secs(5);
        s.retry.attempts = 5;
    });
    let applied = scene.handle.apply(edited.plan()).await.expect("applied");
    scene.idle().await;
    assert!(applied.rolled.is_empty() && applied.added.is_empty() && applied.removed.is_empty());
    assert_eq!(scene.world.launches().len(), before);
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_environment_rolls_that_service_without_a_build() {
    let mut scene = Scene::started(&shop()).await;
    let floor = Floor::of(&scene.world, "orders");
    let edited = shop().with("orders", |p| {
        p.env.insert("LOG".to_owned(), "debug".to_owned());
    });
    let applied = scene.handle.apply(edited.plan()).await.expect("applied");
    assert_eq!(applied.rolled, [name("orders")]);
    scene.idle().await;
    assert_eq!(floor.lowest(), 1);
    let last = scene.world.launches().pop().expect("it rolled");
    assert_eq!(
        (last.who.as_str(), last.version.as_str()),
        ("orders-2", "v1")
    );
    assert_eq!(last.env["LOG"], "debug");
    assert_eq!(scene.world.serving("inventory"), ["inventory-1"]);
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_command_rolls_to_a_new_build_and_a_broken_one_stays_away() {
    let mut scene = Scene::started(&shop()).await;
    let run = |word: &str| {
        let word = word.to_owned();
        shop().with("tracker", |p| p.run.words.push(word))
    };
    scene
        .handle
        .apply(run("--fast").plan())
        .await
        .expect("applied");
    scene.idle().await;
    assert_eq!(scene.status("tracker").instances[0].version.as_str(), "v2");

    scene.world.behave("tracker@v3", broken());
    scene
        .handle
        .apply(run("--broken").plan())
        .await
        .expect("applied");
    scene.idle().await;
    let status = scene.status("tracker");
    assert_eq!(status.ready(), 1);
    assert_eq!(status.instances[0].version.as_str(), "v2");
    assert!(
        status
            .message
            .expect("it says why")
            .contains("does not start, the old one stays")
    );
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_callee_that_speaks_another_protocol_rolls_its_callers() {
    let mut scene = Scene::started(&shop()).await;
    let edited = shop().edit("inventory", |s| s.protocol = Protocol::Tcp);
    let applied = scene.handle.apply(edited.plan()).await.expect("applied");
    assert_eq!(applied.rolled, [name("orders")]);
    scene.idle().await;
    let last = scene.world.launches().pop().expect("it rolled");
    assert_eq!(last.env["INVENTORY_URL"], "tcp://127.0.0.1:7");
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn services_come_and_go_with_the_plan() {
    let mut scene = Scene::started(&shop()).await;
    let edited = shop()
        .without("tracker")
        .service("mail")
        .calls("orders", "mail");
    let applied = scene.handle.apply(edited.plan()).await.expect("applied");
    let expected = Applied {
        added: vec![name("mail")],
        removed: vec![name("tracker")],
        rolled: vec![name("orders")],
        scaled: vec![],
    };
    assert_eq!(applied, expected);
    scene.idle().await;
    assert_eq!(scene.world.serving("mail"), ["mail-1"]);
    let of = |kind, who: &str| {
        let found = scene.times(kind).into_iter().find(|(_, name)| name == who);
        found.unwrap_or_else(|| panic!("no {kind:?} of {who}")).0
    };
    assert!(of(EventKind::Starting, "orders-2") >= of(EventKind::Ready, "mail-1"));
    assert!(of(EventKind::Stopped, "tracker-1") > 0);
    assert!(
        scene
            .handle
            .status()
            .iter()
            .all(|s| s.service.as_str() != "tracker")
    );
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_removed_service_serves_until_its_callers_have_rolled() {
    let mut scene = Scene::started(&shop()).await;
    let edited = shop()
        .edit("orders", |s| s.calls.clear())
        .without("inventory");
    scene.handle.apply(edited.plan()).await.expect("applied");
    scene.idle().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let of = |kind, who: &str| {
        let found = scene.times(kind).into_iter().find(|(_, name)| name == who);
        found.unwrap_or_else(|| panic!("no {kind:?} of {who}")).0
    };
    assert!(of(EventKind::Draining, "inventory-1") >= of(EventKind::Stopped, "orders-1"));
    assert_eq!(scene.world.serving("inventory"), Vec::<String>::new());
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_service_that_returns_at_once_waits_for_its_predecessor_and_reuses_no_id() {
    let mut scene = Scene::started(&shop()).await;
    scene
        .handle
        .apply(shop().without("tracker").plan())
        .await
        .expect("applied");
    scene.handle.apply(shop().plan()).await.expect("applied");
    scene.handle.started().await;
    assert_eq!(scene.world.serving("tracker"), ["tracker-2"]);
    let stopped = scene.times(EventKind::Stopped)[0].clone();
    let building = scene.times(EventKind::Building).pop().expect("it is built");
    assert_eq!(stopped.1, "tracker-1");
    assert!(building.0 >= stopped.0);
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn plans_that_follow_quickly_end_in_the_last() {
    let mut scene = Scene::started(&shop()).await;
    for n in 0..5 {
        let edited = shop().with("orders", |p| {
            p.env.insert("N".to_owned(), n.to_string());
        });
        scene.handle.apply(edited.plan()).await.expect("applied");
    }
    scene.idle().await;
    scene.until("orders", |s| s.operation.is_none()).await;
    let last = scene.world.launches().pop().expect("it rolled");
    assert_eq!(last.env["N"], "4");
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_save_builds_and_rolls_and_one_during_the_build_rolls_once_more() {
    let sources = tempfile::tempdir().expect("a folder");
    let main = sources.path().join("main.rs");
    let watched = || shop().with("tracker", |p| p.watch.push(sources.path().to_owned()));
    let mut scene = Scene::started(&watched()).await;
    let save = || std::fs::write(&main, b"fn main() {}").expect("saved");
    save();
    scene.until("tracker", |s| s.operation.is_some()).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    save();
    let version = |v: &'static str| {
        move |s: &crate::service::ServiceStatus| {
            s.operation.is_none() && s.instances.iter().all(|i| i.version.as_str() == v)
        }
    };
    scene.until("tracker", version("v3")).await;
    assert_eq!(scene.times(EventKind::Changed).len(), 2);

    scene.world.fail_builds("tracker", true);
    save();
    scene.until("tracker", |s| s.message.is_some()).await;
    assert_eq!(scene.status("tracker").ready(), 1);
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_service_that_moves_elsewhere_leaves_the_catalog_to_its_new_places() {
    let scene = Scene::started(&shop()).await;
    let mut plan = polity_plan::Plan::clone(&shop().plan());
    let mut tracker = polity_plan::Service::clone(&plan.services["tracker"]);
    tracker.origin = polity_plan::Origin::External(Vec::new());
    plan.services
        .insert(name("tracker"), std::sync::Arc::new(tracker));
    let elsewhere = polity_catalog::Instance {
        id: "tracker@10.0.0.7:9000".into(),
        host: "10.0.0.7".to_owned(),
        port: 9000,
        version: None,
        health: polity_catalog::Health::Unready,
        weight: 1,
        zone: None,
    };
    let put = polity_catalog::Change::Put(name("tracker"), elsewhere);
    scene.world.catalog.update(|catalog| catalog.apply(put));
    scene.handle.apply(plan.into()).await.expect("applied");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let catalog = scene.world.catalog.load();
    let left: Vec<_> = catalog
        .instances("tracker")
        .expect("known")
        .keys()
        .collect();
    assert_eq!(left, [&"tracker@10.0.0.7:9000".into()]);
    scene.check();
}
