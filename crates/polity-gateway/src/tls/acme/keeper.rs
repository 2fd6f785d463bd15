//! The loop that gets certificates and renews them.

use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use instant_acme::{Account, ChallengeType, HttpClient};
use polity_core::{Clock, Rng, SplitMix64};
use rustls::crypto::aws_lc_rs;

use super::failure::{Cause, Failure};
use super::order::Desk;
use super::store::Record;
use super::transport::{Https, Polite};
use super::window::{self, Windows};
use super::{Challenges, Issuer, account, schedule};
use crate::tls::Serving;
use crate::tls::certificate::{Certificate, Stretch};
use crate::tls::source::Source;

/// From one look at the clock to the next, at most: it may have jumped.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);

/// And at least.
const PAUSE: Duration = Duration::from_secs(1);

/// How long one attempt may take. Each request and each wait of it has a bound of its own.
pub(super) const ATTEMPT_BOUND: Duration = Duration::from_secs(600);

/// How long an authority that has had enough is left alone, where it does not say.
const RATE_LIMIT_PAUSE: Duration = Duration::from_secs(3600);

/// How an authority is reached. It may block.
pub(super) type Connect =
    Arc<dyn Fn(Option<&Path>) -> Result<Arc<dyn HttpClient>, String> + Send + Sync>;

/// Gets certificates and renews them.
struct Keeper {
    issuer: Issuer,
    challenges: Arc<Challenges>,
    clock: Arc<dyn Clock>,
    connect: Connect,
    rng: SplitMix64,
    /// What is on the disk too, in the order of the domains: where that is full, it is remembered here.
    records: Vec<Record>,
    windows: Windows,
}

/// Keeps certificates until nobody serves with them any more.
pub(crate) async fn keep(serving: Weak<Serving>, challenges: Arc<Challenges>) {
    let connect: Connect = Arc::new(|roots| Ok(Arc::new(Https::new(roots)?)));
    keep_by(serving, challenges, connect).await;
}

/// The same, where an authority is reached as a test has it.
pub(super) async fn keep_by(serving: Weak<Serving>, challenges: Arc<Challenges>, connect: Connect) {
    let Some(known) = serving.upgrade() else {
        return;
    };
    let Source::Acme(issuer) = known.source.clone() else {
        return;
    };
    let clock = known.clock.clone();
    drop(known);
    let keeper = Keeper::new(issuer, challenges, clock, connect).await;
    keeper.run(serving).await;
}

impl Keeper {
    async fn new(
        issuer: Issuer,
        challenges: Arc<Challenges>,
        clock: Arc<dyn Clock>,
        connect: Connect,
    ) -> Self {
        let mut records = Vec::new();
        for domain in &issuer.settings.domains {
            records.push(issuer.store.load_record(domain).await);
        }
        Self {
            windows: Windows::new(records.len()),
            issuer,
            challenges,
            clock,
            connect,
            rng: SplitMix64::from_system(),
            records,
        }
    }

    async fn run(mut self, serving: Weak<Serving>) {
        self.tell_of_waits(&serving);
        loop {
            let Some(serving) = serving.upgrade() else {
                return;
            };
            let mut wait = LOOK_INTERVAL;
            for place in 0..self.records.len() {
                wait = wait.min(self.look(place, &serving).await);
            }
            drop(serving);
            tokio::time::sleep(wait.max(PAUSE)).await;
        }
    }

    /// Sees to one domain; how long nothing has to be done about it.
    async fn look(&mut self, place: usize, serving: &Arc<Serving>) -> Duration {
        let before = serving.certificates.all().get(place).cloned().flatten();
        let now = self.clock.wall();
        if let Some(certificate) = &before
            && self.windows.is_old(place, certificate, now)
        {
            self.ask_for_window(place, certificate).await;
        }
        let life = before.as_ref().map(|it| it.life());
        let renewal = schedule::renewal(life, self.windows.of(place));
        let not_before = self.records[place].not_before();
        let due = schedule::next_attempt(renewal, not_before, now);
        match due.duration_since(now) {
            Ok(wait) if !wait.is_zero() => wait,
            _ => {
                self.attempt(place, before, serving).await;
                Duration::ZERO
            }
        }
    }

