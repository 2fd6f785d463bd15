//! How many connections each client has, over all threads: looked at when one comes or goes, never in between.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

#[cfg(test)]
#[path = "peers_tests.rs"]
mod tests;

/// Parts of the count that are locked by themselves, so that threads seldom meet.
const SHARDS: usize = 64;

/// From one report of refused connections to the next.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// The counts, and what was refused.
#[derive(Debug)]
pub(crate) struct Peers {
    shards: [Mutex<HashMap<Peer, u32>>; SHARDS],
    refusals: Mutex<Refusals>,
}

/// Whom an address stands for. A household, or a machine, is given an IPv6 /64 as a whole (RFC
/// 6177), so any address of it costs nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Peer {
    V4([u8; 4]),
    V6([u8; 8]),
}

/// One of a client's places, given up when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    peers: Arc<Peers>,
    peer: Peer,
}

/// The client has all the connections it may.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

#[derive(Debug, Default)]
struct Refusals {
    /// Since the last report.
    count: u64,
    last: Option<(IpAddr, u32)>,
    reported: Option<Instant>,
}

impl Default for Peers {
    fn default() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            refusals: Mutex::default(),
        }
    }
}

impl Peer {
    /// Whom `address`, in its canonical form, stands for.
    pub(crate) fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }

    fn shard(self) -> usize {
        let bits = match self {
            Self::V4(octets) => u64::from(u32::from_be_bytes(octets)),
            Self::V6(octets) => u64::from_be_bytes(octets),
        };
        // Fibonacci hashing: neighbours come to lie apart.
        (bits.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58) as usize % SHARDS
    }
}

impl Peers {
    /// Takes one of the `limit` places of the client at `address`.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr, limit: u32) -> Result<Place, TooMany> {
        let peer = Peer::of(address);
        let mut counts = self.lock(peer);
        let count = counts.entry(peer).or_insert(0);
        if *count >= limit {
            // Nothing is kept of those that have no place at all.
            if *count == 0 {
                counts.remove(&peer);
            }
            return Err(TooMany);
        }
        *count += 1;
        drop(counts);
        Ok(Place {
            peers: self.clone(),
            peer,
        })
    }

    /// Notes that a connection was refused, and says so now and then.
    pub(crate) fn refused(&self, address: IpAddr, limit: u32, now: Instant) {
        let mut refusals = self.lock_refusals();
        refusals.count += 1;
        refusals.last = Some((address, limit));
        refusals.report(now);
    }

    /// Says what has not been said yet, if it is time.
    pub(crate) fn report(&self, now: Instant) {
        self.lock_refusals().report(now);
    }

    fn lock(&self, peer: Peer) -> MutexGuard<'_, HashMap<Peer, u32>> {
        // Nothing panics while it is held.
        self.shards[peer.shard()]
            .lock()
            .unwrap_or_else(|broken| broken.into_inner())
    }

    fn lock_refusals(&self) -> MutexGuard<'_, Refusals> {
        self.refusals
            .lock()
            .unwrap_or_else(|broken| broken.into_inner())
    }
}

impl Refusals {
    fn report(&mut self, now: Instant) {
        let due = self
            .reported
            .is_none_or(|at| now.saturating_duration_since(at) >= REPORT_INTERVAL);
        if let Some((address, limit)) = self.last.filter(|_| due && self.count > 0) {
            tracing::warn!(
                refused = self.count,
                %address,
                limit,
                "connections of clients were refused that have all they may (the last one's \
                 address is given): `connections_per_address` under [gateway.limits] allows more, \
                 and `trusted_proxies` under [gateway] exempts a proxy"
            );
            *self = Self {
                reported: Some(now),
                ..Self::default()
            };
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.peers.lock(self.peer);
        if let Some(count) = counts.get_mut(&self.peer) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&self.peer);
            }
        }
    }
}
