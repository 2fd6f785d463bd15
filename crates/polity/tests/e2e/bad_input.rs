//! Bad input: each with a clear error, and nothing half started.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::http::get;
use crate::system::{FREE_PORTS, POLITY, Said, System, run};
use crate::wait;

/// A service that would be found if anything was started.
const SLEEPER: &str = "[service.sleeper]\nrun = \"sleep 1000\"\nport = false\n";

/// `polity up` fails, says all of this, and has started nothing.
#[track_caller]
fn refused(system: &System, expected: &[&str]) {
    let said = system.polity(&["up"]);
    is_refusal(&said, expected);
    assert!(system.processes().is_empty(), "{said:#?}");
    assert!(!system.data().join("run.json").exists());
}

#[track_caller]
fn is_refusal(said: &Said, expected: &[&str]) {
    assert_eq!(said.status.code(), Some(1), "{said:#?}");
    for text in expected {
        assert!(said.stderr.contains(text), "no `{text}` in {}", said.stderr);
    }
}

/// Waits until the state that `polity ps` shows of a service explains itself so, while another
/// service answers.
#[track_caller]
fn others_serve_while(run: &str, note: &str) {
    let bad = format!("[service.bad]\n{run}\nroute = \"/bad\"\n");
    let good = fs::read_to_string(example("hello/hello.py")).unwrap();
    let plan =
        format!("{FREE_PORTS}{bad}[service.hello]\nrun = \"python3 hello.py\"\nroute = \"/\"\n");
    let system = System::folder(&plan);
    fs::write(system.path().join("hello.py"), good).unwrap();
    let system = system.started();

    wait::until(note, || {
        system
            .service("bad")
            .to_string()
            .contains(note)
            .then_some(())
    });
    assert_eq!(get(system.gateway(), "/").status, 200);
    let answer = get(system.gateway(), "/bad");
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
    assert_eq!(answer.headers["content-type"], "application/problem+json");
}

fn example(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples")
        .join(path)
}

#[test]
fn no_file() {
    let system = System::folder("");
    fs::remove_file(system.path().join("polity.toml")).unwrap();
    refused(&system, &["no plan at ./polity.toml", "polity init"]);
    assert!(!system.data().exists());
}

#[test]
fn a_file_that_cannot_be_read() {
    let system = System::folder("");
    let path = system.path().join("polity.toml");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    // Root may read it all the same.
    if fs::read(&path).is_err() {
        refused(
            &system,
            &["could not read ./polity.toml", "Permission denied"],
        );
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    refused(&system, &["could not read ./polity.toml", "Is a directory"]);
    assert!(!system.data().exists());
}

#[test]
fn a_file_that_is_no_text() {
    let system = System::folder("");
    fs::write(system.path().join("polity.toml"), [0xff, 0xfe, 0]).unwrap();
    refused(&system, &["could not read ./polity.toml", "UTF-8"]);
}

#[test]
fn a_toml_error() {
    let system = System::folder(&format!("{SLEEPER}route = /\n"));
    refused(&system, &["polity.toml:4:9", "route = /"]);
    assert!(!system.data().exists());
}

#[test]
fn unknown_keys_are_reported_together() {
    let system = System::folder(&format!("{SLEEPER}replica = 2\n[gatway]\n"));
    refused(
        &system,
        &[
            "polity.toml:4:1",
            "`replicas`",
            "polity.toml:5:2",
            "`gateway`",
        ],
    );
    assert!(!system.data().exists());
}

#[test]
fn a_port_that_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for (part, other) in [("gateway", "console"), ("console", "gateway")] {
        let plan = format!(
            "[{part}]\nlisten = \"{address}\"\n[{other}]\nlisten = \"127.0.0.1:0\"\n{SLEEPER}"
        );
        refused(
            &System::folder(&plan),
            &[&address.to_string(), part, "listen"],
        );
    }
}

#[test]
fn a_second_system_on_the_same_data() {
    let system = System::folder(&format!("{FREE_PORTS}{SLEEPER}")).started();
    let before = system.processes();
    let said = system.polity(&["up"]);
    let pid = system.pid().to_string();
    is_refusal(&said, &["a system runs on", &pid, "polity down", "--data"]);
    assert_eq!(system.processes(), before);
    system.succeeds(&["ps"]);
}

#[test]
fn a_program_that_is_not_there() {
    others_serve_while(
        "run = \"no-such-program --now\"",
        "`no-such-program` not found in PATH",
    );
}

