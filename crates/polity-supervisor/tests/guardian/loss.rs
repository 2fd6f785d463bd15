//! kill -9 of Polity, of the guardian, of both: nothing survives.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use polity_supervisor::process::{Exit, Host};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::support::{Ground, STAND_IN, guardian, guardian_holding, kill, until};

/// A leader with a child, a daemon of its own session, and one that was forked twice.
const FAMILY: &str = "trap '' TERM HUP; sleep 1000 & setsid sleep 1000 & \
                      (setsid sh -c 'trap \"\" TERM; (sleep 1000) & wait' &); \
                      while :; do sleep 1000; done";

/// sh, sleep; sleep; sleep; sh, sleep (a subshell that only runs one program becomes it).
const FAMILY_SIZE: usize = 6;

/// A stand-in for Polity that runs two families; and its guardian's process id.
async fn polity(ground: &Ground) -> (Child, u32) {
    let mut polity = Command::new(STAND_IN)
        .args(["polity", FAMILY, FAMILY])
        .envs(ground.env())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(polity.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    // Polity and its guardian carry the mark as well.
    ground.until_alive(2 * FAMILY_SIZE + 2).await;
    (polity, line.trim().parse().unwrap())
}

#[tokio::test]
async fn nothing_survives_polity() {
    let ground = Ground::new();
    let (mut polity, _) = polity(&ground).await;
    kill(polity.id());
    polity.wait().unwrap();
    ground.until_alive(0).await;
}

#[tokio::test]
async fn nothing_survives_the_guardian_but_polity() {
    let ground = Ground::new();
    let (mut polity, guardian) = polity(&ground).await;
    kill(guardian);
    ground.until_alive(1).await;
    kill(polity.id());
    polity.wait().unwrap();
}

#[tokio::test]
async fn no_leader_survives_polity_and_the_guardian_killed_in_one_stroke() {
    let ground = Ground::new();
    let (mut polity, guardian) = polity(&ground).await;
    // The guardian first sees nothing of Polity's end: it is stopped.
    let pid = rustix::process::Pid::from_raw(guardian.cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    kill(polity.id());
    polity.wait().unwrap();
    kill(guardian);
    // What the leaders forked is out of anybody's reach, which is why the guardian is there.
    ground.until_alive(2 * (FAMILY_SIZE - 1)).await;
    ground.alive().into_iter().for_each(kill);
    ground.until_alive(0).await;
}

#[tokio::test]
async fn a_lost_guardian_is_told_as_unknown_ends_and_replaced_by_the_next_launch() {
    let (ground, guardian) = (Ground::new(), guardian());
    let process = ground.start(&guardian, FAMILY).await;
    ground.until_alive(FAMILY_SIZE).await;
    let first = guardian.pid().await;
    kill(first);
    assert_eq!(process.gone().await, Exit::Unknown);
    assert!(ground.alive().is_empty(), "all is swept before it is told");
    // Its controls reach nobody, and do no harm.
    process.kill();
    let next = ground.start(&guardian, "exit 5").await;
    assert_eq!(next.gone().await, Exit::Code(5));
    assert_ne!(guardian.pid().await, first);
}

#[tokio::test]
async fn a_guardian_killed_during_launches_fails_them_and_leaves_nothing() {
    let (ground, guardian) = (Ground::new(), guardian());
    let pid = guardian.pid().await;
    let launches = (0..20).map(|_| guardian.launch(ground.launch(&["sleep", "1000"])));
    let killer = tokio::task::spawn_blocking(move || kill(pid));
    let started = futures_util::future::join_all(launches).await;
    killer.await.unwrap();
    for process in started.into_iter().flatten() {
        process.kill();
    }
    ground.until_alive(0).await;
}

#[tokio::test]
async fn a_terminals_signals_do_not_reach_the_guardian() {
    use rustix::process::{Pid, Signal, kill_process};
    let (ground, guardian) = (Ground::new(), guardian());
    let process = ground.start(&guardian, "sleep 1000").await;
    let pid = Pid::from_raw(guardian.pid().await.cast_signed()).unwrap();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
        kill_process(pid, signal).unwrap();
    }
    // It still does its work, and what it starts does not inherit any deafness.
    let deaf = ground.start(&guardian, "kill -TERM $$; exit 0").await;
    assert_eq!(deaf.gone().await, Exit::Signal(15));
    assert_eq!(process.try_exit(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_given_to_the_guardian_holds_until_it_is_gone() {
    let ground = Ground::new();
    let path = ground.path("lock");
    let locked = File::create(&path).unwrap();
    flock(&locked, FlockOperation::NonBlockingLockExclusive).unwrap();
    let guardian = guardian_holding(locked);
    let process = ground.start(&guardian, "exec sleep 1000").await;
    // The guardian's command keeps the file open here too, as a lost guardian's successor needs it.
    let again = File::open(&path).unwrap();
    let lock = || flock(&again, FlockOperation::NonBlockingLockExclusive);
    assert_eq!(lock(), Err(Errno::WOULDBLOCK));
    let holders = |pid: u32| {
        let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
        open.filter(|fd| fs::read_link(fd.path()).is_ok_and(|to| to == path))
            .count()
    };
    assert_eq!(holders(guardian.pid().await), 1);
    assert_eq!(holders(process.pid()), 0, "no service may hold it");
    guardian.close().await;
    drop((guardian, process));
    until("the lock is free", || lock().is_ok()).await;
}
