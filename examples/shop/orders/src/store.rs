//! The orders' own database: one SQLite file, which all the replicas share and no other service
//! knows of.

use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, TransactionBehavior, params};
use serde::{Deserialize, Serialize};

/// How long one replica waits for another to finish writing.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long it waits before it tries again what SQLite does not wait for.
const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// The most orders that one answer lists.
const LIST_LIMIT: u32 = 100;

/// An order is `pending`, then `placed` for good, or `given up` until it is undone and gone.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS orders (
        id TEXT PRIMARY KEY,
        item TEXT NOT NULL,
        quantity INTEGER NOT NULL,
        state TEXT NOT NULL DEFAULT 'pending',
        began_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS unfinished ON orders (began_ms) WHERE state <> 'placed';
";

pub struct Store {
    connection: Mutex<Connection>,
}

/// What a customer asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    pub item: String,
    pub quantity: NonZeroU32,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Order {
    pub id: String,
    #[serde(flatten)]
    pub wish: Wish,
}

impl Store {
    /// Opens `sqlite:////path/to/file` and brings its schema up to date. Any number of replicas may
    /// do so at once.
    pub fn open(url: &str) -> anyhow::Result<Self> {
        // SQLite reads the rest of such a URL as its own `file:` URLs, escapes included.
        let path = url
            .strip_prefix("sqlite:")
            .with_context(|| format!("not sqlite: {url}"))?;
        let mut connection = Connection::open(format!("file:{path}")).context(path.to_owned())?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        write_ahead(&connection)?;
        // One writer at a time from the first statement on: whoever comes second finds it done.
        let migration = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        migration.execute_batch(SCHEMA)?;
        migration.commit()?;
        let connection = Mutex::new(connection);
        Ok(Self { connection })
    }

    /// The latest first.
    pub fn placed(&self) -> rusqlite::Result<Vec<Order>> {
        self.lock()
            .prepare_cached(
                "SELECT id, item, quantity FROM orders WHERE state = 'placed'
                 ORDER BY id DESC LIMIT ?1",
            )?
            .query_map([LIST_LIMIT], order)?
            .collect()
    }

    pub fn find(&self, id: &str) -> rusqlite::Result<Option<Order>> {
        self.lock()
            .prepare_cached(
                "SELECT id, item, quantity FROM orders WHERE id = ?1 AND state = 'placed'",
            )?
            .query_row([id], order)
            .optional()
    }

    /// Writes down a new order, pending. Its id is the time and 80 random bits in hexadecimal: no
    /// two replicas make the same, and a later order's sorts after an earlier one's.
    pub fn begin(&self, wish: Wish) -> rusqlite::Result<Order> {
        let id = self.lock().query_row(
            "INSERT INTO orders (id, item, quantity, began_ms)
             VALUES (printf('%012x', ?3) || lower(hex(randomblob(10))), ?1, ?2, ?3) RETURNING id",
            params![wish.item, wish.quantity, now_ms()],
            |row| row.get(0),
        )?;
        Ok(Order { id, wish })
    }

    /// Whether the order was still pending, and is placed from now on.
    pub fn confirm(&self, id: &str) -> rusqlite::Result<bool> {
        let changed = self.lock().execute(
            "UPDATE orders SET state = 'placed' WHERE id = ?1 AND state = 'pending'",
            [id],
        )?;
        Ok(changed == 1)
    }

    /// Whether the order was not placed, and will not be from now on.
    pub fn give_up(&self, id: &str) -> rusqlite::Result<bool> {
        let changed = self.lock().execute(
            "UPDATE orders SET state = 'given up' WHERE id = ?1 AND state <> 'placed'",
            [id],
        )?;
        Ok(changed == 1)
    }

    pub fn forget(&self, id: &str) -> rusqlite::Result<()> {
        self.lock()
            .execute("DELETE FROM orders WHERE id = ?1", [id])?;
        Ok(())
    }

    /// What was given up, and what has been pending for too long.
    pub fn unfinished(&self, abandoned_after: Duration) -> rusqlite::Result<Vec<String>> {
        let abandoned_ms = now_ms() - abandoned_after.as_millis() as i64;
        self.lock()
            .prepare_cached(
                "SELECT id FROM orders
                 WHERE state = 'given up' OR (state = 'pending' AND began_ms <= ?1)
                 LIMIT ?2",
            )?
            .query_map(params![abandoned_ms, LIST_LIMIT], |row| row.get(0))?
            .collect()
    }

    /// A panic in the middle of a change has rolled it back, so the connection is still good.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Turns on the write-ahead log, with which readers and a writer do not wait for each other. Of two
/// who do so at once on a new file SQLite refuses one without waiting, so it is tried again.
fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    let deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && Instant::now() < deadline =>
            {
                thread::sleep(BUSY_PAUSE);
            }
            done => return done,
        }
    }
}

fn order(row: &Row<'_>) -> rusqlite::Result<Order> {
    let wish = Wish {
        item: row.get(1)?,
        quantity: row.get(2)?,
    };
    Ok(Order {
        id: row.get(0)?,
        wish,
    })
}

fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    since.as_millis() as i64
}
