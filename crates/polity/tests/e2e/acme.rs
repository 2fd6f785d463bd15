//! Certificates by ACME, from Pebble: the authority that Let's Encrypt makes for tests of clients.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rcgen::generate_simple_self_signed;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::https::installed;
use crate::system::System;
use crate::wait;

const ACCOUNT: (&str, &str) = (
    "kid-1",
    "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W",
);

/// An authority, and the names that it looks up: each of them is this machine.
struct Pebble {
    folder: TempDir,
    processes: Vec<Child>,
    port: u16,
    management: u16,
}

impl Pebble {
    /// One that looks for proofs at the ports of `system`.
    fn start(system: &System) -> Self {
        let folder = TempDir::new().unwrap();
        let own = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(folder.path().join("ca.pem"), own.cert.pem()).unwrap();
        fs::write(
            folder.path().join("ca.key"),
            own.signing_key.serialize_pem(),
        )
        .unwrap();
        let [port, management, names, commands] = free_ports();
        let config = json!({"pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": folder.path().join("ca.pem"),
            "privateKey": folder.path().join("ca.key"),
            "httpPort": address(system, "http").1,
            "tlsPort": address(system, "gateway").1,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": true,
            "externalAccountMACKeys": {ACCOUNT.0: ACCOUNT.1},
            "domainBlocklist": ["blocked.example.com"],
            "retryAfter": {"authz": 1, "order": 1},
        }});
        fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        let mut pebble = Self {
            folder,
            processes: Vec::new(),
            port,
            management,
        };
        let names = format!("127.0.0.1:{names}");
        let mut resolver = Command::new(installed("go/pebble-challtestsrv"));
        resolver.args(["-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""]);
        resolver.args([
            "-dnsserver",
            &names,
            "-management",
            &format!("127.0.0.1:{commands}"),
        ]);
        pebble.run(resolver.args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", ""]));
        let mut authority = Command::new(installed("go/pebble"));
        authority.args(["-strict", "-dnsserver", &names, "-config"]);
        authority.arg(pebble.folder.path().join("config.json"));
        pebble.run(authority.env("PEBBLE_VA_NOSLEEP", "1"));
        pebble
    }

    fn run(&mut self, command: &mut Command) {
        let log = File::options();
        let log = || {
            let path = self.folder.path().join("log");
            log.clone().create(true).append(true).open(path).unwrap()
        };
        let child = command.stdin(Stdio::null()).stdout(log()).stderr(log());
        self.processes.push(child.spawn().unwrap());
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    fn issued(&self) -> usize {
        self.log().matches("Issued certificate serial").count()
    }

    /// The root of what it signs.
    fn root(&self) -> PathBuf {
        let path = self.folder.path().join("root.pem");
        let url = format!("https://127.0.0.1:{}/roots/0", self.management);
        wait::until("pebble runs", || {
            let mut curl = Command::new("curl");
            let ran = curl
                .args(["-sSk", "--fail", "-o"])
                .arg(&path)
                .arg(&url)
                .output();
            ran.unwrap().status.success().then_some(())
        });
        path
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("pebble said:\n{}", self.log());
        }
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn free_ports<const N: usize>() -> [u16; N] {
    let held = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|it| it.local_addr().unwrap().port())
}

/// Where a part listens, as its URL's host and port.
#[track_caller]
fn address(system: &System, part: &str) -> (String, u16) {
    let run = fs::read_to_string(system.data().join("run.json")).expect("it runs");
    let run: Value = serde_json::from_str(&run).unwrap();
    let address: std::net::SocketAddr = run["addresses"][part].as_str().unwrap().parse().unwrap();
    (address.ip().to_string(), address.port())
}

/// A plan that answers everything by itself.
fn plan(tls: &str) -> String {
    format!(
        "[gateway]\nlisten = \"127.0.0.1:0\"\nlisten_http = \"127.0.0.1:0\"\n{tls}\n\
         [[gateway.redirects]]\npath = \"/\"\nto = \"https://elsewhere.example/\"\n\
         [console]\nlisten = \"127.0.0.1:0\"\n"
    )
}

/// What a client gets that trusts `root` and asks `domain`: a status, or nothing.
fn ask(system: &System, root: &Path, domain: &str) -> String {
    let (host, port) = address(system, "gateway");
    let mut curl = Command::new("curl");
    curl.args([
        "-sS",
        "--max-time",
        "10",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
    ])
    .args(["--resolve", &format!("{domain}:{port}:{host}"), "--cacert"])
    .arg(root)
    .arg(format!("https://{domain}:{port}/"));
    let ran = curl.output().unwrap();
    String::from_utf8(ran.stdout).unwrap()
}

#[track_caller]
fn wait_for(system: &System, root: &Path, domain: &str) {
    let served = wait::soon(|| (ask(system, root, domain) == "308").then_some(()));
    assert!(
        served.is_some(),
        "{domain} is not served\n{}",
        system.output()
    );
}

#[test]
fn a_domain_is_all_it_takes() {
    let has_go = Command::new("go").arg("version").output().is_ok();
    if !has_go {
        eprintln!("skipped: Pebble, the authority for tests, takes go to be installed");
        return;
    }
    let system = System::folder(&plan("tls = \"local\"")).started();
    let pebble = Pebble::start(&system);
    let root = pebble.root();
    let acme = |domains: &str| {
        let (kid, key) = ACCOUNT;
        plan(&format!(
            "domain = {domains}\n\
             acme = {{ directory = \"https://localhost:{}/dir\", email = \"ops@example.com\", \
             roots = \"{}\", eab = {{ kid = \"{kid}\", hmac_key = \"{key}\" }} }}",
            pebble.port,
            pebble.folder.path().join("ca.pem").display(),
        ))
    };
    let edit = |domains: &str| {
        fs::write(system.path().join("polity.toml"), acme(domains)).unwrap();
    };
    edit("\"shop.example.com\"");
    wait_for(&system, &root, "shop.example.com");
    assert!(
        pebble.log().contains("validate w/ HTTP"),
        "{}",
        pebble.log()
    );

    // One more, and one that is refused, which is the others' affair as little as the clients'.
    edit("[\"blocked.example.com\", \"www.example.com\", \"shop.example.com\"]");
    wait_for(&system, &root, "www.example.com");
    wait_for(&system, &root, "shop.example.com");
    assert_eq!(pebble.issued(), 2, "{}", pebble.log());
    wait::until("the refusal is told", || {
        let output = system.output();
        let told = output.contains("no certificate for blocked.example.com yet");
        (told && output.contains("the next attempt is in")).then_some(())
    });

    let folder = system.data().join("tls/acme");
    let folder = fs::read_dir(folder)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    for file in [
        "account.json",
        "shop.example.com.pem",
        "shop.example.com.json",
    ] {
        let mode = fs::metadata(folder.join(file))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }

    // A restart asks nobody.
    let mut system = system;
    system.stop();
    let system = system.started();
    wait_for(&system, &root, "shop.example.com");
    assert_eq!(pebble.issued(), 2, "{}", pebble.log());
}

#[test]
fn a_domain_is_proved_within_tls_where_there_is_no_plain_http() {
    let has_go = Command::new("go").arg("version").output().is_ok();
    if !has_go {
        eprintln!("skipped: Pebble, the authority for tests, takes go to be installed");
        return;
    }
    let system = System::folder(&plan("tls = \"local\"")).started();
    let pebble = Pebble::start(&system);
    let root = pebble.root();
    let (kid, key) = ACCOUNT;
    let text = plan(&format!(
        "domain = \"shop.example.com\"\n\
         acme = {{ directory = \"https://localhost:{}/dir\", roots = \"{}\", \
         eab = {{ kid = \"{kid}\", hmac_key = \"{key}\" }} }}",
        pebble.port,
        pebble.folder.path().join("ca.pem").display(),
    ));
    let text = text.replace("listen_http = \"127.0.0.1:0\"", "listen_http = false");
    fs::write(system.path().join("polity.toml"), text).unwrap();
    wait_for(&system, &root, "shop.example.com");
    assert!(
        !pebble.log().contains("validate w/ HTTP"),
        "{}",
        pebble.log()
    );
}
