//! Shipments: one for each order, unless it was cancelled.

#![allow(clippy::unwrap_used)]

use tempfile::TempDir;

use super::*;

fn store() -> (Store, TempDir) {
    let folder = TempDir::new().unwrap();
    let url = format!("sqlite:///{}/tracker.db", folder.path().display());
    (Store::open(&url).unwrap(), folder)
}

fn gophers(quantity: u32) -> Contents {
    Contents {
        item: "gopher".into(),
        quantity: NonZeroU32::new(quantity).unwrap(),
    }
}

fn shipment(order: &str, quantity: u32) -> Shipment {
    Shipment {
        order: order.into(),
        contents: gophers(quantity),
    }
}

#[test]
fn an_order_ships_once_however_often_it_is_asked_for() {
    let (store, _folder) = store();
    assert_eq!(store.ask("a", &gophers(2)).unwrap(), Asked::Now);
    assert_eq!(store.ask("a", &gophers(2)).unwrap(), Asked::Before);
    assert_eq!(store.ask("a", &gophers(3)).unwrap(), Asked::Taken);
    assert_eq!(store.shipments(None).unwrap(), [shipment("a", 2)]);
}

#[test]
fn the_list_is_of_all_or_of_one_order() {
    let (store, _folder) = store();
    store.ask("a", &gophers(1)).unwrap();
    store.ask("b", &gophers(2)).unwrap();
    assert_eq!(
        store.shipments(None).unwrap(),
        [shipment("b", 2), shipment("a", 1)]
    );
    assert_eq!(store.shipments(Some("a")).unwrap(), [shipment("a", 1)]);
    assert_eq!(store.shipments(Some("c")).unwrap(), []);
}

#[test]
fn a_cancelled_shipment_is_gone_and_stays_so() {
    let (store, _folder) = store();
    store.ask("a", &gophers(2)).unwrap();
    store.cancel("a").unwrap();
    store.cancel("overtaken").unwrap();
    assert_eq!(store.shipments(None).unwrap(), []);
    assert_eq!(store.ask("a", &gophers(2)).unwrap(), Asked::Taken);
    assert_eq!(store.ask("overtaken", &gophers(2)).unwrap(), Asked::Taken);
}
