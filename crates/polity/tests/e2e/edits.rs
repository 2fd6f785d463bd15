//! What people do in their editors while it runs: sources that are watched, services that come and go, tasks.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;

use crate::http::{get, post};
use crate::system::{FREE_PORTS, System};
use crate::wait;

/// Answers everything with the text beside it, and reads it when it starts.
const PROGRAM: &str = r#"
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
TEXT = open("text").read().encode()
class Says(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", str(len(TEXT)))
        self.end_headers()
        self.wfile.write(TEXT)
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Says).serve_forever()
"#;

fn system(plan: &str) -> System {
    let system = System::folder(&format!("{FREE_PORTS}{plan}"));
    fs::write(system.path().join("says.py"), PROGRAM).unwrap();
    fs::write(system.path().join("text"), "first").unwrap();
    system
}

fn until_said(gateway: SocketAddr, path: &str, text: &str) {
    wait::until(text, || (get(gateway, path).body == text).then_some(()));
}

#[test]
fn a_watched_file_that_is_saved_rolls_its_service() {
    let plan = "[service.says]\nrun = \"python3 says.py\"\nroute = \"/\"\nwatch = [\"text\"]\n";
    let system = system(plan).started();
    assert_eq!(get(system.gateway(), "/").body, "first");
    fs::write(system.path().join("text"), "second").unwrap();
    until_said(system.gateway(), "/", "second");
    // As an editor saves: aside, and renamed over.
    fs::write(system.path().join("text~"), "third").unwrap();
    fs::rename(system.path().join("text~"), system.path().join("text")).unwrap();
    until_said(system.gateway(), "/", "third");
}

#[test]
fn a_build_beside_its_watched_sources_is_not_its_own_reason() {
    let plan = "[service.says]\nbuild = [\"sh\", \"-c\", \"echo >> target/builds; cp launcher app\"]\n\
                run = \"./app says.py\"\nroute = \"/\"\nwatch = [\".\"]\n";
    let system = system(plan);
    fs::create_dir(system.path().join("target")).unwrap();
    let launcher = system.path().join("launcher");
    fs::write(&launcher, "#!/bin/sh\nexec python3 says.py\n").unwrap();
    fs::set_permissions(&launcher, fs::Permissions::from_mode(0o755)).unwrap();
    let system = system.started();
    let builds = || {
        fs::read_to_string(system.path().join("target/builds"))
            .unwrap()
            .len()
    };
    assert_eq!(builds(), 1);
    // A change that counts comes after whatever the build's own would have begun.
    fs::write(system.path().join("text"), "second").unwrap();
    until_said(system.gateway(), "/", "second");
    wait::until("the roll is over", || {
        system.service("says")["instances"]
            .as_array()
            .is_some_and(|all| all.len() == 1)
            .then_some(())
    });
    assert_eq!(builds(), 2);
}

#[test]
fn an_edit_adds_and_removes_services_and_leaves_the_others_alone() {
    let service =
        |name: &str| format!("[service.{name}]\nrun = \"python3 says.py\"\nroute = \"/{name}\"\n");
    let system = system(&service("stays")).started();
    let pids = system.pids("stays");
    let plan = system.path().join("polity.toml");
    let write = |services: &[&str]| {
        let all: String = services.iter().map(|name| service(name)).collect();
        fs::write(&plan, format!("{FREE_PORTS}{all}")).unwrap();
    };
    assert_eq!(get(system.gateway(), "/comes").status, 404);
    write(&["stays", "comes"]);
    until_said(system.gateway(), "/comes", "first");
    write(&["stays"]);
    wait::until("the route is gone", || {
        (get(system.gateway(), "/comes").status == 404).then_some(())
    });
    assert_eq!(get(system.gateway(), "/stays").body, "first");
    assert_eq!(system.pids("stays"), pids, "the same process all along");
}

#[test]
fn an_edit_of_what_the_gateway_does_takes_effect_and_rolls_nothing() {
    let service = "[service.says]\nrun = \"python3 says.py\"\n";
    let system = system(&format!("{service}route = \"/\"\n")).started();
    let (gateway, pids) = (system.gateway(), system.pids("says"));
    assert_eq!(
        post(gateway, "/", "0123456789a").status,
        501,
        "its own word"
    );
    let edited = format!(
        "{FREE_PORTS}[gateway.limits]\nbody_size = \"10B\"\n[gateway.timeouts]\nhead = \"5s\"\n\
         [[gateway.redirects]]\npath = \"/old\"\nto = \"/new\"\n{service}max_in_flight = 100\n\
         [[service.says.routes]]\nresponse_headers = {{ set = {{ x-edited = \"yes\" }} }}\n"
    );
    fs::write(system.path().join("polity.toml"), edited).unwrap();
    wait::until("the limit", || {
        (post(gateway, "/", "0123456789a").status == 413).then_some(())
    });
    let answer = get(gateway, "/old/page?a=b");
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, "first"),
        "followed"
    );
    assert_eq!(answer.headers["x-edited"], "yes");
    assert_eq!(system.pids("says"), pids, "the same process all along");
}

#[test]
fn where_the_gateway_listens_after_an_edit_is_told() {
    let service = "[service.says]\nrun = \"python3 says.py\"\nroute = \"/\"\n";
    let system = system(service).started();
    let before = system.gateway();
    let moved = FREE_PORTS.replacen("127.0.0.1:0", "127.0.0.2:0", 1);
    fs::write(system.path().join("polity.toml"), moved + service).unwrap();
    let now = wait::until("the new address", || {
        Some(system.gateway()).filter(|now| *now != before)
    });
    assert_eq!(now.ip().to_string(), "127.0.0.2");
    assert_eq!(get(now, "/").body, "first");
}

#[test]
fn a_task_ends_before_its_service_starts() {
    let plan = "[service.says]\nrun = \"python3 says.py\"\nroute = \"/\"\ndatabase = \"sqlite\"\n\
                [task.prepare]\nbefore = [\"says\"]\n\
                run = [\"sh\", \"-c\", \"test -f \\\"$DATABASE_PATH\\\" && printf prepared > text\"]\n";
    let system = system(plan).started();
    assert_eq!(get(system.gateway(), "/").body, "prepared");
}
