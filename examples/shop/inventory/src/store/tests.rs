//! Reservations: once for each id, never more than the stock.

#![allow(clippy::unwrap_used)]

use std::thread;

use tempfile::TempDir;

use super::*;

fn store() -> (Store, TempDir) {
    let folder = TempDir::new().unwrap();
    (Store::open(&database(&folder)).unwrap(), folder)
}

fn database(folder: &TempDir) -> String {
    format!("sqlite:///{}/inventory.db", folder.path().display())
}

fn of(item: &str, quantity: u32) -> Reservation {
    Reservation {
        item: item.into(),
        quantity: NonZeroU32::new(quantity).unwrap(),
    }
}

fn gophers_left(store: &Store) -> u32 {
    let stock = store.stock().unwrap();
    stock
        .into_iter()
        .find(|stock| stock.item == "gopher")
        .unwrap()
        .in_stock
}

#[test]
fn a_reservation_sent_twice_is_made_once() {
    let (store, _folder) = store();
    assert_eq!(store.reserve("a", &of("gopher", 2)).unwrap(), Reserved::Now);
    assert_eq!(
        store.reserve("a", &of("gopher", 2)).unwrap(),
        Reserved::Before
    );
    assert_eq!(
        store.reserve("a", &of("gopher", 3)).unwrap(),
        Reserved::Taken
    );
    assert_eq!(gophers_left(&store), 98);
}

#[test]
fn more_than_the_stock_reserves_nothing() {
    let (store, _folder) = store();
    assert_eq!(
        store.reserve("a", &of("gopher", 101)).unwrap(),
        Reserved::OutOfStock { left: 100 }
    );
    assert_eq!(gophers_left(&store), 100);
    assert_eq!(
        store.reserve("a", &of("gopher", 100)).unwrap(),
        Reserved::Now
    );
    assert_eq!(
        store.reserve("b", &of("gopher", 1)).unwrap(),
        Reserved::OutOfStock { left: 0 }
    );
}

#[test]
fn an_unknown_item_is_said_to_be_one() {
    let (store, _folder) = store();
    assert_eq!(
        store.reserve("a", &of("unicorn", 1)).unwrap(),
        Reserved::UnknownItem
    );
}

#[test]
fn a_release_puts_back_once_and_for_all() {
    let (store, _folder) = store();
    store.reserve("a", &of("gopher", 2)).unwrap();
    store.release("a").unwrap();
    store.release("a").unwrap();
    assert_eq!(gophers_left(&store), 100);
    assert_eq!(
        store.reserve("a", &of("gopher", 2)).unwrap(),
        Reserved::Taken
    );
}

#[test]
fn a_release_that_overtakes_its_reservation_wins() {
    let (store, _folder) = store();
    store.release("a").unwrap();
    assert_eq!(
        store.reserve("a", &of("gopher", 2)).unwrap(),
        Reserved::Taken
    );
    assert_eq!(gophers_left(&store), 100);
}

#[test]
fn two_instances_never_reserve_the_last_one_twice() {
    let folder = TempDir::new().unwrap();
    let url = database(&folder);
    let made: usize = thread::scope(|scope| {
        let instances: Vec<_> = (0..2)
            .map(|instance| {
                let url = &url;
                scope.spawn(move || {
                    let store = Store::open(url).unwrap();
                    let reserve = |n: &u32| {
                        let id = format!("{instance}-{n}");
                        store.reserve(&id, &of("gopher", 1)).unwrap() == Reserved::Now
                    };
                    (0..75).filter(reserve).count()
                })
            })
            .collect();
        instances
            .into_iter()
            .map(|instance| instance.join().unwrap())
            .sum()
    });
    assert_eq!(made, 100);
    assert_eq!(gophers_left(&Store::open(&url).unwrap()), 0);
}

#[test]
fn the_escapes_of_a_database_url_are_read() {
    let folder = TempDir::new().unwrap();
    let url = format!("sqlite:///{}/50%25%23.db", folder.path().display());
    Store::open(&url).unwrap();
    assert!(folder.path().join("50%#.db").exists());
}
