//! The saga against an inventory that answers as a test wants.

#![allow(clippy::unwrap_used)]

use std::net::TcpListener;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::store::Stage;

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
    folder: TempDir,
}

fn scene() -> Scene {
    let folder = TempDir::new().unwrap();
    let inventory = Fake::start();
    let shop = Shop {
        store: Store::open(&database(&folder)).unwrap(),
        inventory: Callee::new("inventory", inventory.url.clone()),
    };
    Scene {
        shop,
        inventory,
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

/// What is to be sent, in order: topic, key and value.
fn outbox(scene: &Scene) -> Vec<[String; 3]> {
    let connection = Connection::open(scene.folder.path().join("orders.db")).unwrap();
    let mut rows = connection
        .prepare("SELECT topic, key, value FROM outbox ORDER BY id")
        .unwrap();
    rows.query_map([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

#[test]
fn an_order_is_reserved_then_placed_with_its_event() {
    let scene = scene();
    let Scene {
        shop, inventory, ..
    } = &scene;
    let order = shop.place(gophers(), &trail()).unwrap();
    let id = &order.id;
    assert_eq!(inventory.calls(), [format!("PUT /reservations/{id} r1")]);
    let event = format!(r#"{{"order":"{id}","item":"gopher","quantity":2}}"#);
    assert_eq!(outbox(&scene), [["order.placed", id, &event]]);
    assert_eq!(order.state, Stage::Placed);
    assert_eq!(shop.store.find(id).unwrap(), Some(order.clone()));
    assert_eq!(shop.store.taken().unwrap(), [order]);
}

#[test]
fn a_refusal_is_passed_on_with_its_reason_and_nothing_ships() {
    let scene = scene();
    let Scene {
        shop, inventory, ..
    } = &scene;
    inventory.answers(409);
    let problem = shop.place(gophers(), &trail()).unwrap_err();
    assert_eq!(
        (problem.status.as_u16(), problem.detail.as_str()),
        (409, "as the test wants")
    );
    assert_eq!(shop.store.taken().unwrap(), []);
    assert!(outbox(&scene).is_empty());
}

#[test]
fn an_order_is_shipped_once_it_is_placed_and_however_often_that_is_said() {
    let Scene { shop, .. } = scene();
    let order = shop.place(gophers(), &trail()).unwrap();
    let pending = shop.store.begin(&gophers()).unwrap();
    for id in [&order.id, &order.id, &pending, &"unknown".to_owned()] {
        shop.store.shipped(id).unwrap();
    }
    let shipped = Order {
        state: Stage::Shipped,
        ..order
    };
    assert_eq!(shop.store.taken().unwrap(), [shipped]);
    assert!(shop.store.give_up(&pending).unwrap());
}

#[test]
fn what_could_not_be_undone_is_undone_later() {
    let Scene {
        shop, inventory, ..
    } = scene();
    inventory.answers(503);
    shop.place(gophers(), &trail()).unwrap_err();
    shop.recover(ABANDONED_AFTER).unwrap_err();
    inventory.calls();

    inventory.answers(204);
    shop.recover(ABANDONED_AFTER).unwrap();
    assert!(inventory.calls()[0].starts_with("DELETE /reservations/"));
    shop.recover(ABANDONED_AFTER).unwrap();
    assert_eq!(inventory.calls(), [""; 0], "it is done once and forgotten");
}

#[test]
fn an_order_left_pending_by_a_process_that_died_is_undone() {
    let Scene {
        shop, inventory, ..
    } = scene();
    let id = shop.store.begin(&gophers()).unwrap();
    shop.recover(ABANDONED_AFTER).unwrap();
    assert_eq!(
        inventory.calls(),
        [""; 0],
        "somebody may still be working on it"
    );
    shop.recover(Duration::ZERO).unwrap();
    assert_eq!(inventory.calls(), [format!("DELETE /reservations/{id} ")]);
}

#[test]
fn an_order_is_either_placed_or_given_up() {
    let Scene { shop, .. } = scene();
    let late = shop.store.begin(&gophers()).unwrap();
    assert!(shop.store.give_up(&late).unwrap());
    assert_eq!(shop.store.place(late, gophers()).unwrap(), None);

    let placed = shop.place(gophers(), &trail()).unwrap();
    assert!(!shop.store.give_up(&placed.id).unwrap());
    assert_eq!(shop.store.taken().unwrap(), [placed]);
}

#[test]
fn replicas_may_open_one_new_database_at_once() {
    for _ in 0..20 {
        let folder = TempDir::new().unwrap();
        let url = database(&folder);
        thread::scope(|scope| {
            let replicas: Vec<_> = (0..4).map(|_| scope.spawn(|| Store::open(&url))).collect();
            for replica in replicas {
                replica.join().unwrap().unwrap().begin(&gophers()).unwrap();
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
