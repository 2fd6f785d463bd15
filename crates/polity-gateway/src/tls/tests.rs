//! What becomes of certificates whose files are replaced.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use polity_plan::CertificateFiles;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use super::*;

/// A certificate that is served with, its files, and who signs others.
struct Renewal {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
    serving: Serving,
}

fn params(hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<_> = hosts.iter().map(|it| it.to_string()).collect();
    CertificateParams::new(hosts).expect("they are hosts")
}

impl Renewal {
    fn begin() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let key = KeyPair::generate().expect("a key");
        let mut authority = CertificateParams::default();
        authority
            .distinguished_name
            .push(rcgen::DnType::CommonName, "an authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = Issuer::new(authority, key);
        sign(folder.path(), &issuer, params(&["shop.example"]));
        let source = Source::Files(vec![files(folder.path())]);
        let provider = aws_lc_rs::default_provider();
        let certificates = source
            .load(&provider, SystemTime::now())
            .expect("it is in order");
        Self {
            folder,
            issuer,
            serving: Serving {
                source,
                certificates: Arc::new(Certificates::new(certificates, Arc::default())),
                clock: Arc::new(SystemClock),
                clients: None,
                in_force: InForce::default(),
            },
        }
    }

    /// What is served with is what is in the file.
    fn serves_file(&self) -> bool {
        let before = self.serving.certificates.all();
        let before = before[0].as_ref().expect("there is one");
        let text = fs::read(self.folder.path().join("shop.pem")).expect("it is there");
        let in_file = rustls::pki_types::pem::PemObject::from_pem_slice(&text);
        in_file.is_ok_and(|it: rustls::pki_types::CertificateDer<'_>| it == before.key.cert[0])
    }

    #[track_caller]
    fn check(&self, is_taken_up: bool) {
        self.serving.refresh();
        assert_eq!(self.serves_file(), is_taken_up);
    }

    fn sign(&self, params: CertificateParams) {
        sign(self.folder.path(), &self.issuer, params);
    }
}

fn files(folder: &Path) -> CertificateFiles {
    CertificateFiles {
        certificate: folder.join("shop.pem"),
        key: folder.join("shop.key"),
    }
}

fn sign(folder: &Path, issuer: &Issuer<'_, KeyPair>, params: CertificateParams) {
    let key = KeyPair::generate().expect("a key");
    let signed = params.signed_by(&key, issuer).expect("it is signed");
    let files = files(folder);
    fs::write(files.key, key.serialize_pem()).expect("it is written");
    fs::write(files.certificate, signed.pem()).expect("it is written");
}

#[test]
fn one_that_is_in_order_takes_the_place_of_the_one_before() {
    let renewal = Renewal::begin();
    renewal.sign(params(&["shop.example", "www.shop.example"]));
    assert!(!renewal.serves_file());
    renewal.check(true);
}

#[test]
fn one_for_another_host_does_not() {
    let renewal = Renewal::begin();
    renewal.sign(params(&["mail.example"]));
    renewal.check(false);
}

#[test]
fn one_whose_time_is_over_or_has_not_come_does_not() {
    let renewal = Renewal::begin();
    let day = Duration::from_secs(86_400);
    let mut over = params(&["shop.example"]);
    over.not_after = (SystemTime::now() - day).into();
    renewal.sign(over);
    renewal.check(false);
    let mut to_come = params(&["shop.example"]);
    to_come.not_before = (SystemTime::now() + day).into();
    renewal.sign(to_come);
    renewal.check(false);
}

#[test]
fn one_that_signed_itself_does_not() {
    let renewal = Renewal::begin();
    let key = KeyPair::generate().expect("a key");
    let signed = params(&["shop.example"]).self_signed(&key).expect("signed");
    let files = files(renewal.folder.path());
    fs::write(files.key, key.serialize_pem()).expect("it is written");
    fs::write(files.certificate, signed.pem()).expect("it is written");
    renewal.check(false);
}

#[test]
fn half_of_it_does_not_nor_one_whose_key_is_another() {
    let renewal = Renewal::begin();
    let files = files(renewal.folder.path());
    let old_key = fs::read(&files.key).expect("it is there");
    renewal.sign(params(&["shop.example"]));
    let (whole, key) = (
        fs::read(&files.certificate).expect("it is there"),
        fs::read(&files.key).expect("it is there"),
    );
    for broken in [
        &whole[..whole.len() / 2],
        b"",
        b"-----BEGIN CERTIFICATE-----\n",
    ] {
        fs::write(&files.certificate, broken).expect("it is written");
        renewal.check(false);
    }
    fs::write(&files.certificate, &whole).expect("it is written");
    fs::write(&files.key, &old_key).expect("it is written");
    renewal.check(false);
    fs::remove_file(&files.key).expect("it is there");
    renewal.check(false);
    fs::write(&files.key, key).expect("it is written");
    renewal.check(true);
}

#[track_caller]
fn check_flaw(certificate: &[u8], key: &[u8], expected: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let files = files(folder.path());
    fs::write(&files.certificate, certificate).expect("it is written");
    fs::write(&files.key, key).expect("it is written");
    let loaded = certificate::load(&files, &aws_lc_rs::default_provider());
    let why = loaded.expect_err("it is not in order").to_string();
    assert!(why.contains(expected), "{why}");
}

#[test]
fn what_is_wrong_is_said_with_the_files_name() {
    let renewal = Renewal::begin();
    let files = files(renewal.folder.path());
    let (certificate, key) = (
        fs::read(files.certificate).expect("it is there"),
        fs::read(files.key).expect("it is there"),
    );
    check_flaw(&key, &key, "shop.pem: holds no certificate");
    check_flaw(&certificate, &certificate, "shop.key: holds no private key");
    check_flaw(
        &certificate[..99],
        &key,
        "shop.pem: is not PEM, or not whole",
    );
    let other = KeyPair::generate().expect("a key").serialize_pem();
    check_flaw(
        &certificate,
        other.as_bytes(),
        "shop.key: holds a key that cannot be used",
    );
    let junk = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    check_flaw(
        junk,
        &key,
        "shop.pem: holds a certificate that cannot be read",
    );
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_no_watch() {
    static TRIES: AtomicUsize = AtomicUsize::new(0);
    let renewal = Renewal::begin();
    let serving = Arc::new(renewal.serving);
    let watch = watch::follow(Arc::downgrade(&serving), |serving| {
        match TRIES.fetch_add(1, Ordering::Relaxed) {
            0 => panic!("on purpose"),
            _ => serving.refresh(),
        }
    });
    let watch = tokio::spawn(watch);
    let tried = async |count| {
        while TRIES.load(Ordering::Relaxed) < count {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tried(1).await;
    // Nothing has changed: what has failed is not tried again.
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(TRIES.load(Ordering::Relaxed), 1);
    sign(
        renewal.folder.path(),
        &renewal.issuer,
        params(&["shop.example"]),
    );
    let chain = || {
        serving.certificates.all()[0]
            .as_ref()
            .map(|it| it.key.cert.clone())
    };
    let before = chain();
    tried(2).await;
    while chain() == before {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    drop(serving);
    assert!(watch.await.is_ok());
}