    async fn attempt(
        &mut self,
        place: usize,
        before: Option<Arc<Certificate>>,
        serving: &Arc<Serving>,
    ) {
        let domain = self.issuer.settings.domains[place].clone();
        let mut record = self.records[place].clone();
        let earlier = record.failures;
        record.failures = earlier.saturating_add(1);
        let pause = schedule::pause(record.failures, self.rng.unit());
        record.wait_until(self.clock.wall() + pause);
        record.why = Some("it was begun, and interrupted".to_owned());
        // In memory whatever becomes of it on the disk.
        self.records[place] = record.clone();
        let ended = match self.issuer.store.save_record(&domain, &record).await {
            // What is not remembered could be repeated by every restart.
            Err(error) => Err((Failure::from(error), None)),
            Ok(()) => {
                if before.is_none() && earlier == 0 {
                    let directory = &self.issuer.settings.directory;
                    tracing::info!("asking {directory} for a certificate for {domain}");
                }
                self.ask(place, &mut record, before.as_deref(), earlier)
                    .await
            }
        };
        let ended = match ended {
            Ok(()) => {
                let fresh = take_up(serving, place, before.as_ref()).await;
                fresh.map_err(|failure| (failure, None))
            }
            Err(failed) => Err(failed),
        };
        match ended {
            Ok(fresh) => {
                let now = self.clock.wall();
                record = Record::default();
                record.wait_until(now + schedule::least(fresh.facts.left(now)));
            }
            Err((failure, told)) => {
                record.failures = earlier.saturating_add(1);
                let least = match failure.cause {
                    Cause::RateLimited => told.unwrap_or(RATE_LIMIT_PAUSE),
                    _ => told.unwrap_or_default(),
                };
                let wait = pause.max(least.min(schedule::LONGEST_WAIT));
                record.wait_until(self.clock.wall() + wait);
                self.tell(&domain, &failure.why, wait, before.as_deref());
                record.why = Some(failure.why);
            }
        }
        self.records[place] = record;
        let saved = self.issuer.store.save_record(&domain, &self.records[place]);
        if let Err(error) = saved.await {
            tracing::warn!("{error}; what became of the attempt is not known to a later start");
        }
    }

    /// One attempt, within its time; else why not, and for how long the authority would be left alone.
    async fn ask(
        &self,
        place: usize,
        record: &mut Record,
        before: Option<&Certificate>,
        earlier: u32,
    ) -> Result<(), (Failure, Option<Duration>)> {
        let http = Polite::new(self.reach().await.map_err(|it| (it, None))?);
        let attempt = async {
            let account = self.account(&http).await?;
            let ended = self.order(&account, place, record, before, earlier).await;
            let unknown = match ended {
                Err(failure) if failure.cause == Cause::NoAccount => failure,
                ended => return ended,
            };
            // The authority was made anew, or forgets those that it has not heard of for long.
            tracing::warn!("{}; another account is made", unknown.why);
            self.issuer.store.forget_account().await?;
            let account = self.account(&http).await?;
            self.order(&account, place, record, before, earlier).await
        };
        let ended = tokio::time::timeout(ATTEMPT_BOUND, attempt).await;
        let ended = ended.unwrap_or_else(|_| Err(Failure::new("it took too long".to_owned())));
        ended.map_err(|failure| (failure, http.told()))
    }

    async fn order(
        &self,
        account: &Account,
        place: usize,
        record: &mut Record,
        before: Option<&Certificate>,
        earlier: u32,
    ) -> Result<(), Failure> {
        let desk = Desk {
            account,
            store: &self.issuer.store,
            challenges: &self.challenges,
            provider: &aws_lc_rs::default_provider(),
            domain: &self.issuer.settings.domains[place],
            kind: self.kind(earlier),
            // Where that was refused, it is better to have one that stands in for none.
            replaces: before
                .filter(|_| earlier == 0 && self.windows.of(place).is_some())
                .and_then(window::identifier),
            clock: &*self.clock,
        };
        desk.obtain(record).await
    }

