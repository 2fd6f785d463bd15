//! Crashes, checks that fail, and when either leads to a restart.

use std::time::Duration;

use tokio::time::sleep;

use crate::event::EventKind;
use crate::process::Exit;
use crate::service::InstanceState;
use crate::simulation::{Behaviour, Scene, Sketch};

#[tokio::test(start_paused = true)]
async fn an_unready_instance_leaves_the_catalog_and_returns_without_a_restart() {
    let mut scene = Scene::started(&Sketch::new().service("a")).await;
    scene.world.sicken("a-1", true);
    scene
        .until("a", |s| s.instances[0].state == InstanceState::Unready)
        .await;
    assert_eq!(scene.world.serving("a"), Vec::<String>::new());
    sleep(Duration::from_secs(20)).await;
    scene.world.sicken("a-1", false);
    scene.until("a", |s| s.ready() == 1).await;
    assert_eq!(scene.world.serving("a"), ["a-1"]);
    assert_eq!(scene.status("a").instances[0].restarts, 0);
    assert_eq!(scene.world.launches().len(), 1);
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_cannot_be_checked_stays_as_it_is() {
    let mut scene = Scene::started(&Sketch::new().service("a")).await;
    scene.world.exhaust(true);
    sleep(Duration::from_secs(600)).await;
    assert_eq!(scene.world.serving("a"), ["a-1"]);
    assert_eq!(scene.status("a").instances[0].restarts, 0);
    // One that fails is noticed as soon as it can be.
    scene.world.sicken("a-1", true);
    scene.world.exhaust(false);
    scene
        .until("a", |s| s.instances[0].state == InstanceState::Unready)
        .await;
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_stays_unready_is_restarted_after_restart_after() {
    let mut scene = Scene::started(&Sketch::new().service("a")).await;
    scene.world.sicken("a-1", true);
    scene.until("a", |s| s.instances[0].restarts == 1).await;
    let unready = scene.times(EventKind::Unready)[0].0;
    let restarted = scene.times(EventKind::Unhealthy)[0].0;
    assert!(
        (30_000..30_500).contains(&(restarted - unready)),
        "{unready} {restarted}"
    );
    scene.until("a", |s| s.ready() == 1).await;
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn replicas_that_are_all_unready_are_restarted_one_after_the_other() {
    let sketch = Sketch::new().service("a").with("a", |p| p.replicas = 3);
    let mut scene = Scene::started(&sketch).await;
    // A restart that takes long shows whether the next one waits for it.
    scene.world.behave(
        "a",
        Behaviour {
            ready_after: Some(Duration::from_secs(5)),
            ..Behaviour::default()
        },
    );
    for id in ["a-1", "a-2", "a-3"] {
        scene.world.sicken(id, true);
    }
    scene
        .until("a", |s| s.instances.iter().all(|i| i.restarts == 1))
        .await;
    scene.until("a", |s| s.ready() == 3).await;
    let begun = scene.times(EventKind::Unhealthy);
    let ready = scene.times(EventKind::Ready);
    let back = &ready[3..];
    assert_eq!(begun.len(), 3);
    assert!(begun[1].0 >= back[0].0, "{begun:?} {back:?}");
    assert!(begun[2].0 >= back[1].0, "{begun:?} {back:?}");
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_loop_is_shown_backs_off_and_leaves_the_rest_alone() {
    let scene = Scene::open(&Sketch::new().service("bad").service("good"));
    scene.world.behave(
        "bad",
        Behaviour {
            ends_after: Some((Duration::from_millis(100), Exit::Code(1))),
            ..Behaviour::default()
        },
    );
    scene.handle.started().await;
    scene.until("bad", |s| s.instances[0].restarts >= 30).await;
    let starts: Vec<u64> = scene
        .times(EventKind::Starting)
        .into_iter()
        .filter(|(_, who)| who == "bad-1")
        .map(|(at, _)| at)
        .collect();
    for (n, pair) in starts.windows(2).enumerate() {
        let bound = 100u64.saturating_mul(1 << n.min(20)).min(30_000);
        let delay = pair[1] - pair[0] - 100;
        assert!(delay <= bound, "delay {n} is {delay} ms, over {bound}");
    }
    let long = starts
        .windows(2)
        .filter(|pair| pair[1] - pair[0] > 10_000)
        .count();
    assert!(long > 5, "the delays grow: {starts:?}");
    assert_eq!(scene.times(EventKind::CrashLoop).len(), 1, "told once");
    assert_eq!(scene.status("good").instances[0].restarts, 0);
    assert_eq!(scene.status("good").ready(), 1);
    scene.check();
}

#[tokio::test(start_paused = true)]
async fn a_crash_after_a_minute_of_health_is_the_first_again() {
    let mut scene = Scene::started(&Sketch::new().service("a")).await;
    for _ in 0..8 {
        sleep(Duration::from_secs(61)).await;
        scene.world.kill("a-1");
        let killed = scene.world.launches().len();
        scene
            .until("a", |s| {
                s.ready() == 1 && s.instances[0].state == InstanceState::Ready
            })
            .await;
        let _ = killed;
        sleep(Duration::from_millis(200)).await;
        assert_eq!(
            scene.status("a").ready(),
            1,
            "back within 100 ms and its start"
        );
    }
    assert_eq!(scene.times(EventKind::CrashLoop), []);
    scene.stop().await;
}
