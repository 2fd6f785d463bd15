//! Topics and groups over the API, of a log that only pretends.

use std::sync::atomic::Ordering;

use futures_util::stream::{self, BoxStream, StreamExt};
use polity_console::view::{
    Group, NewRecord, Published, Record, RecordLine, Topic, TopicDescription,
};
use polity_console::{BoxFuture, EventLog, EventLogError, Start};
use serde_json::json;

use crate::fake::start;

/// A log with one topic.
pub(crate) struct FakeLog;

fn known(name: &str) -> Result<Topic, EventLogError> {
    if name != "order.placed" {
        return Err(EventLogError::UnknownTopic(name.to_owned()));
    }
    Ok(Topic {
        name: name.to_owned(),
        partitions: 4,
        records: 7,
        retention_ms: None,
        cleanup: "delete".to_owned(),
        published_by: vec!["orders".to_owned()],
        consumed_by: Vec::new(),
    })
}

impl EventLog for FakeLog {
    fn topics(&self) -> BoxFuture<'_, Result<Vec<Topic>, EventLogError>> {
        Box::pin(async { Ok(vec![known("order.placed")?]) })
    }

    fn topic(&self, name: String) -> BoxFuture<'_, Result<TopicDescription, EventLogError>> {
        Box::pin(async move {
            Ok(TopicDescription {
                topic: known(&name)?,
                parts: Vec::new(),
                configs: Vec::new(),
            })
        })
    }

    fn groups(&self) -> BoxFuture<'_, Result<Vec<Group>, EventLogError>> {
        Box::pin(async { Err(EventLogError::Unavailable("the broker is away".to_owned())) })
    }

    fn tail(
        &self,
        topic: String,
        from: Start,
    ) -> BoxFuture<'_, Result<BoxStream<'static, RecordLine>, EventLogError>> {
        Box::pin(async move {
            known(&topic)?;
            let record = |offset| {
                RecordLine::Record(Record {
                    partition: 0,
                    offset,
                    timestamp_ms: 1,
                    key: Some(b"k"[..].into()),
                    value: Some(b"\xff"[..].into()),
                    headers: Vec::new(),
                })
            };
            let failed = RecordLine::Failed {
                error: "the broker is away".to_owned(),
            };
            let first = if from == Start::Beginning { 0 } else { 6 };
            let records = stream::iter(first..7).map(record);
            Ok(records.chain(stream::iter([failed])).boxed())
        })
    }

    fn publish(
        &self,
        topic: String,
        record: NewRecord,
    ) -> BoxFuture<'_, Result<Published, EventLogError>> {
        Box::pin(async move {
            known(&topic)?;
            match record.value {
                Some(value) => Ok(Published {
                    partition: 3,
                    offset: value.len() as i64,
                }),
                None => Err(EventLogError::Refused("no tombstones here".to_owned())),
            }
        })
    }
}

#[tokio::test]
async fn topics_are_listed_and_described() {
    let running = start();
    let topics = running.get("/api/v1/topics").await.json();
    assert_eq!(topics[0]["name"], "order.placed");
    assert_eq!(topics[0]["retention_ms"], json!(null));
    let topic = running.get("/api/v1/topics/order.placed").await.json();
    assert_eq!(topic["partitions"], 4);
    assert_eq!(topic["parts"], json!([]));
    let unknown = running.get("/api/v1/topics/order.place").await;
    assert_eq!(unknown.status, 404);
    assert_eq!(unknown.json()["type"], "urn:polity:problem:unknown-topic");
}

#[tokio::test]
async fn records_are_streamed_from_where_it_is_asked() {
    let running = start();
    let path = "/api/v1/topics/order.placed/records";
    let now = running.get(path).await;
    let shown =
        json!({"partition": 0, "offset": 6, "timestamp_ms": 1, "key": "k", "value": {"hex": "ff"}});
    assert_eq!(now.lines(), [shown, json!({"error": "the broker is away"})]);
    let all = running.get(&format!("{path}?from=beginning")).await;
    assert_eq!(all.lines().len(), 8);
    for query in ["?from=yesterday", "?form=now"] {
        assert_eq!(running.get(&format!("{path}{query}")).await.status, 400);
    }
}

#[tokio::test]
async fn records_are_published() {
    let running = start();
    let path = "/api/v1/topics/order.placed/records";
    let published = running.call("POST", path, r#"{"value":"four"}"#).await;
    assert_eq!(published.status, 201, "{published:?}");
    assert_eq!(published.json(), json!({"partition": 3, "offset": 4}));
    let large = json!({ "value": "x".repeat(1 << 20) }).to_string();
    assert_eq!(running.call("POST", path, &large).await.status, 201);
    assert_eq!(running.call("POST", path, "{}").await.status, 422);
    let misspelt = running.call("POST", path, r#"{"valeu":"v"}"#).await;
    assert_eq!(misspelt.status, 422);
    let unknown = running.call("POST", "/api/v1/topics/t/records", "{}").await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test]
async fn without_broker_or_events_that_is_said() {
    let running = start();
    let away = running.get("/api/v1/groups").await;
    assert_eq!(away.status, 503);
    assert_eq!(away.json()["detail"], "the broker is away");
    running.fake.has_events.store(false, Ordering::Relaxed);
    for path in ["/api/v1/topics", "/api/v1/groups", "/api/v1/topics/t"] {
        let none = running.get(path).await;
        assert_eq!(none.status, 404);
        assert_eq!(none.json()["type"], "urn:polity:problem:no-events");
    }
}
