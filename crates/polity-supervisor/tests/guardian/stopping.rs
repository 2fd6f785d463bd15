//! Stopping: first politely, then not, and always all of it.

use std::time::Duration;

use polity_supervisor::process::{Exit, Host, LaunchError};
use tokio::time::{Instant, timeout};

use crate::support::{Ground, guardian, guardian_with_control_groups, until};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_process_that_heeds_sigterm_is_not_killed() {
    let (ground, guardian) = (Ground::new(), guardian());
    let process = ground
        .start(
            &guardian,
            "trap 'echo bye > bye; exit 3' TERM; echo > ready; while :; do sleep 0.01; done",
        )
        .await;
    ground.until_there("ready").await;
    assert_eq!(process.stop(LONG).await, Exit::Code(3));
    assert_eq!(ground.until_there("bye").await, "bye");
    ground.until_alive(0).await;
}

#[tokio::test]
async fn a_process_that_ignores_sigterm_is_killed_after_the_timeout() {
    let (ground, guardian) = (Ground::new(), guardian());
    let process = ground
        .start(
            &guardian,
            "trap '' TERM; echo > ready; while :; do sleep 1000; done",
        )
        .await;
    ground.until_there("ready").await;
    let before = Instant::now();
    assert_eq!(
        process.stop(Duration::from_millis(300)).await,
        Exit::Signal(9)
    );
    assert!(before.elapsed() >= Duration::from_millis(300));
    ground.until_alive(0).await;
}

#[tokio::test]
async fn children_have_their_time_after_the_leader_is_gone() {
    let (ground, guardian) = (Ground::new(), guardian());
    let process = ground
        .start(
            &guardian,
            "sh -c 'trap \"sleep 0.3; echo done > drained; exit\" TERM; echo > ready; \
             while :; do sleep 0.01; done' & wait",
        )
        .await;
    ground.until_there("ready").await;
    process.stop(LONG).await;
    // `stop` has waited for the child as well, so there is nothing to wait for here.
    assert_eq!(
        std::fs::read_to_string(ground.path("drained")).unwrap(),
        "done\n"
    );
    assert!(ground.alive().is_empty());
}

#[tokio::test]
async fn a_stop_reaches_a_daemon_that_left_the_group_the_session_and_its_parents() {
    let (ground, guardian) = (Ground::new(), guardian());
    let process = ground
        .start(
            &guardian,
            "(setsid sh -c 'trap \"\" TERM; echo > daemon; while :; do sleep 1000; done' &) ; \
             echo > ready; while :; do sleep 1000; done",
        )
        .await;
    ground.until_there("ready").await;
    ground.until_there("daemon").await;
    ground.until_alive(4).await;
    process.stop(Duration::from_millis(200)).await;
    assert!(ground.alive().is_empty(), "{:?}", ground.alive());
}

#[tokio::test]
async fn a_daemon_outside_the_group_is_asked_before_it_is_killed() {
    let (ground, guardian) = (Ground::new(), guardian());
    let process = ground
        .start(
            &guardian,
            "(setsid sh -c 'trap \"echo bye > bye; exit\" TERM; echo > daemon; \
             while :; do sleep 0.01; done' &) ; while :; do sleep 0.01; done",
        )
        .await;
    ground.until_there("daemon").await;
    process.stop(LONG).await;
    assert_eq!(
        std::fs::read_to_string(ground.path("bye")).unwrap(),
        "bye\n"
    );
}

#[tokio::test]
async fn a_control_group_finds_even_a_daemon_that_cleared_its_environment() {
    let (ground, guardian) = (Ground::new(), guardian_with_control_groups());
    let process = ground
        .start(
            &guardian,
            "(env -i setsid sh -c 'trap \"\" TERM; echo $$ > daemon; while :; do sleep 1000; done' &) ; \
             while :; do sleep 1000; done",
        )
        .await;
    let daemon = std::path::PathBuf::from(format!("/proc/{}", ground.until_there("daemon").await));
    let group = std::fs::read_to_string(daemon.join("cgroup")).unwrap();
    let expected = format!("polity-{}/1", guardian.pid().await);
    let is_grouped = group.trim().ends_with(&expected);
    process.stop(Duration::from_millis(100)).await;
    // Where control groups may not be made, as in most containers, only the end of all reaches it.
    assert_eq!(daemon.exists(), !is_grouped);
    guardian.close().await;
    assert!(!daemon.exists());
}

#[tokio::test]
async fn what_a_crashed_leader_leaves_behind_is_swept() {
    let (ground, guardian) = (Ground::new(), guardian());
    let process = ground
        .start(&guardian, "trap '' TERM; sleep 1000 & sleep 1000 & exit 9")
        .await;
    assert_eq!(process.gone().await, Exit::Code(9));
    assert!(ground.alive().is_empty());
}

#[tokio::test]
async fn a_stop_after_the_end_returns_the_end_at_once() {
    let (ground, guardian) = (Ground::new(), guardian());
    let process = ground.start(&guardian, "exit 4").await;
    process.gone().await;
    let stopped = timeout(LONG, process.stop(LONG)).await.unwrap();
    assert_eq!(stopped, Exit::Code(4));
}

#[tokio::test]
async fn one_launch_is_stopped_and_its_neighbour_is_not() {
    let (ground, other, guardian) = (Ground::new(), Ground::new(), guardian());
    let process = ground.start(&guardian, "sleep 1000 & sleep 1000").await;
    let neighbour = other
        .start(&guardian, "setsid sleep 1000 & sleep 1000")
        .await;
    other.until_alive(3).await;
    process.kill();
    assert_eq!(process.gone().await, Exit::Signal(9));
    assert_eq!(other.alive().len(), 3);
    assert_eq!(neighbour.try_exit(), None);
}

#[tokio::test]
async fn a_launch_nobody_waits_for_is_not_left_running() {
    let (ground, guardian) = (Ground::new(), guardian());
    let abandoned = timeout(Duration::ZERO, ground.start(&guardian, "sleep 1000")).await;
    assert!(abandoned.is_err());
    // Requests are taken in order, so that this one shows the other has been dealt with.
    ground.start(&guardian, "exit 0").await.gone().await;
    until("nothing left", || ground.alive().is_empty()).await;
}

#[tokio::test]
async fn closing_ends_everything_and_the_guardian() {
    let (ground, guardian) = (Ground::new(), guardian());
    let process = ground
        .start(&guardian, "setsid sleep 1000 & sleep 1000")
        .await;
    let pid = guardian.pid().await;
    guardian.close().await;
    assert_eq!(process.exited().await, Exit::Unknown);
    assert!(ground.alive().is_empty());
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    let late = guardian.launch(ground.launch(&["true"])).await;
    assert!(matches!(late, Err(LaunchError::HostLost)));
}
