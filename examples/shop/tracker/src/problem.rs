//! What the service answers when it cannot do what was asked: RFC 9457 problem details.

use std::fmt::Display;

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// A status and a sentence on why.
#[derive(Debug)]
pub struct Problem {
    pub status: StatusCode,
    pub detail: String,
}

impl Problem {
    pub fn new(status: StatusCode, detail: impl Display) -> Self {
        let detail = detail.to_string();
        Self { status, detail }
    }
}

/// Whatever else goes wrong is ours to read in the log and none of the caller's business.
impl<E: Into<anyhow::Error>> From<E> for Problem {
    fn from(error: E) -> Self {
        eprintln!("internal error: {:#}", error.into());
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Json(json!({
            "type": "about:blank",
            "title": self.status.canonical_reason(),
            "status": self.status.as_u16(),
            "detail": self.detail,
        }));
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        (self.status, kind, body).into_response()
    }
}
