//! What proves to an authority that a host is ours: answers over plain HTTP (HTTP-01, RFC 8555, section 8.3),
//! and certificates that say so (TLS-ALPN-01, RFC 8737).
//!
//! They are looked up by whoever asks for exactly them, and are there for as long as an order needs them.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use polity_http::Answer;
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

/// Where an authority asks by plain HTTP.
const PREFIX: &str = "/.well-known/acme-challenge/";

/// What it speaks when it asks by TLS.
pub(crate) const PROTOCOL: &[u8] = b"acme-tls/1";

/// Those that authorities may ask for now.
#[derive(Debug, Default)]
pub(crate) struct Challenges {
    by_token: ArcSwap<HashMap<String, Arc<str>>>,
    by_host: ArcSwap<HashMap<String, Arc<CertifiedKey>>>,
}

/// One that can be asked for as long as this is held.
#[derive(Debug)]
pub(super) struct Shown {
    challenges: Arc<Challenges>,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Token(String),
    Host(String),
}

/// Whether a client speaks that and nothing else (RFC 8737, section 3).
pub(crate) fn is_proof<'a>(mut protocols: impl Iterator<Item = &'a [u8]>) -> bool {
    protocols.next() == Some(PROTOCOL) && protocols.next().is_none()
}

impl Challenges {
    /// The answer to a request for `target`, where it asks for one.
    pub(crate) fn answer(&self, target: &str) -> Option<Answer> {
        let token = target.strip_prefix(PREFIX)?;
        let text = self.by_token.load().get(token)?.clone();
        Some(Answer {
            status: 200,
            fields: b"content-type: application/octet-stream\r\ncache-control: no-store\r\n"
                .to_vec(),
            body: text.as_bytes().to_vec(),
        })
    }

    /// The certificate for a client that asks for that proof.
    pub(crate) fn certificate(&self, host: &str) -> Option<Arc<CertifiedKey>> {
        self.by_host.load().get(&host.to_ascii_lowercase()).cloned()
    }

    /// Has `text` be the answer for a token.
    pub(super) fn show_answer(self: &Arc<Self>, token: &str, text: &str) -> Shown {
        self.by_token.rcu(|shown| {
            let mut shown = HashMap::clone(shown);
            shown.insert(token.to_owned(), text.into());
            shown
        });
        Shown {
            challenges: self.clone(),
            place: Place::Token(token.to_owned()),
        }
    }

    /// Has a certificate with `digest` be shown for a host.
    pub(super) fn show_certificate(
        self: &Arc<Self>,
        host: &str,
        digest: &[u8],
        provider: &CryptoProvider,
    ) -> Result<Shown, String> {
        let certificate = Arc::new(certificate(host, digest, provider)?);
        self.by_host.rcu(|shown| {
            let mut shown = HashMap::clone(shown);
            shown.insert(host.to_owned(), certificate.clone());
            shown
        });
        Ok(Shown {
            challenges: self.clone(),
            place: Place::Host(host.to_owned()),
        })
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        fn without<V: Clone>(shown: &HashMap<String, V>, key: &str) -> HashMap<String, V> {
            let mut shown = shown.clone();
            shown.remove(key);
            shown
        }
        match &self.place {
            Place::Token(token) => drop(self.challenges.by_token.rcu(|it| without(it, token))),
            Place::Host(host) => drop(self.challenges.by_host.rcu(|it| without(it, host))),
        }
    }
}

/// Signed by itself, and with the proof in an extension (RFC 8737, section 3).
fn certificate(
    host: &str,
    digest: &[u8],
    provider: &CryptoProvider,
) -> Result<CertifiedKey, String> {
    let failed = |error: rcgen::Error| error.to_string();
    let key = KeyPair::generate().map_err(failed)?;
    let mut params = CertificateParams::new([host.to_owned()]).map_err(failed)?;
    params.distinguished_name = DistinguishedName::new();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let signed = params.self_signed(&key).map_err(failed)?;
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    // Not held against the certificate, whose extension is critical and unknown to rustls.
    let key = provider.key_provider.load_private_key(private);
    let key = key.map_err(|error| error.to_string())?;
    Ok(CertifiedKey::new(vec![signed.der().clone()], key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_there_while_it_is_held() {
        let challenges = Arc::new(Challenges::default());
        let asked = |challenges: &Challenges, target: &str| {
            let answer = challenges.answer(target)?;
            Some(String::from_utf8_lossy(&answer.body).into_owned())
        };
        let shown = challenges.show_answer("token", "token.print");
        let other = challenges.show_answer("other", "other.print");
        let path = "/.well-known/acme-challenge/token";
        assert_eq!(asked(&challenges, path).as_deref(), Some("token.print"));
        assert_eq!(asked(&challenges, "/.well-known/acme-challenge/"), None);
        assert_eq!(asked(&challenges, &format!("{path}/..")), None);
        assert_eq!(asked(&challenges, "/token"), None);
        drop(shown);
        assert_eq!(asked(&challenges, path), None);
        drop(other);
        assert!(challenges.by_token.load().is_empty());

        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let shown = challenges.show_certificate("a.example", &[7; 32], &provider);
        assert!(challenges.certificate("A.example").is_some());
        assert!(challenges.certificate("b.example").is_none());
        drop(shown);
        assert!(challenges.certificate("a.example").is_none());
    }

    #[test]
    fn who_speaks_anything_else_too_wants_no_proof() {
        assert!(is_proof([PROTOCOL].into_iter()));
        assert!(!is_proof([PROTOCOL, b"h2"].into_iter()));
        assert!(!is_proof([b"h2".as_slice()].into_iter()));
        assert!(!is_proof(std::iter::empty()));
    }
}
