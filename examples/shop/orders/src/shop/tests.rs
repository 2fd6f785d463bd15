//! The saga against callees that answer as a test wants.

#![allow(clippy::unwrap_used)]

use std::net::TcpListener;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use tempfile::TempDir;

use super::*;

/// A callee that notes each request and answers all with one status.
#[derive(Clone)]
struct Fake {
    url: String,
    status: Arc<AtomicU16>,
    calls: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let fake = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            status: Arc::new(AtomicU16::new(200)),
            calls: Arc::default(),
        };
        let router = Router::new()
            .fallback(Self::answer)
            .with_state(fake.clone());
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                axum::serve(listener, router).await.unwrap();
            });
        });
        fake
    }

    async fn answer(
        State(fake): State<Self>,
        method: Method,
        uri: Uri,
        headers: HeaderMap,
    ) -> Problem {
        let trail = headers
            .get("x-request-id")
            .map_or("", |id| id.to_str().unwrap());
        fake.calls
            .lock()
            .unwrap()
            .push(format!("{method} {uri} {trail}"));
        let status = StatusCode::from_u16(fake.status.load(Ordering::SeqCst)).unwrap();
        Problem::new(status, "as the test wants")
    }

    fn answers(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// The requests since the last time.
    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

struct Scene {
    shop: Shop,
    inventory: Fake,
    tracker: Fake,
    folder: TempDir,
}

fn scene() -> Scene {
    let folder = TempDir::new().unwrap();
    let (inventory, tracker) = (Fake::start(), Fake::start());
    let shop = Shop {
        store: Store::open(&database(&folder)).unwrap(),
        inventory: Callee::new("inventory", inventory.url.clone()),
        tracker: Callee::new("tracker", tracker.url.clone()),
    };
    Scene {
        shop,
        inventory,
        tracker,
        folder,
    }
}

fn database(folder: &TempDir) -> String {
    format!("sqlite:///{}/orders.db", folder.path().display())
}

fn gophers() -> Wish {
    Wish {
        item: "gopher".into(),
        quantity: NonZeroU32::new(2).unwrap(),
    }
}

fn trail() -> Trail {
    let mut headers = HeaderMap::new();
    headers.insert("x-request-id", "r1".parse().unwrap());
    Trail::of(&headers)
}

#[test]
fn an_order_is_reserved_then_shipped_then_shown() {
    let Scene {
        shop,
        inventory,
        tracker,
        ..
    } = scene();
    let order = shop.place(gophers(), &trail()).unwrap();
    let id = &order.id;
    assert_eq!(inventory.calls(), [format!("PUT /reservations/{id} r1")]);
    assert_eq!(tracker.calls(), [format!("PUT /shipments/{id} r1")]);
    assert_eq!(shop.store.find(id).unwrap(), Some(order.clone()));
    assert_eq!(shop.store.placed().unwrap(), [order]);
}

#[test]
fn a_refusal_is_passed_on_with_its_reason_and_nothing_is_shipped() {
    let Scene {
        shop,
        inventory,
        tracker,
        ..
    } = scene();
    inventory.answers(409);
    let problem = shop.place(gophers(), &trail()).unwrap_err();
    assert_eq!(
        (problem.status.as_u16(), problem.detail.as_str()),
        (409, "as the test wants")
    );
    assert!(tracker.calls().iter().all(|call| !call.starts_with("PUT")));
    assert_eq!(shop.store.placed().unwrap(), []);
}

#[test]
fn a_shipment_that_cannot_be_asked_for_releases_the_reservation() {
    let Scene {
        shop,
        inventory,
        tracker,
        ..
    } = scene();
    tracker.answers(500);
    let problem = shop.place(gophers(), &trail()).unwrap_err();
    assert_eq!(problem.status.as_u16(), 503);
    let [reserved, released] = inventory.calls().try_into().unwrap();
    assert_eq!(reserved.replace("PUT", "DELETE"), released);
    assert_eq!(shop.store.placed().unwrap(), []);
}

#[test]
fn what_could_not_be_undone_is_undone_later() {
    let Scene {
        shop,
        inventory,
        tracker,
        ..
    } = scene();
    inventory.answers(503);
    shop.place(gophers(), &trail()).unwrap_err();
    shop.recover(ABANDONED_AFTER).unwrap_err();
    inventory.calls();

    inventory.answers(204);
    shop.recover(ABANDONED_AFTER).unwrap();
    assert!(inventory.calls()[0].starts_with("DELETE /reservations/"));
    assert!(tracker.calls()[0].starts_with("DELETE /shipments/"));
    shop.recover(ABANDONED_AFTER).unwrap();
    assert_eq!(inventory.calls(), [""; 0], "it is done once and forgotten");
}

#[test]
fn an_order_left_pending_by_a_process_that_died_is_undone() {
    let Scene {
        shop, inventory, ..
    } = scene();
    let order = shop.store.begin(gophers()).unwrap();
    shop.recover(ABANDONED_AFTER).unwrap();
    assert_eq!(
        inventory.calls(),
        [""; 0],
        "somebody may still be working on it"
    );
    shop.recover(Duration::ZERO).unwrap();
    assert_eq!(
        inventory.calls(),
        [format!("DELETE /reservations/{} ", order.id)]
    );
}

#[test]
fn an_order_is_either_placed_or_given_up() {
    let Scene { shop, .. } = scene();
    let late = shop.store.begin(gophers()).unwrap();
    assert!(shop.store.give_up(&late.id).unwrap());
    assert!(!shop.store.confirm(&late.id).unwrap());

    let placed = shop.place(gophers(), &trail()).unwrap();
    assert!(!shop.store.give_up(&placed.id).unwrap());
    assert_eq!(shop.store.placed().unwrap(), [placed]);
}

#[test]
fn replicas_may_open_one_new_database_at_once() {
    for _ in 0..20 {
        let folder = TempDir::new().unwrap();
        let url = database(&folder);
        thread::scope(|scope| {
            let replicas: Vec<_> = (0..4).map(|_| scope.spawn(|| Store::open(&url))).collect();
            for replica in replicas {
                replica.join().unwrap().unwrap().begin(gophers()).unwrap();
            }
        });
    }
}

#[test]
fn a_replica_sees_what_another_placed() {
    let scene = scene();
    let order = scene.shop.place(gophers(), &trail()).unwrap();
    let other = Store::open(&database(&scene.folder)).unwrap();
    assert_eq!(other.find(&order.id).unwrap(), Some(order));
}
