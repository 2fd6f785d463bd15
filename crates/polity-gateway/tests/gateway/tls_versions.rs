//! What of TLS is spoken and what is not: what testssl.sh would look for, by hellos of our own, as no library
//! of today sends them any more.

use std::process::Stdio;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio_rustls::TlsConnector;

use crate::support::*;

const PLAN: &str = "[gateway]\nlisten = \"127.0.0.1:0\"\ntls = \"local\"\n";

const SSL_3: u16 = 0x0300;
const TLS_1_0: u16 = 0x0301;
const TLS_1_1: u16 = 0x0302;
const TLS_1_2: u16 = 0x0303;

/// TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256.
const SOUND: u16 = 0xc02b;

const ALERT: u8 = 0x15;
const HANDSHAKE: u8 = 0x16;

/// Kinds of alerts (RFC 5246, section 7.2).
const HANDSHAKE_FAILURE: u8 = 40;
const ILLEGAL_PARAMETER: u8 = 47;
const PROTOCOL_VERSION: u8 = 70;

/// What a client of TLS 1.2 or before says first.
struct Hello {
    version: u16,
    ciphers: &'static [u16],
    compressions: &'static [u8],
}

impl Hello {
    fn with(version: u16, ciphers: &'static [u16]) -> Self {
        Self {
            version,
            ciphers,
            compressions: &[0],
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut extensions = Vec::new();
        // A name, so that no server has that to complain of.
        extension(
            &mut extensions,
            0,
            &sized16(&[&[0][..], &sized16(b"localhost")].concat()),
        );
        // X25519 and P-256; ECDSA and RSA-PSS with SHA-256; points as they are.
        extension(&mut extensions, 10, &sized16(&[0, 0x1d, 0, 0x17]));
        extension(&mut extensions, 13, &sized16(&[4, 3, 8, 4, 4, 1]));
        extension(&mut extensions, 11, &[1, 0]);
        let ciphers: Vec<u8> = self
            .ciphers
            .iter()
            .flat_map(|it| it.to_be_bytes())
            .collect();
        let body = [
            &self.version.to_be_bytes()[..],
            &[7; 32],
            &[0],
            &sized16(&ciphers),
            &[self.compressions.len() as u8],
            self.compressions,
            &sized16(&extensions),
        ]
        .concat();
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        let message = [&[1][..], &length[1..], &body].concat();
        // RFC 5246, appendix E.1: the record's version is that of the oldest that is spoken.
        let record = self.version.min(TLS_1_0).to_be_bytes();
        [&[HANDSHAKE][..], &record, &sized16(&message)].concat()
    }
}

fn sized16(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
    [&length[..], bytes].concat()
}

fn extension(out: &mut Vec<u8>, kind: u16, content: &[u8]) {
    out.extend(kind.to_be_bytes());
    out.extend(sized16(content));
}

/// The first record of the answer: its kind and what is in it.
async fn answer(system: &System, hello: &[u8]) -> (u8, Vec<u8>) {
    let mut stream = TcpStream::connect(system.handle.public_address())
        .await
        .unwrap();
    stream.write_all(hello).await.unwrap();
    let read = async {
        let mut head = [0; 5];
        stream.read_exact(&mut head).await.unwrap();
        let mut content = vec![0; u16::from_be_bytes([head[3], head[4]]).into()];
        stream.read_exact(&mut content).await.unwrap();
        (head[0], content)
    };
    tokio::time::timeout(PATIENCE, read).await.unwrap()
}

async fn check_refused(system: &System, hello: Hello, alerts: &[u8]) {
    let (kind, content) = answer(system, &hello.bytes()).await;
    let what = format!("{:04x} with {:04x?}", hello.version, hello.ciphers);
    assert_eq!(kind, ALERT, "{what}");
    assert_eq!(content[0], 2, "{what}: it is fatal");
    assert!(alerts.contains(&content[1]), "{what}: {content:?}");
}

#[tokio::test]
async fn versions_before_1_2_are_refused() {
    let system = System::start(PLAN).await;
    for version in [SSL_3, TLS_1_0, TLS_1_1] {
        let hello = Hello::with(version, &[SOUND, 0xc009, 0xc00a, 0x002f]);
        check_refused(&system, hello, &[PROTOCOL_VERSION]).await;
    }
    // One of SSL 2 begins with its length: what no handshake begins with is taken for HTTP, which it is not.
    let mut old = system.client().await;
    old.stream
        .write_all(b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10\x01\x00\x80\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(old.answer().await.map(|it| it.status), Some(400));
}

#[tokio::test]
async fn of_1_2_only_what_is_sound_is_spoken() {
    let system = System::start(PLAN).await;
    let unsound: [(&str, &'static [u16]); 9] = [
        ("none at all", &[0x0001, 0x0002, 0x003b, 0xc006]),
        ("anonymous", &[0x0034, 0xc018, 0xc019]),
        ("for export", &[0x0003, 0x0006, 0x0008, 0x0014, 0x0062]),
        ("RC4", &[0x0004, 0x0005, 0xc007, 0xc011]),
        ("DES and 3DES", &[0x0009, 0x000a, 0x0016, 0xc008, 0xc012]),
        ("CBC", &[0xc009, 0xc00a, 0xc013, 0xc014, 0xc023, 0xc027]),
        ("keys of RSA", &[0x002f, 0x0035, 0x009c, 0x009d]),
        ("finite fields", &[0x0033, 0x0039, 0x009e, 0x009f]),
        ("CCM", &[0xc0ac, 0xc0ad, 0xc0ae, 0xc0af]),
    ];
    for (name, ciphers) in unsound {
        eprintln!("{name}");
        check_refused(&system, Hello::with(TLS_1_2, ciphers), &[HANDSHAKE_FAILURE]).await;
    }
    let compressed = Hello {
        compressions: &[1],
        ..Hello::with(TLS_1_2, &[SOUND])
    };
    let alerts = [ILLEGAL_PARAMETER, HANDSHAKE_FAILURE];
    check_refused(&system, compressed, &alerts).await;

    let hello = Hello {
        compressions: &[1, 0],
        ..Hello::with(TLS_1_2, &[0x0005, 0xc013, SOUND])
    };
    let (kind, content) = answer(&system, &hello.bytes()).await;
    assert_eq!((kind, content[0]), (HANDSHAKE, 2), "a server's hello");
    assert_eq!(content[4..6], TLS_1_2.to_be_bytes());
    let session = usize::from(content[38]);
    let chosen = &content[39 + session..][..3];
    assert_eq!(chosen, [0xc0, 0x2b, 0], "and no compression");
}

#[tokio::test]
async fn today_s_clients_get_1_3_or_what_is_sound_of_1_2() {
    let system = System::start(PLAN).await;
    let root = system.folder.path().join("tls/local-ca.pem");
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(root).unwrap())
        .unwrap();
    let shake_hands = async |versions: &[&'static SupportedProtocolVersion]| {
        let config = ClientConfig::builder_with_protocol_versions(versions)
            .with_root_certificates(roots.clone())
            .with_no_client_auth();
        let stream = TcpStream::connect(system.handle.public_address())
            .await
            .unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, stream).await.unwrap()
    };
    let both = [&rustls::version::TLS12, &rustls::version::TLS13];
    let stream = shake_hands(&both).await;
    let version = stream.get_ref().1.protocol_version();
    assert_eq!(version, Some(ProtocolVersion::TLSv1_3));
    let stream = shake_hands(&both[..1]).await;
    let session = stream.get_ref().1;
    assert_eq!(session.protocol_version(), Some(ProtocolVersion::TLSv1_2));
    let suite = session.negotiated_cipher_suite().unwrap().suite();
    let suite = format!("{suite:?}");
    let is_aead = suite.contains("GCM") || suite.contains("CHACHA20_POLY1305");
    assert!(suite.starts_with("TLS_ECDHE") && is_aead, "{suite}");
}

#[tokio::test]
async fn no_client_renegotiates() {
    let system = System::start(PLAN).await;
    let address = system.handle.public_address().to_string();
    let mut client = Command::new("openssl");
    client
        .args(["s_client", "-connect", &address, "-tls1_2"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let Ok(mut client) = client.spawn() else {
        eprintln!("skipped: there is no openssl to ask for a renegotiation");
        return;
    };
    let mut input = client.stdin.take().unwrap();
    // Alone in a line, it asks for one.
    input.write_all(b"R\n").await.unwrap();
    let ended = tokio::time::timeout(PATIENCE, client.wait_with_output()).await;
    let ended = ended.expect("it gives up").unwrap();
    let said = [ended.stdout, ended.stderr].concat();
    let said = String::from_utf8_lossy(&said).to_lowercase();
    assert!(said.contains("renegotiating"), "{said}");
    assert!(said.contains("no renegotiation"), "{said}");
    drop(input);
}
