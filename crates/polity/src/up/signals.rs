//! Signals: one stops the system gracefully, the next one at once.

use std::process;

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a shell reports for a process that ended by SIGINT.
const INTERRUPTED: i32 = 130;

/// Waits for the first signal that asks to stop, and names it. Cancelling it loses nothing that a
/// process which runs on would need.
pub async fn first() -> Result<&'static str> {
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    let name = tokio::select! {
        _ = interrupt.recv() => "interrupted",
        _ = terminate.recv() => "terminated",
        _ = hangup.recv() => "terminal closed",
    };
    Ok(name)
}

/// Ends this process at the next signal; the guardian then ends all it started.
pub async fn exit_at_the_next() {
    if first().await.is_ok() {
        process::exit(INTERRUPTED);
    }
}

fn listen(kind: SignalKind) -> Result<Signal> {
    signal(kind).context("could not listen for signals")
}
