//! The supervisor as a whole, in a simulated world: starts, crashes and stops; the rest below.

mod change;
mod command;
mod floor;
mod health;
mod random;
mod start;

use crate::event::EventKind;
use crate::process::Exit;
use crate::simulation::{Scene, Sketch};

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
