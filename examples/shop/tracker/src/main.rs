//! The tracker service of the shop: ships every order that is placed, and says so.

#![allow(clippy::print_stderr, reason = "standard error is the service's log")]
#![allow(unreachable_pub, reason = "a program has no outside")]

mod api;
mod problem;
mod store;

use std::env;
use std::future::IntoFuture;
use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::Context;
use shop_events::consume;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::store::{Shipment, Store};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let port = env::var("PORT").context("PORT")?.parse().context("PORT")?;
    let database = env::var("DATABASE_URL").context("DATABASE_URL")?;

    let store = Arc::new(Store::open(&database)?);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let mut terminate = signal(SignalKind::terminate())?;
    let sending = store.outbox.clone().keep_sending();
    let ships = Arc::clone(&store);
    let consuming = consume("tracker", "order.placed", move |placed: Shipment| {
        ships.ship(&placed)
    });
    // From SIGTERM on no connection is taken, and the requests under way are answered.
    let serving = axum::serve(listener, api::router(store)).with_graceful_shutdown(async move {
        terminate.recv().await;
    });
    // Events that are not sent yet are in the database, and sent by whoever runs next.
    tokio::select! {
        served = serving.into_future() => Ok(served?),
        failed = sending => failed,
        failed = consuming => failed,
    }
}
