//! HTTPS and HTTP/2, by clients that other people wrote.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::system::System;

/// A system of one service, and how clients reach it.
struct Site {
    system: System,
    /// `https://localhost:PORT`
    url: String,
    /// The certificate to trust.
    authority: String,
}

impl Site {
    fn start() -> Self {
        let origin = scripts().join("origin.js");
        let plan = format!(
            "[gateway]\nlisten = \"127.0.0.1:0\"\ntls = \"local\"\nlimits = {{ queue_delay = false }}\n\
             [console]\nlisten = \"127.0.0.1:0\"\n\
             [service.origin]\nrun = \"node {}\"\nroute = \"/\"\n",
            origin.display()
        );
        let system = System::folder(&plan).started();
        Self {
            url: format!("https://localhost:{}", system.gateway().port()),
            authority: system.data().join("tls/local-ca.pem").display().to_string(),
            system,
        }
    }

    fn port(&self) -> String {
        self.system.gateway().port().to_string()
    }

    /// Runs a client to its end and gives what it printed, which is shown if it fails.
    #[track_caller]
    fn ask(&self, client: &mut Command) -> String {
        let ran = client.output();
        let ran = ran.expect("`cargo xtask setup` installs the clients");
        let stdout = String::from_utf8_lossy(&ran.stdout).into_owned();
        assert!(
            ran.status.success(),
            "{client:?}: {}\n{stdout}{}\n{}",
            ran.status,
            String::from_utf8_lossy(&ran.stderr),
            self.system.output()
        );
        stdout
    }
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/clients")
}

/// What `cargo xtask setup` has installed beside what is built.
#[track_caller]
pub(crate) fn installed(path: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    let target = test.ancestors().nth(3).expect("target/debug/deps/test");
    let path = target.join("clients").join(path);
    let found = path.exists();
    assert!(
        found,
        "{} is not there: `cargo xtask setup` installs the clients",
        path.display()
    );
    path
}

fn curl(site: &Site, arguments: &[&str]) -> Command {
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--fail", "--max-time", "30", "--cacert"])
        .arg(&site.authority)
        .args(arguments);
    curl
}

#[test]
fn curl_speaks_both_versions() {
    let site = Site::start();
    let large = format!("{}/large", site.url);
    let said = "%{http_version} %{size_download}";
    for (version, expected) in [("--http1.1", "1.1 1048576"), ("--http2", "2 1048576")] {
        let arguments = [version, "-o", "/dev/null", "-w", said, &large];
        assert_eq!(site.ask(&mut curl(&site, &arguments)), expected);
    }
    // Plain HTTP at the same port is sent on.
    let plain = format!("http://localhost:{}/", site.port());
    let arguments = ["-L", "-w", "%{http_version} %{url_effective}", &plain];
    let said = site.ask(&mut curl(&site, &arguments));
    assert_eq!(said, format!("hello\n2 {}/", site.url));
}

#[test]
fn nghttp_has_many_streams_at_once() {
    let site = Site::start();
    let mut nghttp = Command::new("nghttp");
    nghttp.args(["--multiply=100", "--no-dep", "--timeout=30"]);
    let said = site.ask(nghttp.arg(format!("{}/", site.url)));
    assert_eq!(said.matches("hello\n").count(), 100, "{said}");
    let mut h2load = Command::new("h2load");
    h2load.args(["-n2000", "-c10", "-m20", "-D0"]);
    let said = site.ask(h2load.arg(format!("{}/large", site.url)));
    assert!(
        said.contains("2000 succeeded, 0 failed, 0 errored"),
        "{said}"
    );
}

#[test]
fn httpx_has_many_requests_at_once() {
    let site = Site::start();
    let mut python = Command::new(installed("python/bin/python3"));
    python.arg(scripts().join("http2.py"));
    site.ask(python.args([&site.url, &site.authority]));
}

#[test]
fn node_streams_upgrades_and_gives_up() {
    let site = Site::start();
    let mut node = Command::new("node");
    node.arg(scripts().join("http2.js"));
    site.ask(node.args([&site.url, &site.authority]));
}

#[test]
fn h2spec_finds_nothing() {
    let site = Site::start();
    let mut h2spec = Command::new(installed("go/h2spec"));
    h2spec.args(["--strict", "--tls", "--insecure", "--host", "localhost"]);
    let said = site.ask(h2spec.args(["--timeout", "5", "--port", &site.port()]));
    assert!(said.contains("0 skipped, 0 failed"), "{said}");
}
