//! Shipments: one for each order, with its event.

#![allow(clippy::unwrap_used)]

use tempfile::TempDir;

use super::*;

fn store() -> (Store, TempDir) {
    let folder = TempDir::new().unwrap();
    let url = format!("sqlite:///{}/tracker.db", folder.path().display());
    (Store::open(&url).unwrap(), folder)
}

fn shipment(order: &str, quantity: u32) -> Shipment {
    Shipment {
        order: order.into(),
        item: "gopher".into(),
        quantity: NonZeroU32::new(quantity).unwrap(),
    }
}

/// The keys of what is to be sent, in order.
fn outbox(store: &Store) -> Vec<String> {
    let connection = store.lock();
    let mut keys = connection
        .prepare("SELECT key FROM outbox WHERE topic = 'order.shipped' ORDER BY id")
        .unwrap();
    keys.query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

#[test]
fn an_order_ships_once_however_often_it_is_placed() {
    let (store, _folder) = store();
    for _ in 0..3 {
        store.ship(&shipment("a", 2)).unwrap();
    }
    assert_eq!(store.shipments(None).unwrap(), [shipment("a", 2)]);
    assert_eq!(outbox(&store), ["a"]);
}

#[test]
fn the_list_is_of_all_or_of_one_order() {
    let (store, _folder) = store();
    store.ship(&shipment("a", 1)).unwrap();
    store.ship(&shipment("b", 2)).unwrap();
    assert_eq!(
        store.shipments(None).unwrap(),
        [shipment("b", 2), shipment("a", 1)]
    );
    assert_eq!(store.shipments(Some("a")).unwrap(), [shipment("a", 1)]);
    assert_eq!(store.shipments(Some("c")).unwrap(), []);
    assert_eq!(outbox(&store), ["a", "b"]);
}
