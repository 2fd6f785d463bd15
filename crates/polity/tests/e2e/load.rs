//! A load that forgives nothing: keep-alive connections, each asking again as soon as it is answered.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::wait;

const CONNECTIONS: usize = 6;

/// Longer than any answer may take: reaching it is a failed request.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The requests that are to be answered before and after something is done to the system.
const SETTLED: u64 = 300;

/// GETs of one path until it is stopped.
pub(crate) struct Load {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stopped: AtomicBool,
    answered: AtomicU64,
    failures: Mutex<Vec<String>>,
}

impl Load {
    /// Starts to ask, and returns once requests are answered.
    pub(crate) fn start(address: SocketAddr, path: &str) -> Self {
        let shared = Arc::new(Shared::default());
        let client = |_| {
            let (shared, path) = (Arc::clone(&shared), path.to_owned());
            thread::spawn(move || client(address, &path, &shared))
        };
        let load = Self {
            clients: (0..CONNECTIONS).map(client).collect(),
            shared,
        };
        load.goes_on();
        load
    }

    /// Waits until many more requests are answered, so that what was done before meets them.
    #[track_caller]
    pub(crate) fn goes_on(&self) {
        let answered = || self.shared.answered.load(Ordering::Relaxed);
        let enough = answered() + SETTLED;
        let failed = || !self.shared.failures.lock().unwrap().is_empty();
        wait::until("requests are answered", || {
            (answered() >= enough || failed()).then_some(())
        });
    }

    /// Stops, and fails if a single request did.
    #[track_caller]
    pub(crate) fn stop_without_a_failure(self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().unwrap();
        }
        let failures = self.shared.failures.lock().unwrap();
        let answered = self.shared.answered.load(Ordering::Relaxed);
        assert!(
            failures.is_empty(),
            "{answered} answered; failed: {failures:#?}"
        );
    }
}

fn client(address: SocketAddr, path: &str, shared: &Shared) {
    let mut connection = None;
    while !shared.stopped.load(Ordering::Relaxed) {
        match request(&mut connection, address, path) {
            Ok(()) => {
                shared.answered.fetch_add(1, Ordering::Relaxed);
            }
            Err(failure) => {
                connection = None;
                shared.failures.lock().unwrap().push(failure);
            }
        }
    }
}

/// One request on the connection that is there, or a new one. A connection that the gateway has
/// announced to close is no failure; one that breaks is.
fn request(
    connection: &mut Option<BufReader<TcpStream>>,
    address: SocketAddr,
    path: &str,
) -> Result<(), String> {
    let stream = match connection {
        Some(stream) => stream,
        None => {
            let stream =
                TcpStream::connect(address).map_err(|error| format!("connect: {error}"))?;
            stream.set_read_timeout(Some(TIMEOUT)).unwrap();
            stream.set_nodelay(true).unwrap();
            connection.insert(BufReader::new(stream))
        }
    };
    let head = format!("GET {path} HTTP/1.1\r\nhost: shop\r\n\r\n");
    stream
        .get_mut()
        .write_all(head.as_bytes())
        .map_err(|error| format!("write: {error}"))?;

    let read = |error| format!("read: {error}");
    let mut line = String::new();
    let mut answer = String::new();
    let (mut length, mut closes) = (None, false);
    while line != "\r\n" {
        line.clear();
        if stream.read_line(&mut line).map_err(read)? == 0 {
            return Err(format!("the connection ended in {answer:?}"));
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse::<usize>().ok();
        }
        closes |= lower.starts_with("connection:") && lower.contains("close");
        answer.push_str(&line);
    }
    let length = length.ok_or_else(|| format!("no length: {answer:?}"))?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).map_err(read)?;
    if closes {
        *connection = None;
    }
    match answer.starts_with("HTTP/1.1 200 ") {
        true => Ok(()),
        false => Err(format!("{answer}{}", String::from_utf8_lossy(&body))),
    }
}
