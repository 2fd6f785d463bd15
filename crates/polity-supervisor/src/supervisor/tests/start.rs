//! The order of starts and stops, tasks before them, and what a service needs before it starts.

use std::time::Duration;

use polity_plan::{Database, Port};

use crate::event::EventKind;
use crate::process::Exit;
use crate::service::{InstanceState, Stage};
use crate::simulation::{Behaviour, Scene, Sketch};

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

#[tokio::test(start_paused = true)]
async fn services_that_call_each_other_in_a_circle_start_together() {
    let sketch = Sketch::new()
        .service("a")
        .service("b")
        .calls("a", "b")
        .calls("b", "a")
        .circle(&["a", "b"]);
    let mut scene = Scene::started(&sketch).await;
    assert_eq!(
        (scene.status("a").ready(), scene.status("b").ready()),
        (1, 1)
    );
    assert_eq!(scene.times(EventKind::Waiting), []);
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn independent_services_start_at_the_same_time() {
    let mut scene = Scene::started(&Sketch::new().service("a").service("b")).await;
    let started = scene.times(EventKind::Starting);
    assert_eq!(started[0].0, started[1].0);
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_program_that_listens_on_nothing_is_ready_once_it_stayed_up() {
    let sketch = Sketch::new().service("worker").with("worker", |p| {
        p.port = Port::None;
        p.build = None;
    });
    let mut scene = Scene::started(&sketch).await;
    let ready = scene.times(EventKind::Ready);
    assert!((500..510).contains(&ready[0].0), "{ready:?}");
    assert_eq!(scene.world.serving("worker"), Vec::<String>::new());
    assert!(!scene.world.launches()[0].env.contains_key("PORT"));
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_program_that_never_listens_is_stopped_told_and_tried_again() {
    let scene = Scene::open(&Sketch::new().service("deaf"));
    let deaf = Behaviour {
        ready_after: None,
        ignores_term: true,
        ..Behaviour::default()
    };
    scene.world.behave("deaf", deaf);
    scene.handle.started().await;
    let failed = scene
        .events()
        .into_iter()
        .find(|e| e.kind == EventKind::StartFailed);
    let message = failed.expect("it was told").message.clone();
    assert!(
        message.starts_with("not ready within 10s: could not connect to 127.0.0.1:20001"),
        "{message}"
    );
    assert_eq!(
        scene.status("deaf").instances[0].last_exit,
        Some(Exit::Signal(9))
    );
    scene.until("deaf", |s| s.instances[0].restarts == 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_program_that_is_not_there_is_told_and_tried_again() {
    let sketch = Sketch::new().service("a").with("a", |p| {
        p.run.words = vec!["missing".to_owned()];
    });
    let mut scene = Scene::started(&sketch).await;
    let status = scene.status("a");
    let message = status.instances[0].message.as_deref();
    assert_eq!(message, Some("program `missing` not found in PATH"));
    assert_eq!(status.instances[0].state, InstanceState::Backoff);
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_build_starts_nothing_and_is_told() {
    let scene = Scene::open(&Sketch::new().service("a").service("b").calls("b", "a"));
    scene.world.fail_builds("a", true);
    scene.handle.started().await;
    let status = scene.status("a");
    assert_eq!((status.stage, status.instances.len()), (Stage::Failed, 0));
    assert_eq!(
        status.message.as_deref(),
        Some("the build failed: exit code 101")
    );
    assert_eq!(scene.status("b").ready(), 1, "the rest runs");

    scene.world.fail_builds("a", false);
    scene
        .handle
        .deploy("a")
        .await
        .expect("the next build is good");
    assert_eq!(scene.status("a").stage, Stage::Running);
    assert_eq!(scene.world.serving("a").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_taken_fixed_port_is_told() {
    let fixed = |p: &mut polity_plan::Program| p.port = Port::Fixed(3000);
    let sketch = Sketch::new()
        .service("a")
        .with("a", fixed)
        .service("b")
        .with("b", fixed);
    let scene = Scene::started(&sketch).await;
    let message = scene.status("b").instances[0].message.clone();
    let message = message.expect("it says why");
    assert!(message.starts_with("port 3000 cannot be used"), "{message}");
    assert_eq!(scene.status("a").ready(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_task_runs_once_before_all_services_that_wait_for_it() {
    let sketch = Sketch::new()
        .service("a")
        .service("b")
        .task("migrate", &["a", "b"]);
    let scene = Scene::open(&sketch);
    let takes = Duration::from_secs(3);
    scene.world.behave(
        "migrate",
        Behaviour {
            ends_after: Some((takes, Exit::Code(0))),
            ..Behaviour::default()
        },
    );
    scene.handle.started().await;
    assert_eq!(scene.times(EventKind::TaskStarted).len(), 1);
    let done = scene.times(EventKind::TaskDone)[0].0;
    assert!(
        scene
            .times(EventKind::Starting)
            .iter()
            .all(|(at, _)| *at >= done)
    );
    assert_eq!(scene.world.launches()[0].env["POLITY_SERVICE"], "a");

    scene.handle.deploy("b").await.expect("all is well");
    assert_eq!(
        scene.times(EventKind::TaskDone).len(),
        2,
        "again before a roll"
    );
}

#[tokio::test(start_paused = true)]
async fn a_failing_task_keeps_its_services_from_starting_and_from_rolling() {
    let sketch = Sketch::new().service("a").task("migrate", &["a"]);
    let scene = Scene::open(&sketch);
    let ends = |code| Behaviour {
        ends_after: Some((Duration::from_secs(1), Exit::Code(code))),
        ..Behaviour::default()
    };
    scene.world.behave("migrate", ends(1));
    scene.handle.started().await;
    let status = scene.status("a");
    assert_eq!(
        status.message.as_deref(),
        Some("task migrate ended with exit code 1")
    );
    assert_eq!((status.stage, status.instances.len()), (Stage::Failed, 0));

    scene.world.behave("migrate", ends(0));
    scene
        .handle
        .deploy("a")
        .await
        .expect("the task is good now");
    let serving = scene.world.serving("a");
    scene.world.behave("migrate", ends(1));
    let refused = scene.handle.deploy("a").await.expect_err("the task fails");
    assert_eq!(
        refused.to_string(),
        "a: task migrate ended with exit code 1"
    );
    assert_eq!(scene.world.serving("a"), serving);
}

#[tokio::test(start_paused = true)]
async fn a_task_under_way_is_ended_with_the_system() {
    let mut scene = Scene::open(&Sketch::new().service("a").task("migrate", &["a"]));
    scene
        .until("a", |status| status.stage == Stage::Tasks)
        .await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(scene.world.alive(), ["migrate"]);
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_database_is_made_before_the_service_is_told_of_it() {
    let sketch = Sketch::new().service("a").with("a", |p| {
        p.database = Some(Database::Sqlite);
    });
    let mut scene = Scene::started(&sketch).await;
    let env = scene.world.launches()[0].env.clone();
    let path = std::path::Path::new(&env["DATABASE_PATH"]);
    let metadata = std::fs::metadata(path).expect("the file is there");
    let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(env["DATABASE_URL"], format!("sqlite:///{}", path.display()));
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_ignores_sigterm_is_killed_after_its_time() {
    let scene = Scene::open(&Sketch::new().service("stubborn"));
    scene.world.behave(
        "stubborn",
        Behaviour {
            ignores_term: true,
            ..Behaviour::default()
        },
    );
    scene.handle.started().await;
    let began = tokio::time::Instant::now();
    let mut scene = scene;
    scene.stop().await;
    let took = began.elapsed();
    assert!((10..11).contains(&took.as_secs()), "{took:?}");
}
