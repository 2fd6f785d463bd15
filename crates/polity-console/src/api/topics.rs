//! Topics, their records and the groups that consume them.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::operations::Bounded;
use super::{Api, Shared};
use crate::event_log::{EventLog, EventLogError, Start};
use crate::problem::Problem;
use crate::view::{Group, NewRecord, Published, RecordLine, Topic, TopicDescription};

/// The largest body that publishes a record: what Kafka takes as a batch, escaped.
pub(crate) const MAX_RECORD: usize = 4 * 1024 * 1024;

/// Every topic
#[utoipa::path(get, path = "/topics", responses(
    (status = 200, body = [Topic]),
    (status = 404, description = "the plan has no events", body = Problem),
    (status = 503, description = "the broker does not answer", body = Problem),
))]
pub(super) async fn topics(State(api): Shared) -> Result<Json<Vec<Topic>>, Problem> {
    Ok(Json(api.event_log()?.topics().await?))
}

/// One topic with its partitions and settings
#[utoipa::path(get, path = "/topics/{topic}",
    params(("topic" = String, Path, description = "its name")),
    responses(
        (status = 200, body = TopicDescription),
        (status = 404, description = "no such topic, or no events", body = Problem),
        (status = 503, description = "the broker does not answer", body = Problem),
    ))]
pub(super) async fn topic(
    State(api): Shared,
    Path(name): Path<String>,
) -> Result<Json<TopicDescription>, Problem> {
    Ok(Json(api.event_log()?.topic(name).await?))
}

/// Every consumer group with its lag
#[utoipa::path(get, path = "/groups", responses(
    (status = 200, body = [Group]),
    (status = 404, description = "the plan has no events", body = Problem),
    (status = 503, description = "the broker does not answer", body = Problem),
))]
pub(super) async fn groups(State(api): Shared) -> Result<Json<Vec<Group>>, Problem> {
    Ok(Json(api.event_log()?.groups().await?))
}

/// Where a stream of records begins.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    from: Option<String>,
}

/// A topic's records as they come
///
/// Records of transactions that did not commit are left out. The stream ends when the client does.
#[utoipa::path(get, path = "/topics/{topic}/records",
    params(
        ("topic" = String, Path, description = "its name"),
        ("from" = Option<String>, Query, description = "`beginning` for those there are, too; `now` unless said"),
    ),
    responses(
        (status = 200, description = "one record a line", body = RecordLine, content_type = "application/x-ndjson"),
        (status = 400, body = Problem),
        (status = 404, description = "no such topic, or no events", body = Problem),
        (status = 503, description = "the broker does not answer", body = Problem),
    ))]
pub(super) async fn records(
    State(api): Shared,
    Path(name): Path<String>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(asked) = asked.map_err(|error| Problem::bad_request(error.body_text()))?;
    let from = match asked.from.as_deref() {
        Some("beginning") => Start::Beginning,
        Some("now") | None => Start::Now,
        Some(other) => {
            let detail = format!("`from` is beginning or now, not `{other}`");
            return Err(Problem::bad_request(detail));
        }
    };
    let records = api.event_log()?.tail(name, from).await?;
    Ok(api.stream(records))
}

/// Publish a record
///
/// Answers once the broker has acknowledged it.
#[utoipa::path(post, path = "/topics/{topic}/records", request_body = NewRecord,
    params(("topic" = String, Path, description = "its name")),
    responses(
        (status = 201, body = Published),
        (status = 404, description = "no such topic, or no events", body = Problem),
        (status = 422, description = "the broker refuses it", body = Problem),
        (status = 503, description = "the broker does not answer", body = Problem),
    ))]
pub(super) async fn publish(
    State(api): Shared,
    Path(name): Path<String>,
    Bounded(record): Bounded<NewRecord>,
) -> Result<(StatusCode, Json<Published>), Problem> {
    let published = api.event_log()?.publish(name, record).await?;
    Ok((StatusCode::CREATED, Json(published)))
}

impl Api {
    fn event_log(&self) -> Result<Arc<dyn EventLog>, Problem> {
        self.system.event_log().ok_or_else(|| {
            let detail = "no service of the plan publishes or consumes, and it has no `[events]`";
            Problem::new(StatusCode::NOT_FOUND, "no-events", detail)
        })
    }
}

impl From<EventLogError> for Problem {
    fn from(error: EventLogError) -> Self {
        let (status, cause) = match &error {
            EventLogError::UnknownTopic(_) => (StatusCode::NOT_FOUND, "unknown-topic"),
            EventLogError::Refused(_) => (StatusCode::UNPROCESSABLE_ENTITY, "refused"),
            EventLogError::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "no-broker"),
        };
        Self::new(status, cause, error.to_string())
    }
}
