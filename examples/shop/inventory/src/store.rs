//! The inventory's own database: one SQLite file that no other service knows of.

use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use rusqlite::{
    Connection, ErrorCode, OptionalExtension, Transaction, TransactionBehavior, params,
};
use serde::{Deserialize, Serialize};

/// How long one instance waits for another to finish writing.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long it waits before it tries again what SQLite does not wait for.
const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// A reservation's item is NULL once it is released.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS items (
        item TEXT PRIMARY KEY,
        in_stock INTEGER NOT NULL CHECK (in_stock >= 0)
    ) STRICT;
    CREATE TABLE IF NOT EXISTS reservations (
        id TEXT PRIMARY KEY,
        item TEXT REFERENCES items (item),
        quantity INTEGER
    ) STRICT;
    INSERT OR IGNORE INTO items VALUES ('crab', 50), ('elephant', 2), ('gopher', 100);
";

pub struct Store {
    connection: Mutex<Connection>,
}

#[derive(Debug, Serialize, PartialEq)]
pub struct Stock {
    pub item: String,
    pub in_stock: u32,
}

#[derive(Debug, Clone, Deserialize, PartialEq)]
pub struct Reservation {
    pub item: String,
    pub quantity: NonZeroU32,
}

/// What became of a wish to reserve.
#[derive(Debug, PartialEq)]
pub enum Reserved {
    Now,
    /// The same wish came before: a retry.
    Before,
    OutOfStock {
        left: u32,
    },
    UnknownItem,
    /// The id was released already, or stands for another wish.
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

    pub fn stock(&self) -> rusqlite::Result<Vec<Stock>> {
        self.lock()
            .prepare_cached("SELECT item, in_stock FROM items ORDER BY item")?
            .query_map([], |row| {
                Ok(Stock {
                    item: row.get(0)?,
                    in_stock: row.get(1)?,
                })
            })?
            .collect()
    }

    /// Takes from the stock all that is wanted, once for each id, or nothing.
    pub fn reserve(&self, id: &str, wanted: &Reservation) -> rusqlite::Result<Reserved> {
        let mut connection = self.lock();
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        match earlier(&change, id)? {
            Earlier::None => {}
            Earlier::Held(held) if held == *wanted => return Ok(Reserved::Before),
            Earlier::Held(_) | Earlier::Released => return Ok(Reserved::Taken),
        }
        let Some(left) = in_stock(&change, &wanted.item)? else {
            return Ok(Reserved::UnknownItem);
        };
        if left < wanted.quantity.get() {
            return Ok(Reserved::OutOfStock { left });
        }
        change.execute(
            "UPDATE items SET in_stock = in_stock - ?2 WHERE item = ?1",
            params![wanted.item, wanted.quantity],
        )?;
        change.execute(
            "INSERT INTO reservations (id, item, quantity) VALUES (?1, ?2, ?3)",
            params![id, wanted.item, wanted.quantity],
        )?;
        change.commit()?;
        Ok(Reserved::Now)
    }

    /// Puts back what was reserved. An id that was never seen is marked all the same: the request to
    /// reserve may still be on its way, and must not succeed after it was given up.
    pub fn release(&self, id: &str) -> rusqlite::Result<()> {
        let mut connection = self.lock();
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if let Earlier::Held(held) = earlier(&change, id)? {
            change.execute(
                "UPDATE items SET in_stock = in_stock + ?2 WHERE item = ?1",
                params![held.item, held.quantity],
            )?;
        }
        change.execute(
            "INSERT INTO reservations (id) VALUES (?1) ON CONFLICT (id) DO UPDATE SET item = NULL",
            [id],
        )?;
        change.commit()
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

/// What an id stood for before.
enum Earlier {
    None,
    Held(Reservation),
    Released,
}

fn earlier(change: &Transaction<'_>, id: &str) -> rusqlite::Result<Earlier> {
    let found = change
        .prepare_cached("SELECT item, quantity FROM reservations WHERE id = ?1")?
        .query_row([id], |row| {
            Ok(match row.get(0)? {
                Some(item) => Earlier::Held(Reservation {
                    item,
                    quantity: row.get(1)?,
                }),
                None => Earlier::Released,
            })
        })
        .optional()?;
    Ok(found.unwrap_or(Earlier::None))
}

fn in_stock(change: &Transaction<'_>, item: &str) -> rusqlite::Result<Option<u32>> {
    change
        .prepare_cached("SELECT in_stock FROM items WHERE item = ?1")?
        .query_row([item], |row| row.get(0))
        .optional()
}

#[cfg(test)]
mod tests;
