//! `tls = "local"`: an authority of this machine's own, made once, and certificates signed by it.
//!
//! A browser that trusts its root takes all of them. The root's key never leaves the data folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use polity_plan::Plan;
use polity_route::HostPattern;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use super::certificate::{Certificate, Facts};
use super::files::{PRIVATE, PUBLIC, write};

const DAY: Duration = Duration::from_secs(86_400);

/// As long as the machine is likely to be used.
const AUTHORITY_DAYS: u32 = 3650;

/// Browsers take none that are valid for more than 398 days; these are made anew long before.
const CERTIFICATE_DAYS: u32 = 90;

/// One that has less left is made anew.
pub(super) const RENEWED_BEFORE: Duration = Duration::from_secs(30 * 86_400);

/// Names that are this machine wherever it is.
const OWN_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// What clients have to trust.
pub(super) fn authority_file(folder: &Path) -> PathBuf {
    folder.join("local-ca.pem")
}

fn key_file(folder: &Path) -> PathBuf {
    folder.join("local-ca.key")
}

/// The hosts that a certificate has to be for: this machine's, and those of the plan's routes.
pub(super) fn names(plan: &Plan) -> Vec<String> {
    let mut names = OWN_NAMES.map(str::to_owned).to_vec();
    names.extend(plan.gateway.domains.iter().cloned());
    let routes = plan.services.values().flat_map(|it| &it.routes);
    let redirects = plan.gateway.redirects.iter().map(|it| &it.pattern);
    let sites = plan.sites.values().flat_map(|it| &it.routes);
    let patterns = routes.chain(sites).map(|it| &it.pattern);
    for pattern in patterns.chain(redirects) {
        let name = match &pattern.host {
            HostPattern::Any => continue,
            HostPattern::Exact(host) => host.to_string(),
            HostPattern::Wildcard(host) => format!("*.{host}"),
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// A certificate for `names`, signed by the authority in `folder`, which is made if there is none.
pub(super) fn certificate(
    folder: &Path,
    names: &[String],
    provider: &CryptoProvider,
) -> io::Result<Certificate> {
    let issuer = authority(folder)?;
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let mut params = CertificateParams::new(names).map_err(io::Error::other)?;
    params.distinguished_name = named("Polity, this machine");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    valid_for(&mut params, CERTIFICATE_DAYS);
    let signed = params.signed_by(&key, &issuer).map_err(io::Error::other)?;
    let der = signed.der().clone();
    let facts = Facts::of(&der).map_err(io::Error::other)?;
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let certified = CertifiedKey::from_der(vec![der], private, provider);
    Ok(Certificate {
        key: Arc::new(certified.map_err(io::Error::other)?),
        facts,
    })
}

/// The authority as it is on the disk. One that is there and cannot be read is not replaced: people trust it.
fn authority(folder: &Path) -> io::Result<Issuer<'static, KeyPair>> {
    fs::create_dir_all(folder)?;
    let (root, key) = (authority_file(folder), key_file(folder));
    if !root.exists() {
        make_authority(&root, &key)?;
    }
    let broken = |path: &Path, why: &dyn std::fmt::Display| {
        let why = format!(
            "{} cannot be used: {why}; remove it to have a new one made, which has to be trusted anew",
            path.display()
        );
        io::Error::new(io::ErrorKind::InvalidData, why)
    };
    let text = fs::read_to_string(&key).map_err(|error| broken(&key, &error))?;
    let pair = KeyPair::from_pem(&text).map_err(|error| broken(&key, &error))?;
    let text = fs::read_to_string(&root).map_err(|error| broken(&root, &error))?;
    Issuer::from_ca_cert_pem(&text, pair).map_err(|error| broken(&root, &error))
}

/// The key first: a root without its key would be of no use, and stay.
fn make_authority(root: &Path, key: &Path) -> io::Result<()> {
    let pair = KeyPair::generate().map_err(io::Error::other)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = named("Polity, local certificate authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid_for(&mut params, AUTHORITY_DAYS);
    let signed = params.self_signed(&pair).map_err(io::Error::other)?;
    write(key, pair.serialize_pem().as_bytes(), PRIVATE)?;
    write(root, signed.pem().as_bytes(), PUBLIC)
}

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

/// From a day ago on, as clocks differ.
fn valid_for(params: &mut CertificateParams, days: u32) {
    let now = SystemTime::now();
    params.not_before = (now - DAY).into();
    params.not_after = (now + DAY * days).into();
}
