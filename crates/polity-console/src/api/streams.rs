//! Logs and events: one JSON object a line, past ones first, and those to come for as long as the client stays.

use std::convert::Infallible;
use std::task::Poll;

use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::future::FutureExt;
use futures_util::stream::{self, Stream, StreamExt};
use polity_runtime::Drain;
use serde::Serialize;

use super::{Api, Shared};
use crate::problem::Problem;
use crate::system::{EventQuery, LogQuery};
use crate::view::{Event, LogRecord};

/// How many past lines a request may ask for: they are gathered in memory.
pub(crate) const MAX_LINES: usize = 10_000;

/// How many it gets when it does not say.
const DEFAULT_LINES: usize = 100;

/// The query of a stream as its pairs: `service` may be given more than once.
type Pairs = Result<Query<Vec<(String, String)>>, QueryRejection>;

/// What services print
#[utoipa::path(get, path = "/logs",
    params(
        ("service" = Option<Vec<String>>, Query, description = "only of these; may be given more than once"),
        ("lines" = Option<usize>, Query, description = "how many past lines at most, 100 unless said, 10000 at most"),
        ("follow" = Option<bool>, Query, description = "whether to go on with the lines to come"),
    ),
    responses(
        (status = 200, description = "one record a line", body = LogRecord, content_type = "application/x-ndjson"),
        (status = 400, body = Problem),
        (status = 404, description = "no such service", body = Problem),
    ))]
pub(super) async fn logs(State(api): Shared, pairs: Pairs) -> Result<Response, Problem> {
    let asked = Asked::parse(pairs)?;
    let services = asked.services.iter().map(|name| api.known(name));
    let query = LogQuery {
        services: services.collect::<Result<_, _>>()?,
        lines: asked.lines,
        follow: asked.follow,
    };
    Ok(api.stream(api.system.logs(query)))
}

/// What happened: instances that came and went, builds, deploys, changes of the plan
#[utoipa::path(get, path = "/events",
    params(
        ("lines" = Option<usize>, Query, description = "how many past events at most, 100 unless said, 10000 at most"),
        ("follow" = Option<bool>, Query, description = "whether to go on with the events to come"),
    ),
    responses(
        (status = 200, description = "one event a line", body = Event, content_type = "application/x-ndjson"),
        (status = 400, body = Problem),
    ))]
pub(super) async fn events(State(api): Shared, pairs: Pairs) -> Result<Response, Problem> {
    let asked = Asked::parse(pairs)?;
    if !asked.services.is_empty() {
        return Err(Problem::bad_request("events take no `service`"));
    }
    let query = EventQuery {
        lines: asked.lines,
        follow: asked.follow,
    };
    Ok(api.stream(api.system.events(query)))
}

#[derive(Debug)]
struct Asked {
    services: Vec<String>,
    lines: usize,
    follow: bool,
}

impl Asked {
    fn parse(pairs: Pairs) -> Result<Self, Problem> {
        let Query(pairs) = pairs.map_err(|error| Problem::bad_request(error.body_text()))?;
        let mut asked = Self {
            services: Vec::new(),
            lines: DEFAULT_LINES,
            follow: false,
        };
        for (key, value) in pairs {
            match key.as_str() {
                "service" => asked.services.push(value),
                "lines" => asked.lines = lines(&value)?,
                "follow" => asked.follow = flag(&value)?,
                _ => {
                    let detail = format!("`{key}` is none of `service`, `lines` and `follow`");
                    return Err(Problem::bad_request(detail));
                }
            }
        }
        Ok(asked)
    }
}

fn lines(value: &str) -> Result<usize, Problem> {
    let number = value.parse().ok().filter(|number| *number <= MAX_LINES);
    number.ok_or_else(|| {
        Problem::bad_request(format!(
            "`lines` is a number up to {MAX_LINES}, not `{value}`"
        ))
    })
}

fn flag(value: &str) -> Result<bool, Problem> {
    let parsed = value.parse().ok();
    parsed.ok_or_else(|| Problem::bad_request(format!("`follow` is true or false, not `{value}`")))
}

impl Api {
    pub(super) fn stream<T: Serialize + 'static>(
        &self,
        records: impl Stream<Item = T> + Send + Unpin + 'static,
    ) -> Response {
        ndjson(until_drained(records, self.drain.clone()))
    }
}

/// The stream until the drain begins, and then what of it is there already: who follows the logs
/// sees the last words of what was stopped before.
fn until_drained<T>(
    mut records: impl Stream<Item = T> + Unpin,
    drain: Drain,
) -> impl Stream<Item = T> {
    let mut ending = Box::pin(async move { drain.signaled().await }.fuse());
    stream::poll_fn(move |context| match records.poll_next_unpin(context) {
        Poll::Pending => match ending.poll_unpin(context) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        },
        ready => ready,
    })
}

/// One JSON object a line.
pub(super) fn ndjson<T: Serialize>(records: impl Stream<Item = T> + Send + 'static) -> Response {
    let lines = records.map(|record| {
        let mut line = serde_json::to_vec(&record).expect("views have string keys only");
        line.push(b'\n');
        Ok::<_, Infallible>(Bytes::from(line))
    });
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    (kind, Body::from_stream(lines)).into_response()
}
