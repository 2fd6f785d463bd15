//! The orders service of the shop: takes orders, and has each reserved and shipped or not at all.

#![allow(clippy::print_stderr, reason = "standard error is the service's log")]
#![allow(unreachable_pub, reason = "a program has no outside")]

mod api;
mod callee;
mod problem;
mod shop;
mod store;

use std::env;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::thread;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::callee::Callee;
use crate::shop::Shop;
use crate::store::Store;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let port = variable("PORT")?.parse().context("PORT")?;
    let shop = Arc::new(Shop {
        store: Store::open(&variable("DATABASE_URL")?)?,
        inventory: Callee::new("inventory", variable("INVENTORY_URL")?),
        tracker: Callee::new("tracker", variable("TRACKER_URL")?),
    });
    let recovered = Arc::clone(&shop);
    thread::Builder::new()
        .name("recovery".into())
        .spawn(move || recovered.keep_recovering())?;

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let mut terminate = signal(SignalKind::terminate())?;
    // From SIGTERM on no connection is taken, and the requests under way are answered.
    axum::serve(listener, api::router(shop))
        .with_graceful_shutdown(async move {
            terminate.recv().await;
        })
        .await?;
    Ok(())
}

fn variable(name: &'static str) -> anyhow::Result<String> {
    env::var(name).context(name)
}
