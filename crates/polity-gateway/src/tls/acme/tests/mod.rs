//! From nothing to a certificate and to the next, with an authority in memory and a clock that tests move.

mod authority;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use polity_core::Clock;
use rustls::crypto::aws_lc_rs;
use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::keeper::{ATTEMPT_BOUND, Connect, keep_by};
use super::*;
use crate::tls::resolver::Certificates;
use crate::tls::source::Source;
use crate::tls::{InForce, Serving};
use authority::{Authority, DIRECTORY, Line};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// The time of tokio's paused clock, from now on, and as far off as a test says.
#[derive(Clone)]
struct PausedClock {
    origin: (tokio::time::Instant, SystemTime),
    ahead: Arc<Mutex<Duration>>,
}

impl PausedClock {
    fn new() -> Self {
        Self {
            origin: (tokio::time::Instant::now(), SystemTime::now()),
            ahead: Arc::default(),
        }
    }

    /// What those with a right clock see.
    fn right(&self) -> SystemTime {
        self.origin.1 + self.origin.0.elapsed()
    }

    fn set_ahead(&self, by: Duration) {
        *self.ahead.lock().expect("no test has failed") = by;
    }
}

impl Clock for PausedClock {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn wall(&self) -> SystemTime {
        self.right() + *self.ahead.lock().expect("no test has failed")
    }
}

/// A gateway's certificates, as far as they come from an authority.
struct Bench {
    folder: TempDir,
    clock: PausedClock,
    challenges: Arc<Challenges>,
    authority: Arc<Authority>,
    issuer: Issuer,
    running: Option<(Arc<Serving>, JoinHandle<()>)>,
}

impl Bench {
    fn new() -> Self {
        Self::with(&["shop.example"], true)
    }

    fn with(domains: &[&str], has_plain: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = Acme {
            domains: domains.iter().map(|it| it.to_string()).collect(),
            directory: DIRECTORY.to_owned(),
            email: Some("ops@shop.example".to_owned()),
            eab: None,
            roots: None,
        };
        let clock = PausedClock::new();
        let challenges = Arc::new(Challenges::default());
        let right = clock.clone();
        Self {
            authority: Authority::new(challenges.clone(), move || right.right()),
            issuer: Issuer {
                store: Store::new(folder.path(), DIRECTORY),
                settings,
                has_plain,
                admits_strangers: true,
            },
            folder,
            clock,
            challenges,
            running: None,
        }
    }

    /// A start, after whatever ended the one before.
    fn start(&mut self) {
        self.kill();
        let source = Source::Acme(self.issuer.clone());
        let provider = aws_lc_rs::default_provider();
        let loaded = source.load(&provider, self.clock.wall()).expect("loaded");
        let serving = Arc::new(Serving {
            source,
            certificates: Arc::new(Certificates::new(loaded, self.challenges.clone())),
            clock: Arc::new(self.clock.clone()),
            clients: None,
            in_force: InForce::default(),
        });
        let authority = self.authority.clone();
        let connect: Connect = Arc::new(move |_| Ok(Arc::new(Line(authority.clone()))));
        let keeping = keep_by(Arc::downgrade(&serving), self.challenges.clone(), connect);
        self.running = Some((serving, tokio::spawn(keeping)));
    }

    fn kill(&mut self) {
        if let Some((_, task)) = self.running.take() {
            task.abort();
        }
    }

    fn served(&self, place: usize) -> Option<Arc<Certificate>> {
        let (serving, _) = self.running.as_ref().expect("it runs");
        serving.certificates.all()[place].clone()
    }

    fn orders(&self) -> usize {
        self.authority.state().orders.len()
    }

