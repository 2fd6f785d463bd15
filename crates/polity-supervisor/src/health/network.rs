//! Checks over the real network: a TCP connect, or one HTTP request.

use std::io;
use std::net::SocketAddr;

use rustix::io::Errno;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Probe, ProbeError, Prober, http};
use crate::process::BoxFuture;

/// Checks over the network.
#[derive(Debug, Clone, Copy, Default)]
pub struct NetworkProber;

impl Prober for NetworkProber {
    fn probe<'a>(&'a self, probe: &'a Probe) -> BoxFuture<'a, Result<(), ProbeError>> {
        Box::pin(async move {
            let checked = timeout(probe.timeout, check(probe)).await;
            checked.unwrap_or(Err(ProbeError::Timeout {
                address: probe.address,
                timeout: probe.timeout,
            }))
        })
    }
}

async fn check(probe: &Probe) -> Result<(), ProbeError> {
    let connected = TcpStream::connect(probe.address).await;
    let mut stream = connected.map_err(|error| not_connected(probe.address, &error))?;
    let Some(path) = &probe.path else {
        return Ok(());
    };
    let answered = http::status(&mut stream, probe.address, path).await;
    let status = answered.map_err(|reason| ProbeError::Protocol {
        path: path.clone(),
        reason,
    })?;
    if (200..300).contains(&status) {
        return Ok(());
    }
    Err(ProbeError::Status {
        path: path.clone(),
        status,
    })
}

fn not_connected(address: SocketAddr, error: &io::Error) -> ProbeError {
    match Errno::from_io_error(error) {
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM | Errno::ADDRNOTAVAIL) => {
            ProbeError::NotAsked {
                address,
                reason: error.to_string(),
            }
        }
        _ => ProbeError::Connect {
            address,
            reason: error.kind().to_string(),
        },
    }
}

#[cfg(test)]
mod tests;
