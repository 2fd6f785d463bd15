//! The tracker's own database: one SQLite file that no other service knows of.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use rusqlite::{Connection, ErrorCode, TransactionBehavior, params};
use serde::{Deserialize, Serialize};
use shop_events::Outbox;

/// How long one instance waits for another to finish writing.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long it waits before it tries again what SQLite does not wait for.
const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// The most shipments that one answer lists.
const LIST_LIMIT: u32 = 100;

/// The topic that says which orders are shipped.
const SHIPPED: &str = "order.shipped";

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS shipments (
        order_id TEXT PRIMARY KEY,
        item TEXT NOT NULL,
        quantity INTEGER NOT NULL
    ) STRICT;
";

pub struct Store {
    connection: Arc<Mutex<Connection>>,
    pub outbox: Outbox,
}

/// What is sent to whom; also the event of an order that was placed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shipment {
    pub order: String,
    pub item: String,
    pub quantity: NonZeroU32,
}

/// The event of an order that was shipped.
#[derive(Serialize)]
struct Shipped<'a> {
    order: &'a str,
}

impl Store {
    /// Opens `sqlite:////path/to/file` and brings its schema up to date. Any number of instances
    /// may do so at once.
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

    /// The latest first; those of one order when it is given.
    pub fn shipments(&self, order: Option<&str>) -> rusqlite::Result<Vec<Shipment>> {
        self.lock()
            .prepare_cached(
                "SELECT order_id, item, quantity FROM shipments
                 WHERE ?1 IS NULL OR order_id = ?1
                 ORDER BY rowid DESC LIMIT ?2",
            )?
            .query_map(params![order, LIST_LIMIT], |row| {
                Ok(Shipment {
                    order: row.get(0)?,
                    item: row.get(1)?,
                    quantity: row.get(2)?,
                })
            })?
            .collect()
    }

    /// Ships an order, and says so: in one transaction, and once for each order however often its
    /// event comes.
    pub fn ship(&self, shipment: &Shipment) -> rusqlite::Result<()> {
        let Shipment {
            order,
            item,
            quantity,
        } = shipment;
        let mut connection = self.lock();
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let is_new = change.execute(
            "INSERT INTO shipments VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            params![order, item, quantity],
        )? == 1;
        if is_new {
            Outbox::put(&change, SHIPPED, order, &Shipped { order })?;
        }
        change.commit()?;
        self.outbox.wake();
        Ok(())
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

#[cfg(test)]
mod tests;
