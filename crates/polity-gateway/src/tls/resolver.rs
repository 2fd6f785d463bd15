//! Which certificate a client is shown: the one for the host it asks for.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::certificate::Certificate;

/// The certificates in force, which may change at any moment.
#[derive(Debug)]
pub(crate) struct Certificates(ArcSwap<ByName>);

#[derive(Debug)]
struct ByName {
    all: Vec<Arc<Certificate>>,
    /// Places in `all`, by name.
    places: HashMap<String, usize>,
}

impl Certificates {
    /// The first is shown to clients that ask for none, or for one that there is not.
    pub(crate) fn new(all: Vec<Arc<Certificate>>) -> Self {
        Self(ArcSwap::from_pointee(ByName::new(all)))
    }

    pub(crate) fn all(&self) -> Vec<Arc<Certificate>> {
        self.0.load().all.clone()
    }

    /// Puts others in their place, for handshakes from here on.
    pub(crate) fn replace(&self, all: Vec<Arc<Certificate>>) {
        self.0.store(Arc::new(ByName::new(all)));
    }

    fn find(&self, host: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let by_name = self.0.load();
        let place = host.and_then(|host| by_name.place(host)).unwrap_or(0);
        by_name.all.get(place).map(|it| it.key.clone())
    }
}

impl ByName {
    fn new(all: Vec<Arc<Certificate>>) -> Self {
        let mut places = HashMap::new();
        for (place, certificate) in all.iter().enumerate() {
            for name in &certificate.facts.names {
                // The one that is named first counts.
                places.entry(name.clone()).or_insert(place);
            }
        }
        Self { all, places }
    }

    /// By its name, or by a wildcard for its first label (RFC 9525, section 6.3).
    fn place(&self, host: &str) -> Option<usize> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let wildcard = || {
            let (_, rest) = host.split_once('.')?;
            self.places.get(&format!("*.{rest}"))
        };
        self.places.get(&host).or_else(wildcard).copied()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.find(hello.server_name())
    }
}
