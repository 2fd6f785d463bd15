//! Starting: what a process is given, and exact words when it cannot start.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;

use polity_supervisor::process::{Exit, Host, LaunchError, Stream};

use crate::support::{Ground, guardian, output_of};

#[tokio::test]
async fn a_process_has_its_words_directory_and_environment_and_nothing_else() {
    let (ground, guardian) = (Ground::new(), guardian());
    let script = "pwd; echo \"$#:$1:$2\"; env | sort | cut -d= -f1 | tr '\\n' ' '; echo; \
                  cat; ls -l /proc/self/fd | grep -c -- '->'";
    let launch = ground.launch(&["sh", "-c", script, "sh", "a b", "\"$HOME\""]);
    let printed = output_of(&guardian, launch, Stream::Stdout).await.unwrap();
    let lines: Vec<_> = printed.lines().collect();
    assert_eq!(
        lines[0],
        ground.path("").display().to_string().trim_end_matches('/')
    );
    assert_eq!(lines[1], "2:a b:\"$HOME\"");
    assert_eq!(
        lines[2].trim(),
        "DIR OLDPWD PATH POLITY_LAUNCH POLITY_TEST_MARK PWD".replace("OLDPWD ", "")
    );
    // 0, 1, 2 and the folder that `ls` reads.
    assert_eq!(lines[3], "4");
}

#[tokio::test]
async fn the_end_is_told_with_its_code_or_signal() {
    let (ground, guardian) = (Ground::new(), guardian());
    let process = ground.start(&guardian, "exit 7").await;
    assert_eq!(process.exited().await, Exit::Code(7));
    let process = ground.start(&guardian, "kill -11 $$").await;
    assert_eq!(process.exited().await, Exit::Signal(11));
}

#[tokio::test]
async fn what_cannot_start_says_exactly_why() {
    let (ground, guardian) = (Ground::new(), guardian());
    let launch = |words: &[&str]| guardian.launch(ground.launch(words));

    let error = launch(&["no-such-program-anywhere"]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "program `no-such-program-anywhere` not found in PATH"
    );
    let error = launch(&["./missing"]).await.unwrap_err();
    assert_eq!(error.to_string(), "program `./missing` not found");

    let plain = ground.path("plain");
    fs::write(&plain, "#!/no/such/interpreter\n").unwrap();
    let error = launch(&["./plain"]).await.unwrap_err();
    assert_system(&error, io::ErrorKind::PermissionDenied, "denied");
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o755)).unwrap();
    let error = launch(&["./plain"]).await.unwrap_err();
    assert_system(&error, io::ErrorKind::NotFound, "interpreter");

    let mut nowhere = ground.launch(&["true"]);
    nowhere.dir = ground.path("nowhere");
    let error = guardian.launch(nowhere).await.unwrap_err();
    assert_system(&error, io::ErrorKind::NotFound, "directory");

    let huge = "x".repeat(3 << 20);
    let error = launch(&["true", &huge]).await.unwrap_err();
    assert_system(&error, io::ErrorKind::ArgumentListTooLong, "too long");
    // Too large even for a frame.
    let huge = "x".repeat(17 << 20);
    let error = launch(&["true", &huge]).await.unwrap_err();
    assert_system(&error, io::ErrorKind::ArgumentListTooLong, "too long");

    assert_eq!(
        ground.start(&guardian, "exit 0").await.exited().await,
        Exit::Code(0)
    );
}

fn assert_system(error: &LaunchError, kind: io::ErrorKind, text: &str) {
    let LaunchError::System { source, .. } = error else {
        panic!("another error: {error:?}");
    };
    assert_eq!(source.kind(), kind, "{source}");
    assert!(source.to_string().contains(text), "{source}");
}

#[tokio::test]
async fn the_path_of_the_launch_is_the_one_searched() {
    let (ground, guardian) = (Ground::new(), guardian());
    let program = ground.path("only-here");
    fs::write(&program, "#!/bin/sh\necho found\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut launch = ground.launch(&["only-here"]);
    let path = format!("{}:/usr/bin:/bin", ground.path("").display());
    launch.env.insert("PATH".to_owned(), path);
    let printed = output_of(&guardian, launch, Stream::Stdout).await.unwrap();
    assert_eq!(printed, "found");
}

#[tokio::test]
async fn an_environment_larger_than_any_socket_buffer_arrives_whole() {
    let (ground, guardian) = (Ground::new(), guardian());
    let mut launch = ground.launch(&[
        "sh",
        "-c",
        "env | grep -c ^BIG_; printf '%s' \"$BIG_9\" | wc -c",
    ]);
    for number in 0..10 {
        let value = "\u{1}\"x\"\n".repeat(20_000);
        launch.env.insert(format!("BIG_{number}"), value);
    }
    let printed = output_of(&guardian, launch, Stream::Stdout).await.unwrap();
    let lines: Vec<_> = printed.lines().map(str::trim).collect();
    assert_eq!(lines, ["10", "100000"]);
}

/// Thousands, in a test that is not to take a minute: the count of leaks is exact, so that hundreds show them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn launches_leak_no_descriptor_and_no_zombie() {
    let (ground, guardian) = (Ground::new(), guardian());
    let pid = guardian.pid().await;
    let descriptors = |pid: u32| fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    ground.start(&guardian, "exit 0").await.gone().await;
    let before = descriptors(pid);
    for _ in 0..15 {
        let batch = (0..20).map(|number| {
            let words = if number % 4 == 0 {
                ["./missing"]
            } else {
                ["true"]
            };
            guardian.launch(ground.launch(&words))
        });
        for process in futures_util::future::join_all(batch)
            .await
            .into_iter()
            .flatten()
        {
            assert_eq!(process.gone().await, Exit::Code(0));
        }
    }
    assert_eq!(descriptors(pid), before);
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    assert_eq!(children.unwrap_or_default().trim(), "");
}
