//! Where certificates come from, and what is there of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use polity_plan::{CertificateFiles, Plan, Tls};
use rustls::crypto::CryptoProvider;

use super::acme::Issuer;
use super::certificate::{self, Certificate};
use super::{Folders, TlsError, local};

/// As a plan has it. What is equal needs nothing to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    Local { folder: PathBuf, names: Vec<String> },
    Files(Vec<CertificateFiles>),
    Acme(Issuer),
}

impl Source {
    /// None where requests are served in the clear.
    pub(super) fn of(plan: &Plan, folders: &Folders) -> Option<Self> {
        let gateway = &plan.gateway;
        Some(match gateway.tls.as_ref()? {
            Tls::Local => Self::Local {
                folder: folders.state.clone(),
                names: local::names(plan),
            },
            Tls::Files(files) => Self::Files(resolved(files, &folders.root)),
            Tls::Acme(settings) => Self::Acme(Issuer::new(settings, gateway, folders)),
        })
    }

    /// All of it, in the order of the plan; none for those that are still to be had.
    pub(super) fn load(
        &self,
        provider: &CryptoProvider,
        now: SystemTime,
    ) -> Result<Vec<Option<Arc<Certificate>>>, TlsError> {
        match self {
            Self::Local { folder, names } => {
                let made = local::certificate(folder, names, provider);
                let failed = |source| TlsError::Local {
                    path: folder.clone(),
                    source,
                };
                Ok(vec![Some(Arc::new(made.map_err(failed)?))])
            }
            Self::Files(files) => files
                .iter()
                .map(|it| load_file(it, provider, now).map(Some))
                .collect(),
            Self::Acme(issuer) => {
                let files = issuer.files();
                let kept = files.iter().enumerate();
                let load = |(place, it)| self.load_kept(place, it, provider, now);
                Ok(kept.map(load).collect())
            }
        }
    }

    /// The files that are looked at, in the order of the certificates.
    pub(super) fn files(&self) -> Vec<CertificateFiles> {
        match self {
            Self::Local { .. } => Vec::new(),
            Self::Files(files) => files.clone(),
            Self::Acme(issuer) => issuer.files(),
        }
    }

    /// What is there of an authority's; what is not can be had.
    pub(super) fn load_kept(
        &self,
        place: usize,
        files: &CertificateFiles,
        provider: &CryptoProvider,
        now: SystemTime,
    ) -> Option<Arc<Certificate>> {
        if !files.certificate.exists() {
            return None;
        }
        let loaded = load_file(files, provider, now);
        let loaded = loaded.and_then(|it| self.admit(place, files, &it).map(|()| it));
        match loaded {
            Ok(certificate) => Some(certificate),
            Err(error) => {
                tracing::error!("{}; another is asked for", self.describe(&error));
                None
            }
        }
    }

    /// Whether a certificate is for what the plan has it for. Whoever names a file knows that best.
    pub(super) fn admit(
        &self,
        place: usize,
        files: &CertificateFiles,
        certificate: &Certificate,
    ) -> Result<(), TlsError> {
        match self {
            Self::Acme(issuer) => issuer
                .admit(place, certificate)
                .map_err(|flaw| TlsError::File {
                    path: files.certificate.clone(),
                    flaw,
                }),
            Self::Local { .. } | Self::Files(_) => Ok(()),
        }
    }

    /// What is wrong, and where; the remedy is another where the plan does not name the file.
    pub(super) fn describe(&self, error: &TlsError) -> String {
        match (self, error) {
            (Self::Acme(_), TlsError::File { path, flaw }) => format!("{}: {flaw}", path.display()),
            _ => error.to_string(),
        }
    }
}

fn load_file(
    files: &CertificateFiles,
    provider: &CryptoProvider,
    now: SystemTime,
) -> Result<Arc<Certificate>, TlsError> {
    let certificate = certificate::load(files, provider)?;
    // Whoever starts with it has no better one.
    if let Err(flaw) = certificate.facts.is_valid_at(now) {
        tracing::warn!("{}: {flaw}", files.certificate.display());
    }
    Ok(Arc::new(certificate))
}

fn resolved(files: &[CertificateFiles], root: &Path) -> Vec<CertificateFiles> {
    let resolve = |files: &CertificateFiles| CertificateFiles {
        certificate: root.join(&files.certificate),
        key: root.join(&files.key),
    };
    files.iter().map(resolve).collect()
}
