//! HTTPS at the public entry, by clients that check certificates.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::*;

const LOCAL: &str = "[gateway]\nlisten = \"127.0.0.1:0\"\ntls = \"local\"\n\
     timeouts = { head = \"300ms\" }\n\
     [service.shop]\nrun = \"shop\"\nroute = \"/\"\n\
     [[service.shop.routes]]\nhost = \"*.shop.example\"\n";

pub(crate) type Https = Client<TlsStream<TcpStream>>;

pub(crate) fn trusting(roots: impl IntoIterator<Item = CertificateDer<'static>>) -> TlsConnector {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots);
    let config = ClientConfig::builder().with_root_certificates(store);
    TlsConnector::from(Arc::new(config.with_no_client_auth()))
}

/// Shakes hands with the gateway, which has to prove that it is `host`.
pub(crate) async fn shake_hands(
    system: &System,
    trust: &TlsConnector,
    host: &str,
) -> io::Result<Https> {
    let stream = TcpStream::connect(system.handle.public_address()).await?;
    let name = ServerName::try_from(host.to_owned()).unwrap();
    Ok(Client::over(trust.connect(name, stream).await?))
}

pub(crate) fn local_root(folder: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(folder.join("tls/local-ca.pem")).unwrap()
}

/// With a service, and a client of the local authority.
async fn local() -> (System, Origin, TlsConnector) {
    let system = System::start(LOCAL).await;
    let origin = system.origin("shop", "shop-1").await;
    let trust = trusting([local_root(system.folder.path())]);
    (system, origin, trust)
}

/// An authority, and what it signs.
struct Authority(Issuer<'static, KeyPair>, CertificateDer<'static>);

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap().der().clone();
        Self(Issuer::new(params, key), root)
    }

    fn sign(&self, folder: &Path, file: &str, hosts: &[&str]) {
        let key = KeyPair::generate().unwrap();
        let hosts: Vec<_> = hosts.iter().map(|it| it.to_string()).collect();
        let params = CertificateParams::new(hosts).unwrap();
        let signed = params.signed_by(&key, &self.0).unwrap();
        std::fs::write(folder.join(format!("{file}.key")), key.serialize_pem()).unwrap();
        std::fs::write(folder.join(format!("{file}.pem")), signed.pem()).unwrap();
    }
}

#[tokio::test]
async fn a_request_over_tls_says_so_to_the_service_and_keeps_its_connection() {
    let (system, _origin, trust) = local().await;
    let mut client = shake_hands(&system, &trust, "localhost").await.unwrap();
    for path in ["/a", "/b"] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.sent("x-forwarded-proto"), Some("https"));
        let forwarded = answer.sent("forwarded").unwrap();
        assert!(forwarded.ends_with(";proto=https"), "{forwarded}");
    }
    let closed = "GET /c HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    assert_eq!(client.ask(closed).await.status, 200);
    // In order, or this is an error.
    assert_eq!(client.stream.read(&mut [0; 1]).await.unwrap(), 0);
}

#[tokio::test]
async fn what_comes_in_the_clear_is_sent_to_https() {
    let (system, _origin, _trust) = local().await;
    let mut client = system.client().await;
    for _ in 0..2 {
        let answer = client.get("/a?b=c").await;
        assert_eq!(answer.status, 308);
        assert_eq!(answer.field("location"), Some("https://shop.example/a?b=c"));
    }
    let answer = client.ask("GET / HTTP/1.0\r\n\r\n").await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn a_trusted_proxy_that_ends_tls_may_speak_in_the_clear() {
    let told = "GET /a HTTP/1.1\r\nhost: shop.example\r\nx-forwarded-proto: https\r\n\r\n";
    let (system, _origin, _trust) = local().await;
    let answer = system.client().await.ask(told).await;
    assert_eq!(answer.status, 308, "nobody else is believed");
    let trusting = LOCAL.replace("tls =", "trusted_proxies = [\"127.0.0.1\"]\ntls =");
    system.handle.apply(plan(&trusting)).await.unwrap();
    let mut proxy = system.client().await;
    let answer = proxy.ask(told).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.sent("x-forwarded-proto"), Some("https"));
    let of_http = told.replace("https", "http");
    assert_eq!(proxy.ask(&of_http).await.status, 308);
    assert_eq!(proxy.get("/a").await.status, 308, "it has said nothing");
}

#[tokio::test]
async fn the_local_authority_stays_and_its_certificates_are_for_the_plans_hosts() {
    let (system, _origin, trust) = local().await;
    for host in ["localhost", "127.0.0.1", "::1", "www.shop.example"] {
        let shaken = shake_hands(&system, &trust, host).await;
        assert!(shaken.is_ok(), "{host}: {:?}", shaken.err());
    }
    assert!(shake_hands(&system, &trust, "evil.example").await.is_err());
    let folder = system.folder.path();
    let key = std::fs::metadata(folder.join("tls/local-ca.key")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&key.permissions());
    assert_eq!(mode & 0o777, 0o600);

    let System { folder, .. } = system;
    let again = System::start_in(folder, LOCAL).await;
    assert!(shake_hands(&again, &trust, "localhost").await.is_ok());
}

