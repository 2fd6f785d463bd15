//! The outbox: events that are part of a change of the database, and sent once it is committed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::Timeout;
use rusqlite::{Connection, Transaction, params};
use serde::Serialize;
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use crate::client;

/// How many events are on their way at once.
const BATCH: u32 = 500;

/// How long the client tries to send an event.
const SEND_TIMEOUT: Duration = Duration::from_secs(8);

/// How long events that one replica is sending are left to it. If it dies, another sends them after.
const LEASE: Duration = Duration::from_secs(10);

/// How often the outbox is looked into unasked: for what another replica left, or could not send.
const INTERVAL: Duration = Duration::from_secs(1);

/// The events of one service, in its own database. All its replicas share them.
#[derive(Clone)]
pub struct Outbox {
    connection: Arc<Mutex<Connection>>,
    filled: Arc<Notify>,
}

struct Event {
    id: i64,
    topic: String,
    key: String,
    value: String,
}

impl Outbox {
    /// What the service's schema must contain.
    pub const SCHEMA: &str = "
        CREATE TABLE IF NOT EXISTS outbox (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            topic TEXT NOT NULL,
            key TEXT NOT NULL,
            value TEXT NOT NULL,
            taken_until_ms INTEGER NOT NULL DEFAULT 0
        ) STRICT;
    ";

    pub fn new(connection: Arc<Mutex<Connection>>) -> Self {
        Self {
            connection,
            filled: Arc::default(),
        }
    }

    /// Makes an event part of `change`: both happen or neither.
    ///
    /// Events may be sent in another order than they were put, also those of one key: replicas send side by
    /// side, and what could not be sent is sent again after what came behind it. Here each event stands for
    /// itself; one that does not has to say what it follows, such as the version of what it is about.
    pub fn put(
        change: &Transaction<'_>,
        topic: &str,
        key: &str,
        event: &impl Serialize,
    ) -> rusqlite::Result<()> {
        let value = serde_json::to_string(event).expect("an event is plain data");
        change
            .prepare_cached("INSERT INTO outbox (topic, key, value) VALUES (?1, ?2, ?3)")?
            .execute(params![topic, key, value])?;
        Ok(())
    }

    /// Has the events of a change that is now committed sent at once.
    pub fn wake(&self) {
        self.filled.notify_one();
    }

    /// Sends what is put into the outbox, for as long as the service runs.
    ///
    /// # Errors
    /// When `$KAFKA_BROKERS` says nothing of use.
    pub async fn keep_sending(self) -> anyhow::Result<()> {
        let producer: FutureProducer = client()?
            // The client's own retries double no event.
            .set("enable.idempotence", "true")
            .set("message.timeout.ms", SEND_TIMEOUT.as_millis().to_string())
            .create()?;
        loop {
            match self.send_some(&producer).await {
                Ok(0) => drop(timeout(INTERVAL, self.filled.notified()).await),
                Ok(_) => {}
                Err(error) => {
                    eprintln!("events are sent later: {error:#}");
                    sleep(INTERVAL).await;
                }
            }
        }
    }

    /// An event leaves the outbox when the broker has acknowledged it. Whoever dies between the two
    /// leaves one that is sent again.
    async fn send_some(&self, producer: &FutureProducer) -> anyhow::Result<usize> {
        let outbox = self.clone();
        let events = spawn_blocking(move || outbox.take(now_ms())).await??;
        let sending = events.iter().map(async |event| {
            let record = FutureRecord::to(&event.topic)
                .key(&event.key)
                .payload(&event.value);
            let sent = producer.send(record, Timeout::Never).await;
            sent.map(|_| event.id).map_err(|(error, _)| error)
        });
        let (sent, failed): (Vec<_>, Vec<_>) =
            join_all(sending).await.into_iter().partition(Result::is_ok);
        let sent: Vec<i64> = sent.into_iter().flatten().collect();
        let (outbox, count) = (self.clone(), sent.len());
        spawn_blocking(move || outbox.remove(&sent)).await??;
        match failed.into_iter().find_map(Result::err) {
            Some(error) => Err(error.into()),
            None => Ok(count),
        }
    }

    /// The oldest events that no other replica is sending; they are this one's for a while.
    fn take(&self, now_ms: i64) -> rusqlite::Result<Vec<Event>> {
        let connection = self.connection.lock();
        let connection = connection.unwrap_or_else(PoisonError::into_inner);
        let mut events: Vec<Event> = connection
            .prepare_cached(
                "UPDATE outbox SET taken_until_ms = ?1 + ?2 WHERE id IN
                 (SELECT id FROM outbox WHERE taken_until_ms <= ?1 ORDER BY id LIMIT ?3)
                 RETURNING id, topic, key, value",
            )?
            .query_map(params![now_ms, LEASE.as_millis() as i64, BATCH], |row| {
                Ok(Event {
                    id: row.get(0)?,
                    topic: row.get(1)?,
                    key: row.get(2)?,
                    value: row.get(3)?,
                })
            })?
            .collect::<Result<_, _>>()?;
        // RETURNING promises no order.
        events.sort_unstable_by_key(|event| event.id);
        Ok(events)
    }

    fn remove(&self, sent: &[i64]) -> rusqlite::Result<()> {
        let connection = self.connection.lock();
        let mut connection = connection.unwrap_or_else(PoisonError::into_inner);
        let change = connection.transaction()?;
        for id in sent {
            change
                .prepare_cached("DELETE FROM outbox WHERE id = ?1")?
                .execute([id])?;
        }
        change.commit()
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    since.as_millis() as i64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn outbox() -> Outbox {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(Outbox::SCHEMA).unwrap();
        Outbox::new(Arc::new(Mutex::new(connection)))
    }

    /// Puts an event, as part of a change that is committed or not.
    fn put(outbox: &Outbox, key: &str, is_committed: bool) {
        let mut connection = outbox.connection.lock().unwrap();
        let change = connection.transaction().unwrap();
        Outbox::put(&change, "topic", key, &[key]).unwrap();
        if is_committed {
            change.commit().unwrap();
        }
    }

    fn keys(events: &[Event]) -> Vec<&str> {
        events.iter().map(|event| event.key.as_str()).collect()
    }

    #[test]
    fn events_are_part_of_their_change() {
        let outbox = outbox();
        put(&outbox, "a", true);
        put(&outbox, "lost", false);
        put(&outbox, "b", true);
        let events = outbox.take(0).unwrap();
        assert_eq!(keys(&events), ["a", "b"]);
        assert_eq!(events[0].value, r#"["a"]"#);
    }

    #[test]
    fn what_one_replica_sends_another_leaves_alone_for_a_while() {
        let outbox = outbox();
        put(&outbox, "a", true);
        assert_eq!(keys(&outbox.take(1000).unwrap()), ["a"]);
        put(&outbox, "b", true);
        let lease = LEASE.as_millis() as i64;
        assert_eq!(keys(&outbox.take(1000 + lease - 1).unwrap()), ["b"]);
        assert_eq!(keys(&outbox.take(1000 + lease).unwrap()), ["a"]);
    }

    #[test]
    fn what_was_sent_is_gone_and_the_rest_stays() {
        let outbox = outbox();
        for key in ["a", "b", "c"] {
            put(&outbox, key, true);
        }
        let events = outbox.take(0).unwrap();
        outbox.remove(&[events[0].id, events[2].id]).unwrap();
        assert_eq!(keys(&outbox.take(i64::MAX / 2).unwrap()), ["b"]);
    }
}
