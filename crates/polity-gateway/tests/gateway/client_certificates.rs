//! Clients that prove who they are by a certificate.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use crate::support::*;
use crate::tls::{Https, local_root, shake_hands};

const NAME: &str = "x-forwarded-client-cert";

fn asking(required: bool) -> String {
    format!(
        "[gateway]\nlisten = \"127.0.0.1:0\"\ntls = \"local\"\n\
         client_certificates = {{ roots = \"clients.pem\", required = {required} }}\n\
         [service.shop]\nrun = \"shop\"\nroute = \"/\"\n"
    )
}

/// Who signs clients' certificates.
struct Signer(Issuer<'static, KeyPair>, String);

impl Signer {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap().pem();
        Self(Issuer::new(params, key), root)
    }

    fn is_trusted(&self, folder: &Path) {
        std::fs::write(folder.join("clients.pem"), &self.1).unwrap();
    }

    /// A client with a certificate, which trusts the gateway's.
    fn client(&self, system: &System) -> TlsConnector {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "robot 7");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let uri = "spiffe://shop.example/robot".try_into().unwrap();
        params.subject_alt_names = vec![SanType::URI(uri)];
        let chain = vec![params.signed_by(&key, &self.0).unwrap().der().clone()];
        connector(system, Some((chain, key)))
    }
}

type Shown = (Vec<CertificateDer<'static>>, KeyPair);

fn connector(system: &System, shown: Option<Shown>) -> TlsConnector {
    let mut store = RootCertStore::empty();
    store.add(local_root(system.folder.path())).unwrap();
    let config = ClientConfig::builder().with_root_certificates(store);
    let config = match shown {
        Some((chain, key)) => {
            let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
            config.with_client_auth_cert(chain, key).unwrap()
        }
        None => config.with_no_client_auth(),
    };
    TlsConnector::from(Arc::new(config))
}

/// What becomes of a request, which may say more of itself than is true.
async fn ask(system: &System, client: &TlsConnector) -> io::Result<Answer> {
    let mut client: Https = shake_hands(system, client, "localhost").await?;
    let request = format!("GET / HTTP/1.1\r\nhost: a\r\n{NAME}: Subject=\"CN=root\"\r\n\r\n");
    client.send(&request).await;
    // A client of TLS 1.3 has shaken hands before the other side has looked at its certificate.
    client
        .answer()
        .await
        .ok_or(io::ErrorKind::ConnectionReset.into())
}

async fn start(required: bool) -> (System, Origin, Signer) {
    let (folder, signer) = (tempfile::tempdir().unwrap(), Signer::new());
    signer.is_trusted(folder.path());
    let system = System::start_in(folder, &asking(required)).await;
    let origin = system.origin("shop", "shop-1").await;
    (system, origin, signer)
}

#[tokio::test]
async fn who_shows_a_certificate_is_named_to_the_service_and_in_the_log() {
    let (system, _origin, signer) = start(true).await;
    let answer = ask(&system, &signer.client(&system)).await.unwrap();
    let said = answer.sent(NAME).unwrap();
    assert!(said.starts_with("Hash="), "{said}");
    let expected = ";Subject=\"CN=robot 7\";URI=\"spiffe://shop.example/robot\"";
    assert!(
        said.replace("CN=rcgen self signed cert, ", "")
            .ends_with(expected),
        "{said}"
    );
    assert!(!said.contains("root"), "{said}");
    let line = system.line(|line| line["status"] == 200).await;
    assert_eq!(line["client_certificate"], said);
}

#[tokio::test]
async fn who_shows_none_or_another_s_is_refused() {
    let (system, _origin, _signer) = start(true).await;
    assert!(ask(&system, &connector(&system, None)).await.is_err());
    let other = Signer::new().client(&system);
    assert!(ask(&system, &other).await.is_err());
}

#[tokio::test]
async fn where_it_is_not_required_who_shows_none_is_nobody() {
    let (system, _origin, signer) = start(false).await;
    let answer = ask(&system, &connector(&system, None)).await.unwrap();
    assert_eq!(answer.sent(NAME), None, "whatever it says itself");
    let answer = ask(&system, &signer.client(&system)).await.unwrap();
    assert!(answer.sent(NAME).unwrap().contains("robot 7"));
    let other = Signer::new().client(&system);
    assert!(ask(&system, &other).await.is_err());
}

#[tokio::test]
async fn roots_that_change_are_taken_up_and_broken_ones_are_not() {
    let (system, _origin, before) = start(true).await;
    let (old, after) = (before.client(&system), Signer::new());
    let new = after.client(&system);
    assert!(ask(&system, &old).await.is_ok());
    assert!(ask(&system, &new).await.is_err());
    after.is_trusted(system.folder.path());
    while ask(&system, &new).await.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(ask(&system, &old).await.is_err());
    let nothing = asking(true).replace("clients.pem", "nothing.pem");
    let refused = system.handle.apply(plan(&nothing)).await.unwrap_err();
    assert!(refused.to_string().contains("nothing.pem"), "{refused}");
    assert!(ask(&system, &new).await.is_ok());
    system.handle.apply(plan(&asking(false))).await.unwrap();
    assert!(ask(&system, &connector(&system, None)).await.is_ok());
}
