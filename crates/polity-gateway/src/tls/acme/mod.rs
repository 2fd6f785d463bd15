//! Certificates by ACME (RFC 8555): each domain has one, which is asked for, kept on the disk, and renewed.
//!
//! The keeper is a loop over what is on the disk and what the time is: it needs to remember nothing else, so that
//! a restart in any moment, or a clock that jumps, only has it look again. An attempt is noted before it is made
//! and counts as failed until it has succeeded: who is killed in the middle of one, time and again, asks an
//! authority no more often than one that fails.

mod account;
mod challenges;
mod failure;
mod keeper;
mod order;
mod schedule;
mod store;
#[cfg(test)]
mod tests;
mod transport;
mod window;

use polity_plan::{Acme, CertificateFiles, Gateway};

use super::Folders;
use super::certificate::{Certificate, Flaw};
pub(super) use challenges::{Challenges, PROTOCOL, is_proof};
pub(super) use keeper::keep;
use store::Store;

/// An authority, and what is asked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Issuer {
    settings: Acme,
    store: Store,
    /// Whether there is a listener of plain HTTP, so that it is likely to be found at port 80.
    has_plain: bool,
    /// Whether a client is let in that shows no certificate, as an authority does.
    admits_strangers: bool,
}

impl Issuer {
    /// What the plan says, with its folders.
    pub(super) fn new(settings: &Acme, gateway: &Gateway, folders: &Folders) -> Self {
        let mut settings = settings.clone();
        settings.roots = settings.roots.map(|path| folders.root.join(path));
        let clients = gateway.client_certificates.as_ref();
        Self {
            store: Store::new(&folders.state, &settings.directory),
            settings,
            has_plain: gateway.listen_http.is_some(),
            admits_strangers: clients.is_none_or(|it| !it.required),
        }
    }

    /// Where its certificates are, in the order of the domains.
    pub(super) fn files(&self) -> Vec<CertificateFiles> {
        let file = |domain: &String| {
            let path = self.store.certificate(domain);
            CertificateFiles {
                certificate: path.clone(),
                key: path,
            }
        };
        self.settings.domains.iter().map(file).collect()
    }

    /// Whether a certificate that was found is for the domain in this place.
    pub(super) fn admit(&self, place: usize, certificate: &Certificate) -> Result<(), Flaw> {
        let names = &certificate.facts.names;
        match self.settings.domains.get(place) {
            Some(domain) if !names.contains(domain) => Err(Flaw::WrongDomain {
                now: names.join(", "),
                domain: domain.clone(),
            }),
            _ => Ok(()),
        }
    }
}
