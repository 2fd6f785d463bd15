//! Certificates are renewed by others: files are looked at now and then, and taken up once they are whole.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use polity_plan::CertificateFiles;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio::time::Instant;

use super::certificate::{self, Certificate};
use super::local::RENEWED_BEFORE;
use super::source::Source;
use super::{Serving, TlsError};

/// From one look to the next. Who renews a certificate writes two files, and not in one moment.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// From one try to make a certificate anew to the next, where it cannot be done: on a full disk, for one.
const RETRY_INTERVAL: Duration = Duration::from_secs(60);

/// What tells one version of a file from another: the inode too, as it may have been put in its place.
type Stamp = Option<(u64, u64, i64, i64)>;

/// Follows changes until nobody serves with the certificates any more.
pub(super) async fn keep_fresh(serving: Weak<Serving>) {
    follow(serving, Serving::refresh).await;
}

/// The same with what a test puts in the place of taking them up.
pub(super) async fn follow(serving: Weak<Serving>, refresh: fn(&Serving)) {
    // What was read at first may have changed since.
    let (mut seen, mut taken) = (Vec::new(), Vec::new());
    let mut tried: Option<Instant> = None;
    loop {
        tokio::time::sleep(LOOK_INTERVAL).await;
        let Some(serving) = serving.upgrade() else {
            return;
        };
        let looked = {
            let serving = serving.clone();
            move || (serving.stamps(), serving.is_due())
        };
        let Ok((now, is_due)) = tokio::task::spawn_blocking(looked).await else {
            // The runtime ends.
            return;
        };
        // Twice the same: whoever writes has done so.
        let has_changed = now == seen && now != taken;
        let is_due = is_due && tried.is_none_or(|at| at.elapsed() >= RETRY_INTERVAL);
        if has_changed || is_due {
            // Noted before, so that what fails is not tried again without pause.
            taken.clone_from(&now);
            tried = Some(Instant::now());
            match tokio::task::spawn_blocking(move || refresh(&serving)).await {
                Ok(()) => {}
                Err(error) if error.is_panic() => tracing::error!(
                    "a defect of polity: certificates could not be taken up ({error}); those in force go on serving"
                ),
                // The runtime ends.
                Err(_) => return,
            }
        }
        seen = now;
    }
}

impl Serving {
    fn stamps(&self) -> Vec<Stamp> {
        let files = self.source.files();
        let stamps = files.iter();
        let stamps = stamps.flat_map(|it| [stamp(&it.certificate), stamp(&it.key)]);
        let roots = self.clients.iter().map(|it| stamp(&it.roots));
        stamps.chain(roots).collect()
    }

    /// Whether one that is made here has to be made anew.
    fn is_due(&self) -> bool {
        let now = self.clock.wall();
        let is_short = |it: &Arc<Certificate>| it.facts.left(now) < RENEWED_BEFORE;
        matches!(self.source, Source::Local { .. })
            && self.certificates.all().iter().flatten().any(is_short)
    }

    /// Takes up what is there now. What cannot be used is told, and what it was to replace goes on serving.
    pub(super) fn refresh(&self) {
        if self.clients.is_some() {
            match self.config() {
                Ok(config) => self.in_force.config.store(Some(config)),
                Err(error) => {
                    tracing::error!("{error}; those that were there before stay in force")
                }
            }
        }
        let (provider, now) = (aws_lc_rs::default_provider(), self.clock.wall());
        match &self.source {
            Source::Local { .. } => match self.source.load(&provider, now) {
                Ok(fresh) => self.certificates.replace(fresh),
                Err(error) => tracing::error!("{error}; the certificate in force stays"),
            },
            Source::Files(_) | Source::Acme(_) => {
                let (files, before) = (self.source.files(), self.certificates.all());
                let pairs = files.iter().zip(before).enumerate();
                let fresh = pairs.map(|(place, (files, before))| match before {
                    Some(before) => Some(self.renewed(place, files, before, &provider)),
                    None => self.source.load_kept(place, files, &provider, now),
                });
                self.certificates.replace(fresh.collect());
            }
        }
    }

    fn renewed(
        &self,
        place: usize,
        files: &CertificateFiles,
        before: Arc<Certificate>,
        provider: &CryptoProvider,
    ) -> Arc<Certificate> {
        let now = self.clock.wall();
        let fresh = certificate::load(files, provider).and_then(|fresh| {
            let path = files.certificate.clone();
            let may = fresh.may_follow(&before, now);
            may.map_err(|flaw| TlsError::File { path, flaw })?;
            self.source.admit(place, files, &fresh)?;
            Ok(fresh)
        });
        match fresh {
            Ok(fresh) if fresh.key.cert == before.key.cert => before,
            Ok(fresh) => {
                tracing::info!("{} is taken up", files.certificate.display());
                Arc::new(fresh)
            }
            Err(error) => {
                let error = self.source.describe(&error);
                tracing::error!("{error}; the certificate before it goes on serving");
                before
            }
        }
    }
}

fn stamp(path: &Path) -> Stamp {
    let data = fs::metadata(path).ok()?;
    Some((data.ino(), data.len(), data.mtime(), data.mtime_nsec()))
}
