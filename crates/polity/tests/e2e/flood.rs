//! What goes on when clients take all the connections they can get.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;

use crate::system::{FREE_PORTS, POLITY, System};

/// More than [`FILES`] allows.
const CLIENTS: usize = 300;

/// Few, so that a test can use them up; soft and hard, so that it stays at that.
const FILES: usize = 160;

const PLAN: &str = "[service.worker]\nrun = \"sleep 1000\"\nport = false\n";

#[test]
fn a_flood_of_clients_leaves_files_to_the_admin_api() {
    let mut system = System::folder(&format!("{FREE_PORTS}{PLAN}"));
    let script = format!("ulimit -n {FILES}; exec \"$0\" up --json");
    let command = system.command(Path::new("sh"), &["-c", &script, POLITY]);
    system.spawn(command);
    system.wait_for_line("everything has started", |line| line["type"] == "started");
    let gateway = system.gateway();
    let mut clients: Vec<_> = (0..CLIENTS)
        .map(|_| TcpStream::connect(gateway).unwrap())
        .collect();
    // Those that have waited for longest make room for new ones, and may have been closed by now.
    for client in &mut clients {
        let request = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        let _ = client.write_all(request);
    }
    let mut answer = [0; 64 * 1024];
    let newest = clients.last_mut().unwrap();
    assert_ne!(newest.read(&mut answer).unwrap(), 0);
    assert_eq!(system.service("worker")["state"], "ready");
    // It was not the end of the clients that made room.
    newest.set_nonblocking(true).unwrap();
    let next = newest.read(&mut answer).map_err(|error| error.kind());
    assert_eq!(next, Err(ErrorKind::WouldBlock));
}