    /// Lets time pass until it holds, but no more than `most`.
    async fn until(&self, most: Duration, holds: impl Fn(&Self) -> bool) {
        let end = tokio::time::Instant::now() + most;
        while !holds(self) {
            assert!(tokio::time::Instant::now() < end, "{:?}", self.asked());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn until_served(&self, most: Duration) {
        self.until(most, |it| it.served(0).is_some()).await;
    }

    fn asked(&self) -> Vec<String> {
        self.authority.state().asked.clone()
    }
}

async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

#[tokio::test(start_paused = true)]
async fn each_domain_gets_a_certificate_of_its_own() {
    for (has_plain, kind) in [(true, "http-01"), (false, "tls-alpn-01")] {
        let mut bench = Bench::with(&["shop.example", "www.shop.example"], has_plain);
        bench.start();
        bench.until(MINUTE, |it| it.served(1).is_some()).await;
        for (place, domain) in ["shop.example", "www.shop.example"].into_iter().enumerate() {
            let served = bench.served(place).expect("there is one");
            assert_eq!(served.facts.names, [domain]);
            assert_eq!(served.key.cert.len(), 2, "with who signed it");
        }
        let state = bench.authority.state();
        let kinds: Vec<_> = state.orders.iter().map(|it| it.kind.as_deref()).collect();
        assert_eq!(kinds, [Some(kind); 2]);
        assert_eq!(state.accounts, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_got_outlasts_a_restart_and_nobody_is_asked_again() {
    let mut bench = Bench::new();
    bench.start();
    bench.until_served(MINUTE).await;
    bench.start();
    assert!(bench.served(0).is_some(), "at once");
    pass(3 * HOUR).await;
    assert_eq!(bench.orders(), 1);
    assert!(
        bench
            .challenges
            .answer("/.well-known/acme-challenge/token-0")
            .is_none()
    );
}

#[tokio::test(start_paused = true)]
async fn it_is_renewed_at_two_thirds_of_its_life() {
    let mut bench = Bench::new();
    bench.start();
    bench.until_served(MINUTE).await;
    let first = bench.served(0).expect("there is one");
    // Nine days: due at the sixth, or up to eleven hours before.
    pass(5 * DAY + 12 * HOUR).await;
    assert_eq!(bench.orders(), 1);
    pass(13 * HOUR).await;
    assert_eq!(bench.orders(), 2);
    let second = bench.served(0).expect("there is one");
    assert_ne!(first.key.cert, second.key.cert);
    assert_ne!(first.life().share, second.life().share, "spread");
    assert_eq!(bench.authority.state().accounts, 1);
}

#[tokio::test(start_paused = true)]
async fn failures_are_few_and_remembered() {
    let mut bench = Bench::new();
    // Nobody asks this one's challenges: every proof fails.
    bench.authority = Authority::new(Arc::default(), SystemTime::now);
    bench.start();
    pass(HOUR).await;
    assert_eq!(bench.orders(), 5);
    let orders = bench.authority.state().orders.clone();
    let kinds: Vec<_> = orders.iter().filter_map(|it| it.kind.as_deref()).collect();
    let in_turn = ["http-01", "tls-alpn-01", "http-01"];
    assert_eq!(kinds[..3], in_turn);
    for _ in 0..50 {
        bench.start();
        pass(Duration::from_secs(1)).await;
    }
    assert!(bench.orders() <= 6, "{}", bench.orders());
    let record = bench.issuer.store.load_record("shop.example").await;
    let why = record.why.expect("a reason");
    assert!(why.contains("nobody is there"), "{why}");
    pass(5 * DAY).await;
    assert!(bench.orders() < 30, "{}", bench.orders());
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_the_authority_is_kept_to() {
    let mut bench = Bench::new();
    let kind = "urn:ietf:params:acme:error:rateLimited";
    let refusal = (
        429,
        json!({"type": kind, "detail": "too many"}),
        Some(4 * 3600),
    );
    bench
        .authority
        .state()
        .refuses
        .insert("/order", refusal.clone());
    bench.start();
    bench
        .until(MINUTE, |it| it.asked().iter().any(|it| it == "/order"))
        .await;
    let count = |bench: &Bench| bench.asked().iter().filter(|it| *it == "/order").count();
    pass(2 * HOUR).await;
    bench.start();
    pass(HOUR + 50 * MINUTE).await;
    assert_eq!(count(&bench), 1);
    // Without a word it is an hour.
    let silent = (refusal.0, refusal.1, None);
    bench.authority.state().refuses.insert("/order", silent);
    pass(30 * MINUTE).await;
    assert_eq!(count(&bench), 2);
    bench.authority.state().refuses.clear();
    pass(20 * MINUTE).await;
    assert_eq!(count(&bench), 2);
    bench.until_served(HOUR).await;
}

#[tokio::test(start_paused = true)]
async fn who_is_killed_in_an_order_goes_on_with_it() {
    for at in ["/challenge", "/finalize", "/certificate"] {
        let mut bench = Bench::new();
        bench.authority.state().stalls_at = Some(at);
        bench.start();
        bench
            .until(MINUTE, |it| it.asked().iter().any(|it| it.starts_with(at)))
            .await;
        bench.start();
        bench.authority.state().stalls_at = None;
        let before = bench.asked().len();
        pass(MINUTE).await;
        assert_eq!(bench.asked().len(), before, "{at}: it counts as a failure");
        bench.until_served(5 * MINUTE).await;
        assert_eq!(bench.orders(), 1, "{at}: no other was made");
    }
}

#[tokio::test(start_paused = true)]
async fn an_authority_that_does_not_answer_is_asked_again_later() {
    let mut bench = Bench::new();
    bench.authority.state().stalls_at = Some("/order");
    bench.start();
    pass(ATTEMPT_BOUND + 10 * MINUTE).await;
    bench.authority.state().stalls_at = None;
    bench.until_served(HOUR).await;
}

#[tokio::test(start_paused = true)]
async fn where_nothing_can_be_remembered_nobody_is_asked() {
    let mut bench = Bench::new();
    let in_the_way = bench.folder.path().join("acme");
    std::fs::write(&in_the_way, "").expect("it is written");
    bench.start();
    pass(DAY).await;
    assert!(bench.asked().is_empty());
    std::fs::remove_file(in_the_way).expect("it is there");
    bench.until_served(8 * HOUR).await;
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_could_not_be_stored_is_fetched_again() {
    let mut bench = Bench::new();
    let in_the_way = bench.issuer.store.certificate("shop.example");
    std::fs::create_dir_all(in_the_way.join("a")).expect("it is made");
    bench.start();
    bench
        .until(MINUTE, |it| {
            it.asked().iter().any(|it| it == "/certificate/0")
        })
        .await;
    pass(MINUTE).await;
    assert!(bench.served(0).is_none());
    std::fs::remove_dir_all(in_the_way).expect("it is there");
    bench.until_served(HOUR).await;
    assert_eq!(bench.orders(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_costs_a_few_attempts_and_no_certificate() {
    let mut bench = Bench::new();
    bench.start();
    bench.until_served(MINUTE).await;
    let first = bench.served(0).expect("there is one");
    // Years ahead all is expired, and so is whatever comes.
    bench.clock.set_ahead(3000 * DAY);
    pass(DAY).await;
    assert!(bench.orders() < 14, "{}", bench.orders());
    let served = bench.served(0).expect("it goes on serving");
    assert_eq!(served.key.cert, first.key.cert);
    // And back: what was noted is of another time, and what is there is good.
    bench.clock.set_ahead(Duration::ZERO);
    let orders = bench.orders();
    pass(DAY).await;
    assert_eq!(bench.orders(), orders);
    pass(6 * DAY).await;
    assert_eq!(bench.orders(), orders + 1, "renewed in time");
}

#[tokio::test(start_paused = true)]
async fn an_authority_that_forgets_accounts_gets_another() {
    let mut bench = Bench::new();
    bench.start();
    bench.until_served(MINUTE).await;
    bench.authority.state().is_reset = true;
    pass(6 * DAY + HOUR).await;
    assert_eq!(bench.orders(), 2);
    assert_eq!(bench.authority.state().accounts, 2);
}

#[tokio::test(start_paused = true)]
async fn an_authority_may_ask_for_renewal_and_hears_what_is_replaced() {
    let mut bench = Bench::new();
    bench.start();
    bench.until_served(MINUTE).await;
    let now = bench.clock.right();
    bench.authority.state().window = Some((now - 2 * DAY, now - DAY));
    // It is asked every six hours.
    pass(7 * HOUR).await;
    let orders = bench.authority.state().orders.clone();
    assert!(orders.len() >= 2, "{orders:?}");
    assert!(orders[0].replaces.is_none());
    let replaces = orders[1].replaces.as_deref().expect("it is said");
    assert_eq!(replaces.split('.').count(), 2, "{replaces}");
    // One that would have everything renewed at once, always, is asked once an hour.
    let hours = 10;
    pass(hours * HOUR).await;
    let more = bench.orders() - orders.len();
    assert!(more <= 10, "{more}");
    let later = bench.clock.right() + 30 * DAY;
    bench.authority.state().window = Some((later, later + DAY));
    pass(DAY).await;
    let settled = bench.orders();
    pass(3 * DAY).await;
    assert_eq!(bench.orders(), settled, "not one that lets it expire");
}

#[tokio::test(start_paused = true)]
async fn a_certificate_for_somebody_else_is_not_served_with() {
    let mut bench = Bench::new();
    bench.start();
    bench.until_served(MINUTE).await;
    bench.kill();
    let mut other = Bench::with(&["other.example"], true);
    other.start();
    other.until_served(MINUTE).await;
    let (theirs, ours) = (
        other.issuer.store.certificate("other.example"),
        bench.issuer.store.certificate("shop.example"),
    );
    std::fs::copy(theirs, ours).expect("it is copied");
    bench.start();
    assert!(bench.served(0).is_none());
    bench.until_served(2 * HOUR).await;
    assert_eq!(bench.orders(), 2);
}
