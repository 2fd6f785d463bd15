//! The orders service of the shop: takes orders, has each reserved or refused, and those placed shipped.

#![allow(clippy::print_stderr, reason = "standard error is the service's log")]
#![allow(unreachable_pub, reason = "a program has no outside")]

mod api;
mod callee;
mod problem;
mod shop;
mod store;

use std::env;
use std::future::IntoFuture;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::thread;

use anyhow::Context;
use serde::Deserialize;
use shop_events::consume;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::callee::Callee;
use crate::shop::Shop;
use crate::store::Store;

/// The event of an order that was shipped.
#[derive(Clone, Deserialize)]
struct Shipped {
    order: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let port = variable("PORT")?.parse().context("PORT")?;
    let shop = Arc::new(Shop {
        store: Store::open(&variable("DATABASE_URL")?)?,
        inventory: Callee::new("inventory", variable("INVENTORY_URL")?),
    });
    let recovered = Arc::clone(&shop);
    thread::Builder::new()
        .name("recovery".into())
        .spawn(move || recovered.keep_recovering())?;

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let mut terminate = signal(SignalKind::terminate())?;
    let sending = shop.store.outbox.clone().keep_sending();
    let ships = Arc::clone(&shop);
    let consuming = consume("orders", "order.shipped", move |event: Shipped| {
        ships.store.shipped(&event.order)
    });
    // From SIGTERM on no connection is taken, and the requests under way are answered.
    let serving = axum::serve(listener, api::router(shop)).with_graceful_shutdown(async move {
        terminate.recv().await;
    });
    // Events that are not sent yet are in the database, and sent by whoever runs next.
    tokio::select! {
        served = serving.into_future() => Ok(served?),
        failed = sending => failed,
        failed = consuming => failed,
    }
}

fn variable(name: &'static str) -> anyhow::Result<String> {
    env::var(name).context(name)
}
