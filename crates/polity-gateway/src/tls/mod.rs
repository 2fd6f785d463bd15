//! TLS at the public entry: which certificates there are, from where, and how they are renewed.

mod acme;
mod certificate;
mod clients;
mod files;
mod local;
mod resolver;
mod source;
mod watch;

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use polity_core::{Clock, SystemClock};
use polity_http::Answer;
use polity_plan::Plan;
use polity_runtime::task;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use tokio::task::JoinHandle;

use acme::Challenges;
pub use certificate::{Flaw, Stretch};
use clients::Clients;
pub(crate) use clients::identify;
use resolver::Certificates;
use source::Source;

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
    /// Those who sign clients' certificates cannot be read.
    #[error("{}: {flaw}; `roots` of [gateway.client_certificates] names it", path.display())]
    Clients {
        /// The file.
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

/// What the data plane asks.
#[derive(Clone, Default)]
pub(crate) struct InForce {
    config: Arc<ArcSwapOption<ServerConfig>>,
    challenges: Arc<Challenges>,
}

/// TLS as the plan has it.
pub(crate) struct Entry {
    folders: Folders,
    in_force: InForce,
    /// The certificates that are served with: none where there are none.
    serving: Option<Arc<Serving>>,
    /// What renews them.
    keeping: Vec<Kept>,
}

/// A task that ends when this is dropped.
struct Kept(JoinHandle<Option<()>>);

/// The certificates of one plan, and where they come from.
pub(crate) struct Serving {
    source: Source,
    clients: Option<Clients>,
    certificates: Arc<Certificates>,
    clock: Arc<dyn Clock>,
    in_force: InForce,
}

/// What is ready to be put in force.
pub(crate) struct Prepared(Option<(Arc<Serving>, Arc<ServerConfig>)>);

impl InForce {
    /// How connections from outside are encrypted: none where they are in the clear. Asked for each.
    pub(crate) fn config(&self) -> Option<Arc<ServerConfig>> {
        self.config.load_full()
    }

    /// The answer to an authority that asks whether a host is ours.
    pub(crate) fn proof(&self, target: &str) -> Option<Answer> {
        self.challenges.answer(target)
    }
}

impl fmt::Debug for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InForce").finish_non_exhaustive()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Entry {
    pub(crate) fn new(folders: Folders) -> Self {
        Self {
            folders,
            in_force: InForce::default(),
            serving: None,
            keeping: Vec::new(),
        }
    }

    /// What the data plane asks.
    pub(crate) fn in_force(&self) -> InForce {
        self.in_force.clone()
    }

    /// What clients have to trust for certificates that were made here.
    pub(crate) fn local_authority(&self) -> Option<PathBuf> {
        match &self.serving.as_ref()?.source {
            Source::Local { folder, .. } => Some(local::authority_file(folder)),
            Source::Files(_) | Source::Acme(_) => None,
        }
    }

    /// Reads what a plan needs, and changes nothing yet. None where that is what is in force.
    pub(crate) fn prepare(&self, plan: &Plan) -> Result<Option<Prepared>, TlsError> {
        let Some(source) = Source::of(plan, &self.folders) else {
            return Ok(self.serving.as_ref().map(|_| Prepared(None)));
        };
        let asked = plan.gateway.client_certificates.as_ref();
        let clients = asked.map(|it| Clients::new(it, &self.folders.root));
        let is_same = |it: &Arc<Serving>| it.source == source && it.clients == clients;
        if self.serving.as_ref().is_some_and(is_same) {
            return Ok(None);
        }
        let provider = aws_lc_rs::default_provider();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let loaded = source.load(&provider, clock.wall())?;
        let challenges = self.in_force.challenges.clone();
        let certificates = Arc::new(Certificates::new(loaded, challenges));
        let serving = Arc::new(Serving {
            source,
            clients,
            certificates,
            clock,
            in_force: self.in_force.clone(),
        });
        let config = serving.config()?;
        Ok(Some(Prepared(Some((serving, config)))))
    }

    /// Puts it in force, for connections from here on, and keeps it fresh.
    pub(crate) fn put(&mut self, prepared: Prepared) {
        let (serving, config) = prepared.0.unzip();
        self.in_force.config.store(config);
        self.keeping.clear();
        if let Some(serving) = &serving {
            let fresh = watch::keep_fresh(Arc::downgrade(serving));
            self.keeping.push(Kept(task::spawn("certificates", fresh)));
            if matches!(serving.source, Source::Acme(_)) {
                let challenges = self.in_force.challenges.clone();
                let kept = acme::keep(Arc::downgrade(serving), challenges);
                self.keeping.push(Kept(task::spawn("acme", kept)));
            }
        }
        self.serving = serving;
    }
}

impl Serving {
    /// What connections are encrypted by. Whoever resumes a session of another such is unknown to it.
    fn config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
        let config = match &self.clients {
            Some(clients) => config.with_client_cert_verifier(clients.verifier(&provider)?),
            None => config.with_no_client_auth(),
        };
        let mut config = config.with_cert_resolver(self.certificates.clone());
        let proof = matches!(self.source, Source::Acme(_)).then_some(acme::PROTOCOL);
        let protocols = PROTOCOLS.into_iter().chain(proof);
        config.alpn_protocols = protocols.map(<[u8]>::to_vec).collect();
        config.ticketer = aws_lc_rs::Ticketer::new()?;
        Ok(Arc::new(config))
    }
}
