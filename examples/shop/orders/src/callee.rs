//! Calls to another service, at the address that Polity gives in `$<CALLEE>_URL`.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use ureq::Agent;
use ureq::http::Response;

use crate::problem::Problem;

/// One call, from connecting to the end of the answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What ties together all the calls that one request leads to.
const TRAIL: [&str; 3] = ["traceparent", "tracestate", "x-request-id"];

/// The answers that mean no and will mean no again; others are the callee's trouble, not the
/// customer's.
const REFUSALS: [StatusCode; 2] = [StatusCode::CONFLICT, StatusCode::UNPROCESSABLE_ENTITY];

pub struct Callee {
    name: &'static str,
    url: String,
    agent: Agent,
}

/// The headers that every call passes on.
#[derive(Default)]
pub struct Trail(Vec<(HeaderName, HeaderValue)>);

impl Trail {
    pub fn of(headers: &HeaderMap) -> Self {
        let passed_on = |name| Some((HeaderName::from_static(name), headers.get(name)?.clone()));
        Self(TRAIL.into_iter().filter_map(passed_on).collect())
    }
}

impl Callee {
    pub fn new(name: &'static str, url: String) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .proxy(None)
            .build();
        Self {
            name,
            url,
            agent: config.into(),
        }
    }

    pub fn put(&self, path: &str, body: &impl Serialize, trail: &Trail) -> Result<(), Problem> {
        let mut request = self.agent.put(format!("{}{path}", self.url));
        for (name, value) in &trail.0 {
            request = request.header(name, value);
        }
        self.judge(request.send_json(body))
    }

    pub fn delete(&self, path: &str, trail: &Trail) -> Result<(), Problem> {
        let mut request = self.agent.delete(format!("{}{path}", self.url));
        for (name, value) in &trail.0 {
            request = request.header(name, value);
        }
        self.judge(request.call())
    }

    /// A refusal is passed on with its reason; after all else that is no success the customer may
    /// try again.
    fn judge(&self, answer: Result<Response<ureq::Body>, ureq::Error>) -> Result<(), Problem> {
        #[derive(Deserialize)]
        struct Refusal {
            detail: String,
        }

        let unavailable = |why: &dyn std::fmt::Display| {
            eprintln!("{} failed: {why}", self.name);
            let detail = format!("{} is unavailable, try again", self.name);
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        };
        let mut answer = answer.map_err(|error| unavailable(&error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        if !REFUSALS.contains(&status) {
            return Err(unavailable(&status));
        }
        let refusal: Refusal = answer
            .body_mut()
            .read_json()
            .map_err(|error| unavailable(&error))?;
        Err(Problem::new(status, refusal.detail))
    }
}
