//! The HTTP side: what customers may ask of the shop.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use tokio::task::spawn_blocking;

use crate::callee::Trail;
use crate::problem::Problem;
use crate::shop::Shop;
use crate::store::{Order, Wish};

pub fn router(shop: Arc<Shop>) -> Router {
    Router::new()
        .route("/health", get(async || "ok"))
        .route("/orders", get(list).post(create))
        .route("/orders/{id}", get(show))
        .with_state(shop)
}

async fn create(
    State(shop): State<Arc<Shop>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<impl IntoResponse, Problem> {
    let wish: Wish = serde_json::from_slice(&body)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error))?;
    let trail = Trail::of(&headers);
    // A thread of its own: a customer who hangs up does not leave an order half done.
    let order = spawn_blocking(move || shop.place(wish, &trail)).await??;
    let location = [(header::LOCATION, format!("/orders/{}", order.id))];
    Ok((StatusCode::CREATED, location, Json(order)))
}

async fn list(State(shop): State<Arc<Shop>>) -> Result<Json<Vec<Order>>, Problem> {
    Ok(Json(spawn_blocking(move || shop.store.taken()).await??))
}

async fn show(
    State(shop): State<Arc<Shop>>,
    Path(id): Path<String>,
) -> Result<Json<Order>, Problem> {
    let unknown = Problem::new(StatusCode::NOT_FOUND, format!("no order `{id}`"));
    let order = spawn_blocking(move || shop.store.find(&id)).await??;
    order.map(Json).ok_or(unknown)
}
