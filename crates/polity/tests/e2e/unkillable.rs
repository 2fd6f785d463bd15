//! Nothing outlives Polity, however it ends.

use rustix::process::Signal;

use crate::http::get;
use crate::shop;
use crate::system::{FREE_PORTS, System, signal};
use crate::wait;

/// A service with a child in its group, a grandchild in a session of its own whose parent is gone,
/// and one that ignores SIGTERM.
const FAMILY: &str = r#"
[service.family]
run = ["sh", "-c", "sleep 1000 & (setsid sleep 1001 &) ; sh -c 'trap \"\" TERM; sleep 1002; sleep 1003' & exec sleep 1004"]
port = false
stop_timeout = "1s"
"#;

fn family() -> System {
    let system = System::folder(&format!("{FREE_PORTS}{FAMILY}")).started();
    // polity, the guardian, and the family of five.
    wait::until("the whole family is there", || {
        (system.processes().len() >= 7).then_some(())
    });
    system
}

fn wait_for_none(system: &System) {
    wait::until("no process is left", || {
        system.processes().is_empty().then_some(())
    });
}

#[test]
fn killed_with_9_it_leaves_no_process() {
    let system = family();
    signal(system.pid(), Signal::KILL);
    wait_for_none(&system);
}

#[test]
fn stopped_it_leaves_no_process() {
    let mut system = family();
    assert!(system.stop().success());
    wait_for_none(&system);
    assert!(!system.data().join("run.json").exists());
}

#[test]
fn it_is_stopped_by_its_own_command() {
    let mut system = family();
    system.succeeds(&["down"]);
    system.wait_for_line("it says that it stopped", |line| {
        line.to_string().contains("stopped")
    });
    wait_for_none(&system);
}

#[test]
fn killed_with_9_it_starts_again_on_the_same_data() {
    let system = shop::quick();
    signal(system.pid(), Signal::KILL);
    wait_for_none(&system);
    let system = system.started();
    assert_eq!(get(system.gateway(), "/orders").status, 200);
}

#[test]
fn with_its_guardian_killed_it_leaves_no_process() {
    let mut system = family();
    let guardian = system.processes().into_iter().find(|pid| {
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&command).contains("guardian")
    });
    signal(guardian.expect("a guardian"), Signal::KILL);
    system.stop();
    wait_for_none(&system);
}
