//! The HTTP side: what callers may ask of the inventory.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};
use tokio::task::spawn_blocking;

use crate::problem::Problem;
use crate::store::{Reservation, Reserved, Stock, Store};

pub fn router(store: Arc<Store>) -> Router {
    Router::new()
        .route("/health", get(async || "ok"))
        .route("/stock", get(stock))
        .route("/reservations/{id}", put(reserve).delete(release))
        .with_state(store)
}

async fn stock(State(store): State<Arc<Store>>) -> Result<Json<Vec<Stock>>, Problem> {
    Ok(Json(spawn_blocking(move || store.stock()).await??))
}

/// PUT, because the caller chooses the id: sent twice, it reserves once.
async fn reserve(
    State(store): State<Arc<Store>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let wanted: Reservation = serde_json::from_slice(&body)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error))?;
    let Reservation { item, quantity } = wanted.clone();
    let reserved = spawn_blocking(move || store.reserve(&id, &wanted)).await??;
    match reserved {
        Reserved::Now => Ok(StatusCode::CREATED),
        Reserved::Before => Ok(StatusCode::OK),
        Reserved::OutOfStock { left } => Err(Problem::new(
            StatusCode::CONFLICT,
            format!("{quantity} of `{item}` asked for, {left} in stock"),
        )),
        Reserved::UnknownItem => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            format!("no item `{item}`"),
        )),
        Reserved::Taken => Err(Problem::new(
            StatusCode::CONFLICT,
            "this id was released, or reserved something else",
        )),
    }
}

async fn release(
    State(store): State<Arc<Store>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    spawn_blocking(move || store.release(&id)).await??;
    Ok(StatusCode::NO_CONTENT)
}
