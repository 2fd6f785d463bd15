//! The HTTP side: what callers may ask of the tracker.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};
use serde::Deserialize;
use tokio::task::spawn_blocking;

use crate::problem::Problem;
use crate::store::{Asked, Contents, Shipment, Store};

pub fn router(store: Arc<Store>) -> Router {
    Router::new()
        .route("/health", get(async || "ok"))
        .route("/shipments", get(list))
        .route("/shipments/{order}", put(ask).delete(cancel))
        .with_state(store)
}

/// `?order=ID` narrows the list to one order.
#[derive(Deserialize)]
struct Filter {
    order: Option<String>,
}

async fn list(
    State(store): State<Arc<Store>>,
    Query(filter): Query<Filter>,
) -> Result<Json<Vec<Shipment>>, Problem> {
    let shipments = spawn_blocking(move || store.shipments(filter.order.as_deref())).await??;
    Ok(Json(shipments))
}

/// PUT, because an order ships once however often it is asked for.
async fn ask(
    State(store): State<Arc<Store>>,
    Path(order): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let contents: Contents = serde_json::from_slice(&body)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error))?;
    match spawn_blocking(move || store.ask(&order, &contents)).await?? {
        Asked::Now => Ok(StatusCode::CREATED),
        Asked::Before => Ok(StatusCode::OK),
        Asked::Taken => Err(Problem::new(
            StatusCode::CONFLICT,
            "the shipment was cancelled, or is of something else",
        )),
    }
}

async fn cancel(
    State(store): State<Arc<Store>>,
    Path(order): Path<String>,
) -> Result<StatusCode, Problem> {
    spawn_blocking(move || store.cancel(&order)).await??;
    Ok(StatusCode::NO_CONTENT)
}
