//! When an authority would have certificates renewed (ARI, RFC 9773): before it revokes them, for one.

use std::time::{Duration, SystemTime};

use instant_acme::{Account, CertificateIdentifier};

use super::failure::Failure;
use super::schedule::{Life, Window};
use crate::tls::certificate::Certificate;

/// How long what it says holds, at least and at most (RFC 9773, section 4.3.2); and how long it is not asked
/// again where it does not say anything.
const LEAST: Duration = Duration::from_secs(3600);
const MOST: Duration = Duration::from_secs(86_400);
const USUAL: Duration = Duration::from_secs(6 * 3600);

/// What is known, for each domain.
pub(super) struct Windows(Vec<Known>);

#[derive(Debug, Clone, Default)]
struct Known {
    /// Of which certificate.
    of: Vec<u8>,
    window: Option<Window>,
    /// When it is asked for again.
    until: Option<SystemTime>,
}

impl Windows {
    pub(super) fn new(count: usize) -> Self {
        Self(vec![Known::default(); count])
    }

    /// The window of the certificate in this place, if there is one.
    pub(super) fn of(&self, place: usize) -> Option<Window> {
        self.0.get(place)?.window
    }

    /// Whether it is to be asked for.
    pub(super) fn is_old(&self, place: usize, certificate: &Certificate, now: SystemTime) -> bool {
        let Some(known) = self.0.get(place) else {
            return false;
        };
        // A clock that was set back makes it old as well.
        let is_fresh = |until| now < until && until <= now + MOST;
        known.of != end_entity(certificate) || !known.until.is_some_and(is_fresh)
    }

    pub(super) fn note(
        &mut self,
        place: usize,
        certificate: &Certificate,
        asked: Option<(Window, Duration)>,
        now: SystemTime,
    ) {
        let Some(known) = self.0.get_mut(place) else {
            return;
        };
        let of = end_entity(certificate).to_vec();
        let kept = known.window.filter(|_| known.of == of);
        let (window, wait) = match asked {
            Some((window, wait)) => (Some(window), wait.clamp(LEAST, MOST)),
            None => (kept, USUAL),
        };
        *known = Known {
            of,
            window,
            until: Some(now + wait),
        };
    }
}

/// The window, and for how long it holds.
pub(super) async fn ask(
    account: &Account,
    certificate: &Certificate,
) -> Result<(Window, Duration), Failure> {
    let identifier = identifier(certificate);
    let identifier = identifier
        .ok_or_else(|| Failure::new("the certificate does not say who signed it".to_owned()))?;
    let (info, wait) = account.renewal_info(&identifier).await?;
    let time = |unix: i64| {
        let since = u64::try_from(unix).unwrap_or_default();
        SystemTime::UNIX_EPOCH + Duration::from_secs(since)
    };
    let window = Window {
        start: time(info.suggested_window.start.unix_timestamp()),
        end: time(info.suggested_window.end.unix_timestamp()),
    };
    Ok((window, wait))
}

/// What the authority knows it by.
pub(super) fn identifier(certificate: &Certificate) -> Option<CertificateIdentifier<'static>> {
    let first = certificate.key.cert.first()?;
    let identifier = CertificateIdentifier::try_from(first).ok()?;
    Some(identifier.into_owned())
}

fn end_entity(certificate: &Certificate) -> &[u8] {
    certificate.key.cert.first().map_or(&[], |it| it.as_ref())
}

impl Certificate {
    /// How long it is valid, and where in a spread it is.
    pub(super) fn life(&self) -> Life {
        use sha2::Digest;
        let hash = sha2::Sha256::digest(end_entity(self));
        let start = hash.first_chunk().copied().unwrap_or_default();
        let (begins, ends) = self.facts.span();
        Life {
            begins,
            ends,
            share: f64::from(u32::from_be_bytes(start)) / (f64::from(u32::MAX) + 1.0),
        }
    }
}
