//! The work by which the binary is laid out: what gateways do all day, each kind of it a fixed number of times.
//!
//! It is not what the benchmark measures, though of the same kinds: other routes, other fields, other
//! sizes. What is rare in production is rare here, so that it ends up where what is rare belongs.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::bench::contenders::{answers, free_address};
use crate::bench::process::{Process, first_line, tied};

/// A binary that counts is slow.
const START: Duration = Duration::from_secs(30);

/// One kind of request.
struct Work {
    name: &'static str,
    request: fn() -> String,
    status: u16,
    /// Requests of one visit.
    requests: usize,
    /// Over so many connections at once, which are new in each visit.
    connections: usize,
    visits: usize,
}

const WORK: [Work; 11] = [
    kept("small answers, few at once", small, 24_000, 8),
    kept("small answers, some at once", small, 32_000, 48),
    kept("small answers, many at once", small, 32_000, 400),
    kept("a browser's requests", browser, 40_000, 32),
    kept("calls of an API, with queries and ids", api, 24_000, 32),
    kept("large answers", large, 8_000, 32),
    kept("small bodies", small_body, 24_000, 32),
    kept("bodies of a known length", body, 8_000, 32),
    kept("bodies in chunks", chunks, 8_000, 32),
    Work {
        visits: 300,
        ..kept("new connections", browser, 16, 8)
    },
    Work {
        status: 404,
        ..kept("requests that lead nowhere", nowhere, 400, 8)
    },
];

const fn kept(
    name: &'static str,
    request: fn() -> String,
    requests: usize,
    connections: usize,
) -> Work {
    Work {
        name,
        request,
        status: 200,
        requests,
        connections,
        visits: 1,
    }
}

/// Has `polity` do all of it; what it counts goes to `counts` when it ends.
pub(super) fn run(polity: &Path, instruments: &Path, counts: &Path) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new().prefix("polity-dist-").tempdir()?;
    let folder = folder.path();
    let mut origin = tied(instruments);
    origin.arg("origin");
    let (_origin, mut output) = Process::start_piped(origin, &folder.join("origin.log"))?;
    let origin: SocketAddr = first_line(&mut output)?
        .parse()
        .context("the origin did not say where it listens")?;
    let address = free_address()?;
    fs::write(folder.join("polity.toml"), plan(address, origin))?;
    let mut command = tied(polity);
    command.arg("up").arg(folder);
    command.arg("--access-log").arg(folder.join("access.log"));
    // One file for each process, the guardian's among them.
    command.env("LLVM_PROFILE_FILE", counts.join("%p.profraw"));
    let mut process = Process::start(command, &folder.join("output.log"))?;
    process.wait_until(START, || answers(address, "/1k"))?;
    for work in &WORK {
        println!("  {}", work.name);
        for _ in 0..work.visits {
            work.visit(instruments, address, folder)?;
        }
    }
    // It writes down what it has counted when it ends, which this waits for.
    drop(process);
    let written = fs::read_dir(counts)?.next().is_some();
    ensure!(written, "it has not written down what it did");
    Ok(())
}

impl Work {
    fn visit(&self, instruments: &Path, address: SocketAddr, folder: &Path) -> anyhow::Result<()> {
        let file = folder.join("request");
        fs::write(&file, (self.request)())?;
        let output = Command::new(instruments)
            .args(["script", "--address", &address.to_string()])
            .args(["--requests", &self.requests.to_string()])
            .args(["--connections", &self.connections.to_string()])
            .args(["--status", &self.status.to_string(), "--request"])
            .arg(file)
            .output()?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        let complaint = complaint.lines().next().unwrap_or_default();
        ensure!(
            output.status.success(),
            "{} have failed: {complaint}",
            self.name
        );
        Ok(())
    }
}

/// Two services and a handful of routes, one of which changes what it passes on.
fn plan(address: SocketAddr, origin: SocketAddr) -> String {
    format!(
        r#"
[gateway]
listen = "{address}"
limits.connections_per_address = false
limits.queue_delay = false # It is slow, and yet to do all of it.

[console]
listen = "127.0.0.1:0"

[service.pages]
urls = ["http://{origin}"]

[[service.pages.routes]]
path = "/1k"

[[service.pages.routes]]
path = "/garden"

[[service.pages.routes]]
path = "/garden/tools"

[service.orders]
urls = ["http://{origin}"]

[[service.orders.routes]]
path = "/api/orders"
strip = true
"#
    )
}

fn small() -> String {
    "GET /garden/1k HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: probe/2\r\n\r\n".to_owned()
}

/// The origin's answer is named behind the last slash.
fn browser() -> String {
    "GET /garden/tools/spades?page=2&back=/1k HTTP/1.1\r\nHost: www.example.com\r\n\
     Connection: keep-alive\r\n\
     User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
     Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
     Accept-Language: fr,fr-FR;q=0.8,en-US;q=0.5,en;q=0.3\r\n\
     Accept-Encoding: gzip, deflate, br\r\n\
     Cookie: basket=4711; seen=a%2Cb%2Cc; lang=fr\r\n\
     Sec-Fetch-Dest: document\r\n\
     Sec-Fetch-Mode: navigate\r\n\
     Sec-Fetch-Site: none\r\n\
     If-None-Match: \"5f2-60a1b2c3\"\r\n\
     DNT: 1\r\n\r\n"
        .to_owned()
}

fn api() -> String {
    "GET /api/orders?limit=20&after=/1k HTTP/1.1\r\nHost: api.example.com\r\n\
     Accept: application/json\r\nAuthorization: Bearer c2VjcmV0LXRva2Vu\r\n\
     X-Request-Id: 6f0c2d4e-8a1b\r\n\
     Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n"
        .to_owned()
}

fn large() -> String {
    "GET /garden/64k HTTP/1.1\r\nHost: www.example.com\r\nAccept: image/*\r\n\r\n".to_owned()
}

fn small_body() -> String {
    posted(r#"{"customer":7,"items":[{"article":"spade","count":1}]}"#)
}

fn body() -> String {
    posted(&"order ".repeat(2_000))
}

fn posted(body: &str) -> String {
    format!(
        "POST /api/orders/sink HTTP/1.1\r\nHost: api.example.com\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn chunks() -> String {
    let chunk = format!("7d0\r\n{}\r\n", "order".repeat(400));
    format!(
        "POST /api/orders/sink HTTP/1.1\r\nHost: api.example.com\r\n\
         Transfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n",
        chunk.repeat(6)
    )
}

fn nowhere() -> String {
    "GET /wp-login.php HTTP/1.1\r\nHost: www.example.com\r\n\r\n".to_owned()
}
