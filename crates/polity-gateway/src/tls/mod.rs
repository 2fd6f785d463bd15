//! TLS at the public entry: which certificates there are, from where, and how they are renewed.

mod certificate;
mod local;
mod resolver;
mod watch;

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwapOption;
use polity_plan::{CertificateFiles, Plan, Tls};
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};

use certificate::Certificate;
pub use certificate::{Flaw, Stretch};
use resolver::Certificates;
pub(crate) use watch::keep_fresh;

/// What is spoken inside, by ALPN (RFC 7301).
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Why there are no certificates to serve with.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be used.
    #[error("{}: {flaw}; `tls` under [gateway] names it", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        flaw: Flaw,
    },
    /// The authority of `tls = "local"` cannot be made or read.
    #[error("the local certificate authority in {}: {source}", path.display())]
    Local {
        /// Where it is kept.
        path: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
    /// The library refuses what it is told to speak.
    #[error("TLS cannot be set up: {0}")]
    Library(#[from] rustls::Error),
}

/// Where what is needed for TLS is on the disk.
#[derive(Debug, Clone)]
pub struct Folders {
    /// What paths of the plan are relative to.
    pub root: PathBuf,
    /// What is made here is kept there.
    pub state: PathBuf,
}

/// What the data plane asks for each connection from outside: none where they are in the clear.
pub(crate) type InForce = Arc<ArcSwapOption<ServerConfig>>;

/// TLS as the plan has it.
pub(crate) struct Entry {
    folders: Folders,
    in_force: InForce,
    /// The certificates that are served with: none where there are none.
    serving: Option<Arc<Serving>>,
}

/// The certificates of one plan, and where they come from.
pub(crate) struct Serving {
    source: Source,
    certificates: Arc<Certificates>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Local { folder: PathBuf, names: Vec<String> },
    Files(Vec<CertificateFiles>),
}

/// What is ready to be put in force.
pub(crate) struct Prepared(Option<(Arc<Serving>, Arc<ServerConfig>)>);

impl Entry {
    pub(crate) fn new(folders: Folders) -> Self {
        Self {
            folders,
            in_force: InForce::default(),
            serving: None,
        }
    }

    /// What the data plane asks.
    pub(crate) fn in_force(&self) -> InForce {
        self.in_force.clone()
    }

    /// The certificates to be kept fresh.
    pub(crate) fn serving(&self) -> Option<Arc<Serving>> {
        self.serving.clone()
    }

    /// What clients have to trust for certificates that were made here.
    pub(crate) fn local_authority(&self) -> Option<PathBuf> {
        match &self.serving.as_ref()?.source {
            Source::Local { folder, .. } => Some(local::authority_file(folder)),
            Source::Files(_) => None,
        }
    }

    /// Reads what a plan needs, and changes nothing yet. None where that is what is in force.
    pub(crate) fn prepare(&self, plan: &Plan) -> Result<Option<Prepared>, TlsError> {
        let Some(source) = self.source(plan) else {
            return Ok(self.serving.as_ref().map(|_| Prepared(None)));
        };
        if self.serving.as_ref().is_some_and(|it| it.source == source) {
            return Ok(None);
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let certificates = Arc::new(Certificates::new(source.load(&provider)?));
        let config = config(provider, certificates.clone())?;
        let serving = Arc::new(Serving {
            source,
            certificates,
        });
        Ok(Some(Prepared(Some((serving, Arc::new(config))))))
    }

    /// Puts it in force, for connections from here on.
    pub(crate) fn put(&mut self, prepared: Prepared) {
        let (serving, config) = prepared.0.unzip();
        self.serving = serving;
        self.in_force.store(config);
    }

    fn source(&self, plan: &Plan) -> Option<Source> {
        Some(match plan.gateway.tls.as_ref()? {
            Tls::Local => Source::Local {
                folder: self.folders.state.clone(),
                names: local::names(plan),
            },
            Tls::Files(files) => Source::Files(resolved(files, &self.folders.root)),
        })
    }
}

impl Source {
    fn load(&self, provider: &CryptoProvider) -> Result<Vec<Arc<Certificate>>, TlsError> {
        match self {
            Self::Local { folder, names } => {
                let made = local::certificate(folder, names, provider);
                let failed = |source| TlsError::Local {
                    path: folder.clone(),
                    source,
                };
                Ok(vec![Arc::new(made.map_err(failed)?)])
            }
            Self::Files(files) => {
                let now = SystemTime::now();
                let load = |files: &CertificateFiles| {
                    let certificate = certificate::load(files, provider)?;
                    // Whoever starts with it has no better one.
                    if let Err(flaw) = certificate.facts.is_valid_at(now) {
                        tracing::warn!("{}: {flaw}", files.certificate.display());
                    }
                    Ok(Arc::new(certificate))
                };
                files.iter().map(load).collect()
            }
        }
    }
}

fn config(
    provider: Arc<CryptoProvider>,
    certificates: Arc<Certificates>,
) -> Result<ServerConfig, TlsError> {
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
    let mut config = config
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    Ok(config)
}

fn resolved(files: &[CertificateFiles], root: &Path) -> Vec<CertificateFiles> {
    let resolve = |files: &CertificateFiles| CertificateFiles {
        certificate: root.join(&files.certificate),
        key: root.join(&files.key),
    };
    files.iter().map(resolve).collect()
}