#[test]
fn a_program_that_exits_at_once() {
    others_serve_while(r#"run = ["sh", "-c", "exit 3"]"#, "exit code 3");
}

#[test]
fn a_program_that_never_listens() {
    others_serve_while(
        "run = \"sleep 1000\"\nstart_timeout = \"300ms\"",
        "not ready within 300ms",
    );
}

#[test]
fn the_last_words_of_a_program_that_fails_are_shown() {
    let plan = r#"[service.bad]
run = ["sh", "-c", "echo the database is on fire >&2; exit 3"]
port = false
"#;
    let mut system = System::folder(&format!("{FREE_PORTS}{plan}")).started();
    system.wait_for_line("its words", |line| line.to_string().contains("on fire"));
    system.wait_for_line("its end", |line| line.to_string().contains("exit code 3"));
}

#[test]
fn a_build_that_fails() {
    let plan =
        "[service.bad]\nbuild = \"sh -c 'echo no compiler here; exit 7'\"\nrun = \"./bad\"\n";
    let mut system = System::folder(&format!("{FREE_PORTS}{plan}{SLEEPER}")).started();
    system.wait_for_line("why", |line| line.to_string().contains("exit code 7"));
    assert_eq!(system.pids("bad"), [0; 0]);
    assert_eq!(system.pids("sleeper").len(), 1);
}

#[test]
fn commands_without_a_running_system() {
    let system = System::folder(&format!("{FREE_PORTS}{SLEEPER}"));
    for command in [
        &["ps"][..],
        &["deploy", "sleeper"],
        &["scale", "sleeper", "2"],
    ] {
        is_refusal(&system.polity(command), &["no system runs on", "polity up"]);
    }
}

#[test]
fn commands_on_a_service_that_is_not_there() {
    let system = System::folder(&format!("{FREE_PORTS}{SLEEPER}")).started();
    for command in [
        &["deploy", "slepper"][..],
        &["restart", "slepper"],
        &["scale", "slepper", "2"],
    ] {
        is_refusal(&system.polity(command), &["slepper"]);
    }
    assert_eq!(system.pids("sleeper").len(), 1);
}

#[test]
fn what_is_no_command_is_a_usage_error() {
    let system = System::folder(SLEEPER);
    for arguments in [
        &["upp"][..],
        &["scale", "sleeper", "many"],
        &["up", "--colour"],
        &[],
    ] {
        assert_eq!(
            system.polity(arguments).status.code(),
            Some(2),
            "{arguments:?}"
        );
    }
}

/// A command that sees a file system of its own mounted at `path`; none where this user may not
/// mount, not even in a namespace of its own.
fn with_mount(system: &System, options: &str, path: &Path, then: &[&str]) -> Option<Command> {
    let unshare = ["--user", "--map-root-user", "--mount"];
    let allowed = Command::new("unshare")
        .args(unshare)
        .args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"])
        .output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no file system can be mounted here");
        return None;
    }
    fs::create_dir_all(path).unwrap();
    let mut command = system.command(Path::new("unshare"), &unshare);
    command.args([
        "sh",
        "-c",
        "mount -t tmpfs -o \"$0\" tmpfs \"$1\" && shift && exec \"$@\"",
    ]);
    command
        .args([options, path.to_str().unwrap(), POLITY])
        .args(then);
    Some(command)
}

#[test]
fn a_data_folder_that_is_read_only() {
    let system = System::folder(&format!("{FREE_PORTS}{SLEEPER}"));
    let Some(command) = with_mount(&system, "ro", &system.data(), &["up"]) else {
        return;
    };
    let said = run(command);
    is_refusal(
        &said,
        &["the data folder", "Read-only file system", "--data"],
    );
    assert!(system.processes().is_empty());
}

#[test]
fn a_full_disk_under_the_logs() {
    let chatter = "import sys\nline = 'x' * 1000\nwhile True: print(line)\n";
    let hello = fs::read_to_string(example("hello/hello.py")).unwrap();
    let plan = "[service.chatter]\nrun = \"python3 chatter.py\"\nport = false\n\
                [service.hello]\nrun = \"python3 hello.py\"\nroute = \"/\"\n";
    let mut system = System::folder(&format!("{FREE_PORTS}{plan}"));
    fs::write(system.path().join("chatter.py"), chatter).unwrap();
    fs::write(system.path().join("hello.py"), hello).unwrap();
    let logs = system.data().join("logs");
    let Some(command) = with_mount(&system, "size=256k", &logs, &["up", "--json"]) else {
        return;
    };
    system.spawn(command);

    wait::until("the full disk is said", || {
        let said = "output cannot be written to files";
        let lines = system.output();
        let line = lines.lines().find(|line| line.contains(said))?;
        line.contains("No space left on device").then_some(())
    });
    wait::until("the other service answers", || {
        (get(system.gateway(), "/").status == 200).then_some(())
    });
    assert_eq!(system.pids("chatter").len(), 1, "nobody waits for the disk");
    assert!(system.stop().success());
}
