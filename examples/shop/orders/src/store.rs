//! The orders' own database: one SQLite file, which all the replicas share and no other service
//! knows of.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, TransactionBehavior, params};
use serde::{Deserialize, Serialize};
use shop_events::Outbox;

/// How long one replica waits for another to finish writing.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long it waits before it tries again what SQLite does not wait for.
const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// The most orders that one answer lists.
const LIST_LIMIT: u32 = 100;

/// The topic that says which orders are placed.
const PLACED: &str = "order.placed";

/// An order is `pending`, then `placed` and at last `shipped`, or `given up` until it is undone and gone.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS orders (
        id TEXT PRIMARY KEY,
        item TEXT NOT NULL,
        quantity INTEGER NOT NULL,
        state TEXT NOT NULL DEFAULT 'pending',
        began_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS unplaced ON orders (began_ms) WHERE state IN ('pending', 'given up');
";

pub struct Store {
    connection: Arc<Mutex<Connection>>,
    pub outbox: Outbox,
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
    pub state: Stage,
}

/// How far an order is that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    Placed,
    Shipped,
}

/// The event of an order that is placed.
#[derive(Serialize)]
struct Placed<'a> {
    order: &'a str,
    #[serde(flatten)]
    wish: &'a Wish,
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
        migration.execute_batch(Outbox::SCHEMA)?;
        migration.commit()?;
        let connection = Arc::new(Mutex::new(connection));
        Ok(Self {
            outbox: Outbox::new(Arc::clone(&connection)),
            connection,
        })
    }

    /// The latest first.
    pub fn taken(&self) -> rusqlite::Result<Vec<Order>> {
        self.lock()
            .prepare_cached(
                "SELECT id, item, quantity, state FROM orders WHERE state IN ('placed', 'shipped')
                 ORDER BY id DESC LIMIT ?1",
            )?
            .query_map([LIST_LIMIT], order)?
            .collect()
    }

    pub fn find(&self, id: &str) -> rusqlite::Result<Option<Order>> {
        self.lock()
            .prepare_cached(
                "SELECT id, item, quantity, state FROM orders
                 WHERE id = ?1 AND state IN ('placed', 'shipped')",
            )?
            .query_row([id], order)
            .optional()
    }

    /// Writes down a new order, pending. Its id is the time and 80 random bits in hexadecimal: no
    /// two replicas make the same, and a later order's sorts after an earlier one's.
    pub fn begin(&self, wish: &Wish) -> rusqlite::Result<String> {
        self.lock().query_row(
            "INSERT INTO orders (id, item, quantity, began_ms)
             VALUES (printf('%012x', ?3) || lower(hex(randomblob(10))), ?1, ?2, ?3) RETURNING id",
            params![wish.item, wish.quantity, now_ms()],
            |row| row.get(0),
        )
    }

    /// Places an order that is still pending, and says so to whoever ships it: in one transaction,
    /// so that no order is forgotten and none is shipped that was not placed. None when it was
    /// given up meanwhile.
    pub fn place(&self, id: String, wish: Wish) -> rusqlite::Result<Option<Order>> {
        let mut connection = self.lock();
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let changed = change.execute(
            "UPDATE orders SET state = 'placed' WHERE id = ?1 AND state = 'pending'",
            [&id],
        )?;
        if changed == 0 {
            return Ok(None);
        }
        let event = Placed {
            order: &id,
            wish: &wish,
        };
        Outbox::put(&change, PLACED, &id, &event)?;
        change.commit()?;
        self.outbox.wake();
        Ok(Some(Order {
            id,
            wish,
            state: Stage::Placed,
        }))
    }

    /// Notes that an order was shipped, however often that is said.
    pub fn shipped(&self, id: &str) -> rusqlite::Result<()> {
        self.lock().execute(
            "UPDATE orders SET state = 'shipped' WHERE id = ?1 AND state = 'placed'",
            [id],
        )?;
        Ok(())
    }

    /// Whether the order was not placed, and will not be from now on.
    pub fn give_up(&self, id: &str) -> rusqlite::Result<bool> {
        let changed = self.lock().execute(
            "UPDATE orders SET state = 'given up' WHERE id = ?1 AND state IN ('pending', 'given up')",
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
    let state: String = row.get(3)?;
    Ok(Order {
        id: row.get(0)?,
        wish,
        state: match state.as_str() {
            "shipped" => Stage::Shipped,
            _ => Stage::Placed,
        },
    })
}

fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    since.as_millis() as i64
}
