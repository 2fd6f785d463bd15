//! Clients that prove who they are: whose certificates are taken, and what is said of them to services.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polity_plan::ClientCertificates;
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::TlsError;
use super::certificate::{Flaw, chain};

/// Whose certificates are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clients {
    pub(super) roots: PathBuf,
    pub(super) required: bool,
}

impl Clients {
    pub(super) fn new(planned: &ClientCertificates, root: &Path) -> Self {
        Self {
            roots: root.join(&planned.roots),
            required: planned.required,
        }
    }

    /// Reads the roots.
    pub(super) fn verifier(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let failed = |flaw| TlsError::Clients {
            path: self.roots.clone(),
            flaw,
        };
        let mut store = RootCertStore::empty();
        for root in chain(&self.roots).map_err(failed)? {
            let added = store.add(root);
            added.map_err(|error| failed(Flaw::Malformed(error.to_string())))?;
        }
        if store.is_empty() {
            return Err(failed(Flaw::NoCertificate));
        }
        let builder = WebPkiClientVerifier::builder_with_provider(store.into(), provider.clone());
        let builder = match self.required {
            true => builder,
            false => builder.allow_unauthenticated(),
        };
        let built = builder.build();
        built.map_err(|error| failed(Flaw::Malformed(error.to_string())))
    }
}

/// What services are told of a certificate, as Envoy writes it (`x-forwarded-client-cert`): the hash of all of it, the
/// subject, and its names. None where it cannot be read, which rustls would not have taken.
pub(crate) fn identify(certificate: &CertificateDer<'_>) -> Option<Arc<str>> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let mut text = String::from("Hash=");
    for byte in Sha256::digest(certificate) {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    let _ = write!(text, ";Subject={}", quoted(&parsed.subject().to_string()));
    let names = parsed.subject_alternative_name().ok().flatten();
    for name in names.iter().flat_map(|it| &it.value.general_names) {
        match name {
            GeneralName::URI(uri) => drop(write!(text, ";URI={}", quoted(uri))),
            GeneralName::DNSName(name) => drop(write!(text, ";DNS={}", quoted(name))),
            _ => {}
        }
    }
    Some(text.into())
}

/// In quotes; what could end them, or the header, stands escaped or not at all.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            ' '..='~' => quoted.push(character),
            _ => quoted.push('?'),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    #[test]
    fn what_is_said_of_a_certificate_cannot_be_mistaken_for_more() {
        let mut params = CertificateParams::new(["a.example".to_owned()]).expect("a name");
        let uri = "spiffe://a.example/b\";DNS=\"evil"
            .try_into()
            .expect("it is ASCII");
        params.subject_alt_names.push(SanType::URI(uri));
        let name = &mut params.distinguished_name;
        name.push(DnType::CommonName, "Ad\u{e4}\"; URI=\"evil\r\nx: y");
        let key = KeyPair::generate().expect("a key");
        let signed = params.self_signed(&key).expect("signed");
        let said = identify(signed.der()).expect("it can be read");
        let (hash, rest) = said.split_once(';').expect("parts");
        assert_eq!(hash.len(), "Hash=".len() + 64);
        let expected = "Subject=\"CN=Ad?\\\"; URI=\\\"evil??x: y\";DNS=\"a.example\";\
             URI=\"spiffe://a.example/b\\\";DNS=\\\"evil\"";
        assert_eq!(rest.replace("rcgen self signed cert", ""), expected);
    }
}
