//! Services and Polity itself are killed at random moments, and no order is lost or doubled.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use polity_core::{Rng, SplitMix64};
use rusqlite::{Connection, OpenFlags};
use rustix::process::Signal;
use serde_json::json;

use crate::http::try_post;
use crate::shop;
use crate::system::{System, signal};
use crate::wait;

/// How many are killed, unless `E2E_KILLS` says another number.
const KILLS: u32 = 5;

/// The moments between two kills, in milliseconds: within some, everything is under way; within
/// others, a restart is.
const MOMENTS_MS: std::ops::Range<u64> = 50..1500;

/// Enough for every order of the longest run.
const STOCK: u32 = 10_000_000;

/// How long a customer waits before the next order.
const PAUSE: Duration = Duration::from_millis(10);

fn number<T: std::str::FromStr>(variable: &str) -> Option<T> {
    env::var(variable).ok()?.parse().ok()
}

/// Places one order after the other at wherever the gateway is, and keeps the ids of those that
/// were acknowledged.
struct Customer {
    ids: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl Customer {
    fn start(data: PathBuf) -> Self {
        let (ids, stop) = (
            Arc::<Mutex<Vec<String>>>::default(),
            Arc::<AtomicBool>::default(),
        );
        let (placed, stopped) = (Arc::clone(&ids), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            let body = json!({"item": "gopher", "quantity": 1}).to_string();
            while !stopped.load(Ordering::Relaxed) {
                let answer = gateway(&data).and_then(|at| try_post(at, "/orders", &body));
                if let Some(answer) = answer.filter(|answer| answer.status == 201) {
                    let id = answer.json()["id"].as_str().unwrap().to_owned();
                    placed.lock().unwrap().push(id);
                }
                thread::sleep(PAUSE);
            }
        });
        Self { ids, stop, thread }
    }

    fn stop(self) -> BTreeSet<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        self.ids.lock().unwrap().drain(..).collect()
    }
}

/// Where the gateway of the system on this folder listens, if it runs.
fn gateway(data: &Path) -> Option<std::net::SocketAddr> {
    let run = std::fs::read_to_string(data.join("run.json")).ok()?;
    let run: serde_json::Value = serde_json::from_str(&run).ok()?;
    run["addresses"]["gateway"].as_str()?.parse().ok()
}

/// A service's database, which the service goes on using.
fn database(data: &Path, service: &str) -> Connection {
    let path = data.join("databases").join(format!("{service}.sqlite"));
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    connection.busy_timeout(wait::DEADLINE).unwrap();
    connection
}

fn count(database: &Connection, what: &str) -> u32 {
    let query = format!("SELECT count(*) FROM {what}");
    database.query_row(&query, [], |row| row.get(0)).unwrap()
}

/// Orders or shipments by id: of what and how many.
fn by_order(database: &Connection, query: &str) -> BTreeMap<String, (String, u32)> {
    let mut query = database.prepare(query).unwrap();
    let rows = query.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))));
    rows.unwrap().map(Result::unwrap).collect()
}

/// One of the shop's processes that use events, or Polity itself.
fn kill_one(mut system: System, random: &mut SplitMix64) -> System {
    match random.next_u64() % 5 {
        0 => {
            eprintln!("polity is killed");
            signal(system.pid(), Signal::KILL);
            wait::until("no process is left", || {
                system.processes().is_empty().then_some(())
            });
            system = system.started();
        }
        choice => {
            let service = if choice < 3 { "orders" } else { "tracker" };
            // While it is being restarted there may be none.
            let pids = system.pids(service);
            if let Some(pid) = pids.get(random.next_u64() as usize % pids.len().max(1)) {
                eprintln!("{service} is killed");
                signal(*pid, Signal::KILL);
            }
        }
    }
    system
}

#[test]
fn no_order_is_lost_or_doubled_whoever_is_killed() {
    let seed = number("E2E_SEED").unwrap_or_else(|| SplitMix64::from_system().next_u64());
    let kills = number("E2E_KILLS").unwrap_or(KILLS);
    eprintln!("{kills} kills; again by E2E_SEED={seed}");
    let mut random = SplitMix64::new(seed);

    let mut system = System::folder(&shop::quick_plan()).started();
    let data = system.data();
    let stock = database(&data, "inventory");
    stock
        .execute("UPDATE items SET in_stock = ?1", [STOCK])
        .unwrap();
    let customer = Customer::start(data.clone());
    for _ in 0..kills {
        let moment = MOMENTS_MS.start + random.next_u64() % (MOMENTS_MS.end - MOMENTS_MS.start);
        thread::sleep(Duration::from_millis(moment));
        system = kill_one(system, &mut random);
    }
    let acknowledged = customer.stop();
    assert!(!acknowledged.is_empty(), "the shop was never open");

    let (orders, tracker) = (database(&data, "orders"), database(&data, "tracker"));
    let open = || {
        count(&orders, "orders WHERE state = 'placed'")
            + count(&orders, "outbox")
            + count(&tracker, "outbox")
    };
    let settled = wait::soon(|| (open() == 0).then_some(()));
    let taken = by_order(
        &orders,
        "SELECT id, item, quantity FROM orders WHERE state IN ('placed', 'shipped')",
    );
    let shipped = by_order(&tracker, "SELECT order_id, item, quantity FROM shipments");
    let missing = |in_these: &BTreeMap<String, _>, of: &BTreeSet<&String>| {
        let missing = of.iter().filter(|id| !in_these.contains_key(**id));
        missing.map(|id| (*id).clone()).collect::<Vec<_>>()
    };
    let none: Vec<String> = Vec::new();
    assert_eq!(
        missing(&taken, &acknowledged.iter().collect()),
        none,
        "acknowledged and lost"
    );
    assert_eq!(
        missing(&shipped, &taken.keys().collect()),
        none,
        "placed and not shipped"
    );
    assert_eq!(
        missing(&taken, &shipped.keys().collect()),
        none,
        "shipped and not placed"
    );
    assert_eq!(taken, shipped);
    assert!(
        settled.is_some(),
        "{} orders or events are on their way for ever",
        open()
    );
    // What is in nobody's hands is in stock: each order took one, and those begun and not placed
    // may still hold theirs.
    let held = count(&stock, "reservations WHERE item IS NOT NULL");
    let left: u32 = stock
        .query_row(
            "SELECT in_stock FROM items WHERE item = 'gopher'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(STOCK - left, held);
    let begun = count(&orders, "orders WHERE state IN ('pending', 'given up')");
    let taken = u32::try_from(taken.len()).unwrap();
    assert!(
        (taken..=taken + begun).contains(&held),
        "{taken} {begun} {held}"
    );
    eprintln!("{taken} orders, {} acknowledged", acknowledged.len());
}
