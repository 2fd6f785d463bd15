//! A new instance begins with a tenth of its share: counted over the requests that a thread sends it.

use std::mem::MaybeUninit;
use std::time::Duration;

use polity_catalog::{Change, Instance as Listed};
use polity_http::limits::MAX_HEADERS;
use polity_http::{Exchange, Peer, Policy, RequestHead, Scheme};

use super::*;
use crate::overload::Gate;
use crate::policy::{GatewayPolicy, Listener};
use crate::tls;

const REQUESTS: u32 = 4_000;

/// A gateway whose time is the test's.
struct Scene {
    builder: Arc<Builder>,
    catalog: Published<Catalog>,
    thread: GatewayPolicy,
    now: Instant,
}

impl Scene {
    fn new(balance: &str) -> Self {
        let text = format!("[service.a]\nrun = \"a\"\nroute = \"/\"\nbalance = {balance}\n");
        let loaded = polity_plan::load(polity_plan::Source {
            name: "polity.toml",
            text: &text,
            environment: &|_| None,
        });
        let plan = Arc::new(loaded.plan.expect("a valid plan"));
        let catalog = Published::new(Catalog::default());
        let given = Given::of_a_test(4096);
        let builder = Arc::new(Builder::new(plan, catalog.clone(), given));
        Self {
            thread: GatewayPolicy::new(
                builder.reader(),
                None,
                Gate::new(Arc::default()),
                tls::InForce::default(),
            ),
            builder,
            catalog,
            now: Instant::now(),
        }
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    /// One more instance, which listens on this port.
    fn comes(&self, port: u16) {
        let instance = Listed {
            id: format!("a-{port}").as_str().into(),
            host: "127.0.0.1".to_owned(),
            port,
            version: None,
            health: Health::Ready,
            weight: 1,
            zone: None,
        };
        let service = ServiceName::new("a").expect("legal");
        self.change(Change::Put(service, instance));
    }

    fn leaves(&self, port: u16) {
        let service = ServiceName::new("a").expect("legal");
        self.change(Change::Remove(service, format!("a-{port}").as_str().into()));
    }

    fn change(&self, change: Change) {
        self.catalog.update(|catalog| catalog.apply(change));
        self.builder.rebuild_at(self.now);
    }

    /// The share of requests, of many that come one after the other, that go to this port.
    fn share(&self, port: u16) -> f64 {
        let sent = (0..REQUESTS).filter(|_| self.send() == port).count();
        sent as f64 / f64::from(REQUESTS)
    }

    fn send(&self) -> u16 {
        let mut space = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        let head = RequestHead::parse(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", &mut space);
        let (head, _) = head.expect("it is valid").expect("it is whole");
        let peer = Peer {
            address: ([127, 0, 0, 1], 9).into(),
            scheme: Scheme::Http,
            identity: None,
        };
        let mut exchange = self
            .thread
            .request(&Listener::Public, peer, &head, self.now);
        exchange
            .next()
            .expect("there is an instance")
            .address
            .port()
    }
}

#[track_caller]
fn check(share: f64, expected: f64) {
    // Five standard deviations of what is drawn, and more.
    assert!((share - expected).abs() < 0.04, "{share}, not {expected}");
}

/// By turns, where what an instance is given does not depend on how it does.
const TURNS: &str = "{ policy = \"round_robin\", ramp = \"90s\" }";

#[test]
fn a_new_instance_gets_a_tenth_of_its_share_and_then_more_and_more() {
    let mut scene = Scene::new(TURNS);
    scene.comes(1);
    scene.pass(600);
    scene.comes(2);
    // A tenth of what the other has: one of eleven.
    check(scene.share(2), 0.1 / 1.1);
    scene.pass(45);
    check(scene.share(2), 0.55 / 1.55);
    scene.pass(45);
    check(scene.share(2), 0.5);
}

#[test]
fn where_all_are_new_none_waits() {
    let mut scene = Scene::new(TURNS);
    (1..=3).for_each(|port| scene.comes(port));
    (1..=3).for_each(|port| check(scene.share(port), 1.0 / 3.0));
    // Nor does the one that is left of them.
    scene.pass(1);
    scene.leaves(1);
    scene.leaves(2);
    assert_eq!(scene.share(3), 1.0);
}

#[test]
fn a_deploy_that_has_replaced_all_leaves_none_waiting() {
    let mut scene = Scene::new(TURNS);
    (1..=2).for_each(|port| scene.comes(port));
    scene.pass(600);
    scene.comes(3);
    scene.leaves(1);
    check(scene.share(3), 0.1 / 1.1);
    scene.pass(5);
    scene.comes(4);
    scene.leaves(2);
    // Beside one that is five seconds older: 0.1 to 0.15.
    check(scene.share(4), 0.4);
}

#[test]
fn the_default_policy_ramps_and_does_not_where_the_plan_says_so() {
    let share = |balance: &str| {
        let mut scene = Scene::new(balance);
        scene.comes(1);
        scene.pass(600);
        scene.comes(2);
        scene.share(2)
    };
    let (ramped, whole) = (share("\"p2c\""), share("{ ramp = false }"));
    assert!(ramped < 0.2, "{ramped}");
    assert!((0.4..0.6).contains(&whole), "{whole}");
}
