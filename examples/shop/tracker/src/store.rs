//! The tracker's own database: one SQLite file that no other service knows of.

use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use rusqlite::{Connection, ErrorCode, OptionalExtension, TransactionBehavior, params};
use serde::{Deserialize, Serialize};

/// How long one instance waits for another to finish writing.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long it waits before it tries again what SQLite does not wait for.
const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// The most shipments that one answer lists.
const LIST_LIMIT: u32 = 100;

/// A shipment's item is NULL once it is cancelled.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS shipments (
        order_id TEXT PRIMARY KEY,
        item TEXT,
        quantity INTEGER
    ) STRICT;
";

pub struct Store {
    connection: Mutex<Connection>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contents {
    pub item: String,
    pub quantity: NonZeroU32,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct Shipment {
    pub order: String,
    #[serde(flatten)]
    pub contents: Contents,
}

/// What became of a wish to ship.
#[derive(Debug, PartialEq)]
pub enum Asked {
    Now,
    /// The same wish came before: a retry.
    Before,
    /// It was cancelled already, or the order ships something else.
    Taken,
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
        migration.commit()?;
        let connection = Mutex::new(connection);
        Ok(Self { connection })
    }

    /// The latest first; those of one order when it is given.
    pub fn shipments(&self, order: Option<&str>) -> rusqlite::Result<Vec<Shipment>> {
        self.lock()
            .prepare_cached(
                "SELECT order_id, item, quantity FROM shipments
                 WHERE item IS NOT NULL AND (?1 IS NULL OR order_id = ?1)
                 ORDER BY rowid DESC LIMIT ?2",
            )?
            .query_map(params![order, LIST_LIMIT], |row| {
                let contents = Contents {
                    item: row.get(1)?,
                    quantity: row.get(2)?,
                };
                Ok(Shipment {
                    order: row.get(0)?,
                    contents,
                })
            })?
            .collect()
    }

    /// Notes that an order is to be shipped, once for each order.
    pub fn ask(&self, order: &str, contents: &Contents) -> rusqlite::Result<Asked> {
        let connection = self.lock();
        let asked = connection.execute(
            "INSERT INTO shipments VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            params![order, contents.item, contents.quantity],
        )?;
        if asked == 1 {
            return Ok(Asked::Now);
        }
        let same = connection
            .query_row(
                "SELECT 1 FROM shipments WHERE order_id = ?1 AND item = ?2 AND quantity = ?3",
                params![order, contents.item, contents.quantity],
                |_| Ok(()),
            )
            .optional()?;
        Ok(if same.is_some() {
            Asked::Before
        } else {
            Asked::Taken
        })
    }

    /// An order that was never seen is marked all the same: the request to ship it may still be on
    /// its way, and must not succeed after it was given up.
    pub fn cancel(&self, order: &str) -> rusqlite::Result<()> {
        self.lock().execute(
            "INSERT INTO shipments (order_id) VALUES (?1)
             ON CONFLICT DO UPDATE SET item = NULL",
            [order],
        )?;
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
