//! The HTTP side: what anybody may ask of the tracker.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use tokio::task::spawn_blocking;

use crate::problem::Problem;
use crate::store::{Shipment, Store};

pub fn router(store: Arc<Store>) -> Router {
    Router::new()
        .route("/health", get(async || "ok"))
        .route("/shipments", get(list))
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
