//! Checks over the real network: a TCP connect, or one HTTP request.

use std::io;
use std::net::SocketAddr;

use polity_plan::HealthAsks;
use rustix::io::Errno;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Probe, ProbeError, Prober, http, http2};
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
    let (answered, path) = match &probe.asks {
        HealthAsks::Connect => return Ok(()),
        HealthAsks::Grpc(service) => return grpc(stream, probe.address, service).await,
        HealthAsks::Get(path) => {
            let status = http::status(&mut stream, probe.address, path).await;
            (status, path)
        }
        HealthAsks::GetOverHttp2(path) => {
            let status = http2::status(stream, probe.address, path).await;
            (status, path)
        }
    };
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

async fn grpc(stream: TcpStream, address: SocketAddr, service: &str) -> Result<(), ProbeError> {
    let answered = http2::grpc(stream, address, service).await;
    match answered.map_err(|reason| ProbeError::Grpc { reason })? {
        http2::Serving::Yes => Ok(()),
        http2::Serving::No(answer) => Err(ProbeError::NotServing { answer }),
    }
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
