//! A connection's waits, in memory and on a clock of the tests' own.

mod abandoned;
mod attempts;
mod clients;
mod deadlines;
mod expect;
mod files;
mod hedging;
mod idle;
pub(crate) mod memory;
mod rates;

use std::future::Future;

use tokio::task::LocalSet;

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// Runs `test` where connections can be served.
async fn locally(test: impl Future<Output = ()>) {
    LocalSet::new().run_until(test).await;
}