#[tokio::test]
async fn the_certificate_is_the_one_for_the_host() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (Authority::new(), Authority::new());
    one.sign(folder.path(), "one", &["one.example"]);
    other.sign(
        folder.path(),
        "other",
        &["other.example", "*.other.example"],
    );
    let system = System::start_in(
        folder,
        "[gateway]\nlisten = \"127.0.0.1:0\"\n\
         [[gateway.tls]]\ncertificate = \"one.pem\"\nkey = \"one.key\"\n\
         [[gateway.tls]]\ncertificate = \"other.pem\"\nkey = \"other.key\"\n",
    )
    .await;
    let (one, other) = (trusting([one.1]), trusting([other.1]));
    for (host, trust) in [
        ("one.example", &one),
        ("other.example", &other),
        ("A.other.example", &other),
    ] {
        let shaken = shake_hands(&system, trust, host).await;
        assert!(shaken.is_ok(), "{host}: {:?}", shaken.err());
    }
    let refused = shake_hands(&system, &other, "a.b.other.example").await;
    assert!(refused.is_err(), "a wildcard is for one label");
}

#[tokio::test]
async fn renewed_files_are_taken_up() {
    let folder = tempfile::tempdir().unwrap();
    let (before, after) = (Authority::new(), Authority::new());
    before.sign(folder.path(), "shop", &["shop.example"]);
    let system = System::start_in(
        folder,
        "[gateway]\nlisten = \"127.0.0.1:0\"\ntls = { certificate = \"shop.pem\", key = \"shop.key\" }\n",
    )
    .await;
    let (before, trust) = (trusting([before.1]), trusting([after.1.clone()]));
    assert!(shake_hands(&system, &before, "shop.example").await.is_ok());
    after.sign(system.folder.path(), "shop", &["shop.example"]);
    let renewed = async {
        while shake_hands(&system, &trust, "shop.example").await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, renewed).await.unwrap();
}

#[tokio::test]
async fn a_plan_turns_tls_on_and_off_for_the_connections_after_it() {
    let plain = LOCAL.replace("tls = \"local\"\n", "");
    let system = System::start(&plain).await;
    let _origin = system.origin("shop", "shop-1").await;
    let mut old = system.client().await;
    assert_eq!(old.get("/").await.status, 200);
    system.handle.apply(plan(LOCAL)).await.unwrap();
    let trust = trusting([local_root(system.folder.path())]);
    let mut client = shake_hands(&system, &trust, "localhost").await.unwrap();
    assert_eq!(client.get("/").await.status, 200);
    assert_eq!(old.get("/").await.status, 308);
    let missing =
        "[gateway]\nlisten = \"127.0.0.1:0\"\ntls = { certificate = \"a.pem\", key = \"a.key\" }\n";
    let refused = system.handle.apply(plan(missing)).await;
    let why = refused.unwrap_err().to_string();
    assert!(why.contains("a.pem: cannot be read"), "{why}");
    assert_eq!(client.get("/").await.status, 200, "nothing has changed");
    system.handle.apply(plan(&plain)).await.unwrap();
    assert_eq!(system.get("/").await.status, 200);
}

#[tokio::test]
async fn who_reads_slowly_gets_all_of_it() {
    let (system, _origin, trust) = local().await;
    let mut client = shake_hands(&system, &trust, "localhost").await.unwrap();
    let body = "0123456789abcdef".repeat(1 << 18);
    let head = format!(
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    // The service answers with what it was sent.
    client.send(&head).await;
    client.send(&body).await;
    let head = client.head().await.unwrap();
    let length: usize = field(&head, "content-length").unwrap().parse().unwrap();
    let mut got = Vec::new();
    for piece in (0..length).step_by(20_000) {
        let count = (length - piece).min(20_000);
        got.extend(client.exactly(count).await.unwrap());
        tokio::task::yield_now().await;
    }
    let got = String::from_utf8(got).unwrap();
    assert!(got.ends_with(&body));
    assert_eq!(client.get("/").await.status, 200, "the connection goes on");
}

#[tokio::test]
async fn a_handshake_has_the_time_of_a_head() {
    let (system, _origin, trust) = local().await;
    let mut silent = TcpStream::connect(system.handle.public_address())
        .await
        .unwrap();
    silent.write_all(b"\x16\x03\x01\x02\x00").await.unwrap();
    let ended = tokio::time::timeout(PATIENCE, silent.read_to_end(&mut Vec::new())).await;
    assert!(ended.is_ok(), "it is closed");
    let mut hostile = TcpStream::connect(system.handle.public_address())
        .await
        .unwrap();
    hostile
        .write_all(b"\x16\x03\x01\x00\x05hello")
        .await
        .unwrap();
    let mut said = Vec::new();
    // An alert, and the end.
    let _ = tokio::time::timeout(PATIENCE, hostile.read_to_end(&mut said))
        .await
        .unwrap();
    assert_eq!(said.first(), Some(&0x15), "{said:?}");
    assert!(shake_hands(&system, &trust, "localhost").await.is_ok());
}

#[tokio::test]
async fn a_session_is_resumed() {
    let (system, _origin, _) = local().await;
    let trust = trusting([local_root(system.folder.path())]);
    for is_resumed in [false, true, true] {
        let mut client = shake_hands(&system, &trust, "localhost").await.unwrap();
        assert_eq!(client.get("/").await.status, 200);
        let kind = client.stream.get_ref().1.handshake_kind();
        let resumed = kind == Some(rustls::HandshakeKind::Resumed);
        assert_eq!(resumed, is_resumed, "{kind:?}");
    }
}
