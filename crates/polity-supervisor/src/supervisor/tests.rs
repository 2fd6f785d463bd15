//! The supervisor as a whole, in a simulated world: starts, crashes and stops.

use std::time::Duration;

use crate::event::EventKind;
use crate::process::Exit;
use crate::service::InstanceState;
use crate::simulation::{Behaviour, Scene, Sketch};

#[tokio::test(start_paused = true)]
async fn a_service_is_built_started_and_listed_once_it_listens() {
    let sketch = Sketch::new()
        .service("orders")
        .with("orders", |p| p.replicas = 2);
    let mut scene = Scene::started(&sketch).await;
    assert_eq!(scene.world.serving("orders"), ["orders-1", "orders-2"]);
    let ready = scene.times(EventKind::Ready);
    assert_eq!(ready.len(), 2);
    // 200 ms of build, 40 ms until it listens, and a few more until that is noticed.
    assert!(
        ready.iter().all(|(at, _)| (240..255).contains(at)),
        "{ready:?}"
    );
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_crashed_instance_comes_back_as_itself() {
    let mut scene = Scene::started(&Sketch::new().service("orders")).await;
    let before = scene.status("orders").instances[0].clone();
    scene.world.kill("orders-1");
    scene.until("orders", |status| status.ready() == 0).await;
    assert_eq!(scene.world.serving("orders"), Vec::<String>::new());
    scene.until("orders", |status| status.ready() == 1).await;
    let after = scene.status("orders").instances[0].clone();
    assert_eq!((after.restarts, after.address), (1, before.address));
    assert_eq!(after.last_exit, Some(Exit::Signal(9)));
    let crash = scene
        .events()
        .into_iter()
        .find(|e| e.kind == EventKind::Crashed);
    let crash = crash.expect("it was told");
    assert!(
        crash.message.starts_with("ended with signal SIGKILL"),
        "{}",
        crash.message
    );
    assert_eq!(crash.lines, ["last words"]);
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_called_starts_first_and_stops_last() {
    let sketch = Sketch::new()
        .service("inventory")
        .service("orders")
        .calls("orders", "inventory");
    let mut scene = Scene::started(&sketch).await;
    let ready = scene.times(EventKind::Ready);
    let started = scene.times(EventKind::Starting);
    assert_eq!(ready[0].1, "inventory-1");
    assert_eq!(started[1].1, "orders-1");
    assert!(started[1].0 >= ready[0].0, "{started:?} {ready:?}");
    scene.stop().await;
    let stopped = scene.times(EventKind::Stopped);
    let order: Vec<&str> = stopped.iter().map(|(_, who)| who.as_str()).collect();
    assert_eq!(order, ["orders-1", "inventory-1"]);
}

#[tokio::test(start_paused = true)]
async fn a_callee_that_never_starts_does_not_keep_its_caller_from_it() {
    let sketch = Sketch::new()
        .service("inventory")
        .service("orders")
        .calls("orders", "inventory");
    let scene = Scene::open(&sketch);
    scene.world.behave(
        "inventory",
        Behaviour {
            ends_after: Some((Duration::from_millis(10), Exit::Code(3))),
            ..Behaviour::default()
        },
    );
    scene.handle.started().await;
    assert_eq!(scene.status("orders").ready(), 1);
    assert_eq!(scene.times(EventKind::WentAhead).len(), 1);
    let state = |scene: &Scene| scene.states("inventory")[0].1;
    scene
        .until("inventory", |s| {
            s.instances[0].state == InstanceState::CrashLoop
        })
        .await;
    assert_eq!(state(&scene), InstanceState::CrashLoop);
    assert_eq!(scene.times(EventKind::CrashLoop).len(), 1);
}
