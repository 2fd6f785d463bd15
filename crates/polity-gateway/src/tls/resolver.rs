//! Which certificate a client is shown: the one for the host it asks for, or what proves to an authority that
//! the host is ours.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::acme::{Challenges, is_proof};
use super::certificate::Certificate;

/// The certificates in force, which may change at any moment.
#[derive(Debug)]
pub(crate) struct Certificates {
    by_name: ArcSwap<ByName>,
    challenges: Arc<Challenges>,
}

#[derive(Debug)]
struct ByName {
    /// Those that are still to be had are none.
    all: Vec<Option<Arc<Certificate>>>,
    /// Places in `all`, by name.
    places: HashMap<String, usize>,
}

impl Certificates {
    /// The first is shown to clients that ask for none, or for one that there is not.
    pub(crate) fn new(all: Vec<Option<Arc<Certificate>>>, challenges: Arc<Challenges>) -> Self {
        Self {
            by_name: ArcSwap::from_pointee(ByName::new(all)),
            challenges,
        }
    }

    pub(crate) fn all(&self) -> Vec<Option<Arc<Certificate>>> {
        self.by_name.load().all.clone()
    }

    /// Puts others in their place, for handshakes from here on.
    pub(crate) fn replace(&self, all: Vec<Option<Arc<Certificate>>>) {
        self.by_name.store(Arc::new(ByName::new(all)));
    }

    fn find(&self, host: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let by_name = self.by_name.load();
        let first = || by_name.all.iter().flatten().next();
        let found = host.and_then(|host| by_name.certificate(host));
        found.or_else(first).map(|it| it.key.clone())
    }
}

impl ByName {
    fn new(all: Vec<Option<Arc<Certificate>>>) -> Self {
        let mut places = HashMap::new();
        let known = all.iter().enumerate();
        for (place, certificate) in known.filter_map(|(place, it)| Some((place, it.as_ref()?))) {
            for name in &certificate.facts.names {
                // The one that is named first counts.
                places.entry(name.clone()).or_insert(place);
            }
        }
        Self { all, places }
    }

    /// By its name, or by a wildcard for its first label (RFC 9525, section 6.3).
    fn certificate(&self, host: &str) -> Option<&Arc<Certificate>> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let wildcard = || {
            let (_, rest) = host.split_once('.')?;
            self.places.get(&format!("*.{rest}"))
        };
        let place = self.places.get(&host).or_else(wildcard)?;
        self.all.get(*place)?.as_ref()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        match hello.alpn().is_some_and(is_proof) {
            true => self.challenges.certificate(hello.server_name()?),
            false => self.find(hello.server_name()),
        }
    }
}
