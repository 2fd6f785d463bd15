//! One certificate with its chain and key, read from files and held against each other.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use polity_plan::CertificateFiles;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::TlsError;

/// How far the clock of who signs may be ahead of ours: one that was just made is valid.
const CLOCKS_DIFFER: Duration = Duration::from_secs(300);

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum Flaw {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    /// It is not PEM, or not whole.
    #[error("is not PEM, or not whole: {0}")]
    NotPem(String),
    /// There is none in it.
    #[error("holds no certificate (`-----BEGIN CERTIFICATE-----`)")]
    NoCertificate,
    /// There is none in it.
    #[error("holds no private key (PKCS #8, PKCS #1 or SEC 1)")]
    NoKey,
    /// What is in the PEM is no certificate.
    #[error("holds a certificate that cannot be read: {0}")]
    Malformed(String),
    /// The key is of a kind that is not known, or of another certificate.
    #[error("holds a key that cannot be used with the certificate in {}: {why}", certificate.display())]
    Key {
        /// The certificate's file.
        certificate: std::path::PathBuf,
        /// Why.
        why: rustls::Error,
    },
    /// Its time is over.
    #[error("expired {0} ago: clients refuse it; renew it")]
    Expired(Stretch),
    /// Its time has not come.
    #[error("is valid only in {0}; is the clock right?")]
    NotYetValid(Stretch),
    /// It is for other hosts than the one before it.
    #[error("is for {now}, where the one before it was for {before}")]
    WrongHost {
        /// Its names.
        now: String,
        /// The names of the one in force.
        before: String,
    },
    /// It is for other hosts than the plan has it for.
    #[error("is for {now}, and not for {domain}")]
    WrongDomain {
        /// Its names.
        now: String,
        /// What it was to be for.
        domain: String,
    },
    /// It is signed by nobody, where the one before it was by an authority.
    #[error("is signed by itself, where the one before it was signed by an authority")]
    SelfSigned,
}

/// A stretch of time, as people say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch(Duration);

/// A certificate that can be served with.
#[derive(Debug)]
pub(crate) struct Certificate {
    pub(crate) key: Arc<CertifiedKey>,
    pub(crate) facts: Facts,
}

/// What a certificate says of itself.
#[derive(Debug)]
pub(crate) struct Facts {
    /// The hosts it is for, in lower case; wildcards as `*.example.com`.
    pub(crate) names: Vec<String>,
    begins: SystemTime,
    ends: SystemTime,
    is_self_signed: bool,
}

/// Reads a certificate with its chain, and its key.
pub(crate) fn load(
    files: &CertificateFiles,
    provider: &CryptoProvider,
) -> Result<Certificate, TlsError> {
    let of = |path: &Path| {
        let path = path.to_owned();
        move |flaw| TlsError::File { path, flaw }
    };
    let chain = chain(&files.certificate).map_err(of(&files.certificate))?;
    let key = PrivateKeyDer::from_pem_file(&files.key);
    let key = key.map_err(|error| of(&files.key)(flaw(error, Flaw::NoKey)))?;
    let first = chain.first().cloned();
    let first = first.ok_or_else(|| of(&files.certificate)(Flaw::NoCertificate))?;
    let facts = Facts::of(&first);
    let facts = facts.map_err(|why| of(&files.certificate)(Flaw::Malformed(why)))?;
    let certified = CertifiedKey::from_der(chain, key, provider).map_err(|why| {
        let certificate = files.certificate.clone();
        of(&files.key)(Flaw::Key { certificate, why })
    })?;
    Ok(Certificate {
        key: Arc::new(certified),
        facts,
    })
}

/// All certificates of a file.
pub(super) fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Flaw> {
    let read = CertificateDer::pem_file_iter(path);
    let read = read.map_err(|error| flaw(error, Flaw::NoCertificate))?;
    let chain: Result<Vec<_>, _> = read.collect();
    chain.map_err(|error| flaw(error, Flaw::NoCertificate))
}

fn flaw(error: pem::Error, none: Flaw) -> Flaw {
    match error {
        pem::Error::NoItemsFound => none,
        pem::Error::Io(source) => Flaw::Unreadable(source),
        other => Flaw::NotPem(other.to_string()),
    }
}

impl Facts {
    /// What it says; else what is wrong with it.
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Result<Self, String> {
        let parsed = X509Certificate::from_der(certificate);
        let (_, parsed) = parsed.map_err(|error| error.to_string())?;
        let validity = parsed.validity();
        Ok(Self {
            names: names(&parsed)?,
            begins: time(validity.not_before.timestamp()),
            ends: time(validity.not_after.timestamp()),
            is_self_signed: parsed.subject() == parsed.issuer(),
        })
    }

    pub(crate) fn is_valid_at(&self, now: SystemTime) -> Result<(), Flaw> {
        if let Ok(since) = now.duration_since(self.ends) {
            return Err(Flaw::Expired(Stretch(since)));
        }
        match self.begins.duration_since(now) {
            Ok(until) if until > CLOCKS_DIFFER => Err(Flaw::NotYetValid(Stretch(until))),
            _ => Ok(()),
        }
    }

    /// From when to when it is valid.
    pub(crate) fn span(&self) -> (SystemTime, SystemTime) {
        (self.begins, self.ends)
    }

    /// How long it is valid from `now` on.
    pub(crate) fn left(&self, now: SystemTime) -> Duration {
        self.ends.duration_since(now).unwrap_or_default()
    }
}

impl Certificate {
    /// Whether it may take the place of another: a file that was replaced by mistake must not stop what works.
    pub(crate) fn may_follow(&self, before: &Self, now: SystemTime) -> Result<(), Flaw> {
        let (fresh, before) = (&self.facts, &before.facts);
        fresh.is_valid_at(now)?;
        if !before.names.iter().any(|name| fresh.names.contains(name)) {
            return Err(Flaw::WrongHost {
                now: fresh.names.join(", "),
                before: before.names.join(", "),
            });
        }
        match fresh.is_self_signed && !before.is_self_signed {
            true => Err(Flaw::SelfSigned),
            false => Ok(()),
        }
    }
}

/// Of its subject alternative names: the common name counts for nothing (RFC 9110, section 4.3.4).
fn names(parsed: &X509Certificate<'_>) -> Result<Vec<String>, String> {
    let names = parsed.subject_alternative_name();
    let names = names.map_err(|error| error.to_string())?;
    let names = names.into_iter().flat_map(|it| &it.value.general_names);
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        GeneralName::IPAddress([a, b, c, d]) => Some(format!("{a}.{b}.{c}.{d}")),
        GeneralName::IPAddress(bytes) => {
            let bytes: [u8; 16] = (*bytes).try_into().ok()?;
            Some(std::net::Ipv6Addr::from(bytes).to_string())
        }
        _ => None,
    };
    Ok(names.filter_map(text).collect())
}

fn time(unix: i64) -> SystemTime {
    match u64::try_from(unix) {
        Ok(seconds) => SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
        Err(_) => SystemTime::UNIX_EPOCH,
    }
}

impl Stretch {
    pub(crate) fn of(duration: Duration) -> Self {
        Self(duration)
    }
}

impl fmt::Display for Stretch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = self.0.as_secs() / 60;
        match minutes {
            0..60 => write!(f, "{minutes} minutes"),
            60..2880 => write!(f, "{} hours", minutes / 60),
            _ => write!(f, "{} days", minutes / 1440),
        }
    }
}
