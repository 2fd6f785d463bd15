//! Deploy, restart and scale: the careful way, and what becomes of them when they fail.

use std::time::Duration;

use polity_plan::Port;
use tokio::time::sleep;

use super::floor::Floor;
use crate::event::EventKind;
use crate::process::Exit;
use crate::simulation::{Behaviour, Scene, Sketch, World};
use crate::supervisor::CommandError;

fn replicas(count: u32) -> Sketch {
    Sketch::new().service("a").with("a", |p| p.replicas = count)
}

/// What never becomes ready, since it ends at once.
pub(super) fn broken() -> Behaviour {
    Behaviour {
        ends_after: Some((Duration::from_millis(10), Exit::Code(1))),
        ..Behaviour::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_deploy_replaces_every_instance_and_never_serves_with_fewer() {
    let mut scene = Scene::started(&replicas(3)).await;
    let floor = Floor::of(&scene.world, "a");
    scene.handle.deploy("a").await.expect("all is well");
    assert_eq!(floor.lowest(), 3);
    assert_eq!(scene.world.serving("a"), ["a-4", "a-5", "a-6"]);
    let status = scene.status("a");
    assert!(status.instances.iter().all(|i| i.version.as_str() == "v2"));
    assert_eq!(status.version.map(|v| v.to_string()).as_deref(), Some("v2"));
    assert_eq!(status.operation, None);
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_old_instance_drains_before_it_is_stopped() {
    let mut scene = Scene::started(&replicas(1)).await;
    scene.handle.restart("a").await.expect("all is well");
    let at = |kind| scene.times(kind).into_iter().find(|(_, who)| who == "a-1");
    let drains = at(EventKind::Draining).expect("it drained").0;
    let stopped = at(EventKind::Stopped).expect("it stopped").0;
    let ready = scene.times(EventKind::Ready)[1].0;
    assert!(drains >= ready, "only once the new one is ready");
    // 70 ms for its requests, 30 ms to end.
    assert!(
        (100..105).contains(&(stopped - drains)),
        "{drains} {stopped}"
    );
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_deploy_leaves_the_old_serving_and_old_crashes_come_back_old() {
    let mut scene = Scene::started(&replicas(2)).await;
    scene.world.behave("a@v2", broken());
    let floor = Floor::of(&scene.world, "a");
    let error = scene.handle.deploy("a").await.expect_err("v2 is broken");
    let CommandError::Failed { failure, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(
        failure.message,
        "version v2 does not start, the old one stays: a-3 ended with exit code 1 before it was ready"
    );
    assert_eq!(failure.lines, ["last words"]);
    assert_eq!(floor.lowest(), 2);
    assert_eq!(scene.world.serving("a"), ["a-1", "a-2"]);
    let told = scene.events();
    let told = told.iter().find(|e| e.kind == EventKind::StartFailed);
    let told = told.expect("it was told");
    assert_eq!(
        told.message, "ended with exit code 1 before it was ready",
        "and is not started again"
    );

    scene.world.kill("a-1");
    scene.until("a", |s| s.ready() == 1).await;
    scene.until("a", |s| s.ready() == 2).await;
    let last = scene.world.launches().pop().expect("it was launched");
    assert_eq!((last.who.as_str(), last.version.as_str()), ("a-1", "v1"));
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_deploy_that_fails_half_way_is_rolled_back() {
    let mut scene = Scene::started(&replicas(3)).await;
    let world = scene.world.clone();
    // The first of the new version starts, the second does not.
    tokio::spawn(async move {
        while world.launches().len() < 4 {
            sleep(Duration::from_millis(1)).await;
        }
        world.behave("a@v2", broken());
    });
    let floor = Floor::of(&scene.world, "a");
    scene
        .handle
        .deploy("a")
        .await
        .expect_err("the second does not start");
    assert_eq!(floor.lowest(), 3);
    let status = scene.status("a");
    assert_eq!(status.ready(), 3);
    assert!(
        status.instances.iter().all(|i| i.version.as_str() == "v1"),
        "{status:#?}"
    );
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_build_stops_the_deploy_before_it_touches_anything() {
    let mut scene = Scene::started(&replicas(1)).await;
    scene.world.fail_builds("a", true);
    let error = scene
        .handle
        .deploy("a")
        .await
        .expect_err("it does not build");
    assert_eq!(error.to_string(), "a: the build failed: exit code 101");
    assert_eq!(scene.world.launches().len(), 1);
    assert_eq!(scene.world.serving("a"), ["a-1"]);
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_looping_version_can_be_deployed_over() {
    let scene = Scene::open(&replicas(2));
    scene.world.behave("a@v1", broken());
    scene.handle.started().await;
    assert_eq!(scene.status("a").ready(), 0);
    scene.handle.deploy("a").await.expect("v2 is good");
    assert_eq!(scene.world.serving("a"), ["a-3", "a-4"]);
    let mut scene = scene;
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_fixed_port_is_handed_over_and_back_when_the_new_one_fails() {
    let sketch = replicas(1).with("a", |p| p.port = Port::Fixed(3000));
    let mut scene = Scene::started(&sketch).await;
    scene
        .handle
        .deploy("a")
        .await
        .expect("the port is handed over");
    assert_eq!(scene.world.serving("a"), ["a-2"]);

    scene.world.behave("a@v3", broken());
    scene.handle.deploy("a").await.expect_err("v3 is broken");
    let status = scene.status("a");
    assert_eq!(status.ready(), 1);
    assert_eq!(status.instances[0].version.as_str(), "v2");
    let said = scene
        .events()
        .into_iter()
        .filter(|e| e.message.contains("port 3000"));
    assert_eq!(said.count(), 2);

    let refused = scene
        .handle
        .scale("a", 2)
        .await
        .expect_err("one port, one instance");
    assert!(
        refused
            .to_string()
            .contains("only one instance can listen on port 3000")
    );
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn scale_adds_and_takes_away_and_says_what_the_plan_says() {
    let mut scene = Scene::started(&replicas(2)).await;
    scene.handle.scale("a", 4).await.expect("all is well");
    assert_eq!(scene.world.serving("a").len(), 4);
    let status = scene.status("a");
    assert_eq!((status.replicas, status.planned_replicas), (4, Some(2)));

    // The one that is not ready goes first, then the youngest.
    scene.world.sicken("a-2", true);
    scene.until("a", |s| s.ready() == 3).await;
    scene.handle.scale("a", 2).await.expect("all is well");
    assert_eq!(scene.world.serving("a"), ["a-1", "a-3"]);
    assert_eq!(scene.status("a").planned_replicas, None);
    scene
        .handle
        .scale("a", 0)
        .await
        .expect("none is a number, too");
    assert_eq!(scene.world.serving("a"), Vec::<String>::new());
    scene.handle.scale("a", 1).await.expect("all is well");
    assert_eq!(scene.world.serving("a"), ["a-5"], "no id is used twice");
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_scale_that_fails_changes_nothing() {
    let mut scene = Scene::started(&replicas(1)).await;
    scene.world.behave("a", broken());
    let error = scene
        .handle
        .scale("a", 3)
        .await
        .expect_err("they do not start");
    assert!(error.to_string().contains("before it was ready"), "{error}");
    let status = scene.status("a");
    assert_eq!((status.instances.len(), status.replicas), (1, 1));
    scene
        .handle
        .scale("a", 100_000)
        .await
        .expect_err("a slip of the finger");
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_scale_outlives_the_run_until_the_plan_is_edited() {
    let mut scene = Scene::started(&replicas(2)).await;
    scene.handle.scale("a", 3).await.expect("all is well");
    scene.stop().await;

    let data = scene.into_data();
    let mut scene = Scene::open_in(&replicas(2), World::new(), data, 1);
    scene.handle.started().await;
    assert_eq!(scene.world.serving("a").len(), 3);
    assert_eq!(scene.status("a").planned_replicas, Some(2));
    scene
        .handle
        .apply(replicas(1).plan())
        .await
        .expect("applied");
    scene.until("a", |s| s.instances.len() == 1).await;
    assert_eq!(scene.status("a").planned_replicas, None);
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_second_command_on_a_service_is_refused_and_one_on_another_is_not() {
    let sketch = replicas(1).service("b");
    let mut scene = Scene::started(&sketch).await;
    let handle = scene.handle.clone();
    let deploy = tokio::spawn(async move { handle.deploy("a").await });
    sleep(Duration::from_millis(5)).await;
    let refused = scene
        .handle
        .scale("a", 2)
        .await
        .expect_err("a deploy is on");
    assert_eq!(
        refused.to_string(),
        "a deploy of `a` is in progress; try again when it is done"
    );
    scene.handle.restart("b").await.expect("another service");
    deploy.await.expect("no panic").expect("all is well");
    scene.handle.scale("a", 2).await.expect("it is done");
    scene
        .handle
        .deploy("nobody")
        .await
        .expect_err("there is no such service");
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_command_goes_on_when_nobody_waits_for_it() {
    let mut scene = Scene::started(&replicas(1)).await;
    let handle = scene.handle.clone();
    let asked = tokio::spawn(async move { handle.deploy("a").await });
    sleep(Duration::from_millis(5)).await;
    asked.abort();
    scene
        .until("a", |s| {
            s.instances.iter().all(|i| i.version.as_str() == "v2")
        })
        .await;
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_deploy_that_the_stop_interrupts_leaves_nothing_behind() {
    for after in [50, 210, 245, 260, 300, 330] {
        let mut scene = Scene::started(&replicas(2)).await;
        let handle = scene.handle.clone();
        let deploy = tokio::spawn(async move { handle.deploy("a").await });
        sleep(Duration::from_millis(after)).await;
        scene.stop().await;
        let stopped = deploy.await.expect("no panic");
        assert_eq!(stopped, Err(CommandError::Stopping), "after {after} ms");
    }
}
