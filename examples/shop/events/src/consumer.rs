//! The other end: events are handled one after the other, each at least once.

use std::time::Duration;

use rdkafka::Message;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::message::BorrowedMessage;
use serde::de::DeserializeOwned;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::client;

/// After which silence the broker gives a consumer's partitions to another: the least it takes, as
/// a replica that was killed must not hold up the others.
const SESSION_TIMEOUT: &str = "6000";

/// How often the broker is told how far the consumer is. Events since are handled again after a
/// crash.
const COMMIT_INTERVAL: &str = "1000";

/// The pause after which an event that could not be handled is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// Hands each event of a topic to `handle`, for as long as the service runs. The replicas of a
/// service, its `group`, share the work.
///
/// An event counts as consumed once `handle` has done its work, so a crash has it handled again:
/// the second time must change nothing.
///
/// # Errors
/// When `$KAFKA_BROKERS` says nothing of use.
pub async fn consume<E, H>(group: &str, topic: &str, handle: H) -> anyhow::Result<()>
where
    E: DeserializeOwned + Clone + Send + 'static,
    H: Fn(E) -> rusqlite::Result<()> + Clone + Send + 'static,
{
    let consumer: StreamConsumer = client()?
        .set("group.id", group)
        // A group that is new begins with what was there before it.
        .set("auto.offset.reset", "earliest")
        .set("session.timeout.ms", SESSION_TIMEOUT)
        .set("auto.commit.interval.ms", COMMIT_INTERVAL)
        // What is committed is what was handled, not what was fetched.
        .set("enable.auto.offset.store", "false")
        .create()?;
    consumer.subscribe(&[topic])?;
    loop {
        let message = match consumer.recv().await {
            Ok(message) => message,
            Err(error) => {
                eprintln!("no events of {topic}: {error}");
                continue;
            }
        };
        if let Some(event) = read(&message) {
            handle_until_done(event, &handle).await?;
        }
        // Fails when the partition was just given to another, who is handed the event again.
        if let Err(error) = consumer.store_offset_from_message(&message) {
            eprintln!("an event of {topic} may be handled again: {error}");
        }
    }
}

/// What is no event of ours will be none the next time either: it is passed over.
fn read<E: DeserializeOwned>(message: &BorrowedMessage<'_>) -> Option<E> {
    let read = serde_json::from_slice(message.payload().unwrap_or_default());
    if let Err(error) = &read {
        eprintln!(
            "passed over {} of {}-{}: {error}",
            message.offset(),
            message.topic(),
            message.partition()
        );
    }
    read.ok()
}

/// The database may be busy or its disk full: to go on to the next event would lose this one.
async fn handle_until_done<E, H>(event: E, handle: &H) -> anyhow::Result<()>
where
    E: Clone + Send + 'static,
    H: Fn(E) -> rusqlite::Result<()> + Clone + Send + 'static,
{
    loop {
        let (event, handle) = (event.clone(), handle.clone());
        match spawn_blocking(move || handle(event)).await? {
            Ok(()) => return Ok(()),
            Err(error) => eprintln!("an event is handled later: {error}"),
        }
        sleep(PAUSE).await;
    }
}
