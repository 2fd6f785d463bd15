//! The inventory service of the shop: what is in stock, and who has reserved how much of it.

#![allow(clippy::print_stderr, reason = "standard error is the service's log")]
#![allow(unreachable_pub, reason = "a program has no outside")]

mod api;
mod problem;
mod store;

use std::env;
use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::store::Store;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let port = env::var("PORT").context("PORT")?.parse().context("PORT")?;
    let database = env::var("DATABASE_URL").context("DATABASE_URL")?;

    let store = Arc::new(Store::open(&database)?);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let mut terminate = signal(SignalKind::terminate())?;
    // From SIGTERM on no connection is taken, and the requests under way are answered.
    axum::serve(listener, api::router(store))
        .with_graceful_shutdown(async move {
            terminate.recv().await;
        })
        .await?;
    Ok(())
}
