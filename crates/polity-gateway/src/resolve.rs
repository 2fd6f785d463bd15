//! Names of external services to addresses, on the control side, again and again.

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::instance::Instance;

/// From one look-up to the next: the system's resolver does not tell how long an answer holds.
const REFRESH: Duration = Duration::from_secs(30);

/// After a look-up that failed. The addresses from before are used on.
const RETRY: Duration = Duration::from_secs(2);

/// One look-up, at most.
const LIMIT: Duration = Duration::from_secs(10);

/// Addresses of a name that are used; more are left out.
const MAX_ADDRESSES: usize = 16;

/// Looks the instance's name up until it is retired.
pub(crate) async fn keep_resolved(instance: Instance) {
    let mut failing = false;
    while !instance.endpoint.is_retired() {
        let pause = match look_up(&instance).await {
            Ok(addresses) => {
                failing = false;
                instance.resolved(addresses);
                REFRESH
            }
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    let host = &instance.host;
                    tracing::warn!(host, %error, "cannot resolve the name; trying on");
                }
                RETRY
            }
        };
        sleep(pause).await;
    }
}

async fn look_up(instance: &Instance) -> std::io::Result<Vec<IpAddr>> {
    let found = tokio::net::lookup_host((instance.host.as_str(), instance.port));
    let found = timeout(LIMIT, found).await??;
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in found {
        let known = addresses.contains(&address.ip());
        if !known && addresses.len() < MAX_ADDRESSES {
            addresses.push(address.ip());
        }
    }
    match addresses.is_empty() {
        true => Err(std::io::ErrorKind::NotFound.into()),
        false => Ok(addresses),
    }
}