    /// How a domain is proved: the one way, and after a failure the other.
    fn kind(&self, earlier: u32) -> ChallengeType {
        let is_plain = earlier.is_multiple_of(2) == self.issuer.has_plain;
        match is_plain || !self.issuer.admits_strangers {
            true => ChallengeType::Http01,
            false => ChallengeType::TlsAlpn01,
        }
    }

    async fn reach(&self) -> Result<Arc<dyn HttpClient>, Failure> {
        let (connect, roots) = (self.connect.clone(), self.issuer.settings.roots.clone());
        let reached = tokio::task::spawn_blocking(move || connect(roots.as_deref())).await;
        let reached = reached.map_err(|error| Failure::new(error.to_string()))?;
        reached.map_err(Failure::new)
    }

    async fn account(&self, http: &Polite) -> Result<Account, Failure> {
        let (store, settings) = (&self.issuer.store, &self.issuer.settings);
        account::open(store, settings, Box::new(http.clone())).await
    }

    async fn ask_for_window(&mut self, place: usize, certificate: &Certificate) {
        let asked = async {
            let http = self.reach().await?;
            let account = self.account(&Polite::new(http)).await?;
            window::ask(&account, certificate).await
        };
        let asked = match tokio::time::timeout(ATTEMPT_BOUND, asked).await {
            Ok(Ok(asked)) => Some(asked),
            Ok(Err(failure)) => {
                tracing::debug!("no time of renewal is suggested: {}", failure.why);
                None
            }
            Err(_) => None,
        };
        let now = self.clock.wall();
        self.windows.note(place, certificate, asked, now);
    }

    /// A start that only waits says so, and why.
    fn tell_of_waits(&self, serving: &Weak<Serving>) {
        let Some(serving) = serving.upgrade() else {
            return;
        };
        let (all, now) = (serving.certificates.all(), self.clock.wall());
        let known = self.issuer.settings.domains.iter().zip(&self.records);
        for ((domain, record), certificate) in known.zip(all) {
            let next = schedule::next_attempt(now, record.not_before(), now);
            let wait = next.duration_since(now).unwrap_or_default();
            if let (false, Some(why)) = (wait.is_zero(), &record.why) {
                self.tell(domain, why, wait, certificate.as_deref());
            }
        }
    }

    fn tell(&self, domain: &str, why: &str, wait: Duration, before: Option<&Certificate>) {
        let (wait, now) = (Stretch::of(wait), self.clock.wall());
        match before.map(|it| it.facts.left(now)) {
            None => tracing::error!(
                "there is no certificate for {domain} yet, and HTTPS is refused to clients that ask for it: {why}; \
                 the next attempt is in {wait}"
            ),
            Some(left) if left.is_zero() => tracing::error!(
                "the certificate for {domain} has expired and could not be renewed: {why}; the next attempt is in {wait}"
            ),
            Some(left) => tracing::warn!(
                "the certificate for {domain} could not be renewed: {why}; it is valid for {} more, and the next \
                 attempt is in {wait}",
                Stretch::of(left)
            ),
        }
    }
}

/// Serves with the certificate that was just stored.
async fn take_up(
    serving: &Arc<Serving>,
    place: usize,
    before: Option<&Arc<Certificate>>,
) -> Result<Arc<Certificate>, Failure> {
    let taking = serving.clone();
    let taken = tokio::task::spawn_blocking(move || {
        taking.refresh();
        taking.certificates.all().get(place).cloned().flatten()
    });
    let taken = taken
        .await
        .map_err(|error| Failure::new(error.to_string()))?;
    // One that is refused must not be asked for again and again.
    taken
        .filter(|taken| before.is_none_or(|before| before.key.cert != taken.key.cert))
        .ok_or_else(|| {
            Failure::refused("the certificate that came cannot be served with".to_owned())
        })
}
