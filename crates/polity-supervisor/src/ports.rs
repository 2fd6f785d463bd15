//! Ports for services: free ones, outside the range from which the system takes its own.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard};

use polity_core::{Rng, SplitMix64};

use crate::supervisor::parts::Ports;

/// Above the ports that programs are known by, below the usual start of the ephemeral range.
const PREFERRED: RangeInclusive<u16> = 20_000..=32_767;

/// Where Linux says from which ports it takes those of outgoing connections.
const EPHEMERAL: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// A range smaller than this is not worth having.
const MIN_RANGE: u16 = 1000;

/// How many ports are tried before there is held to be none.
const MAX_TRIES: usize = 2000;

/// Hands out ports. An ephemeral port could be taken by any outgoing connection between the choice and the
/// service's start, or its restart; these are only taken by who means to.
#[derive(Debug)]
pub struct FreePorts {
    range: RangeInclusive<u16>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    next: u16,
    claimed: BTreeSet<u16>,
}

impl FreePorts {
    /// Ports outside this system's ephemeral range.
    pub fn new() -> Self {
        let ephemeral = fs::read_to_string(EPHEMERAL).ok();
        let ephemeral = ephemeral.and_then(|text| parse_range(&text));
        let range = outside(ephemeral);
        // Two Polities on one machine, or one started again, should not meet on the same ports.
        let length = usize::from(range.end() - range.start()) + 1;
        let offset = SplitMix64::from_system().below(length);
        let next = range.start() + u16::try_from(offset).unwrap_or(0);
        Self::within(range, next)
    }

    fn within(range: RangeInclusive<u16>, next: u16) -> Self {
        let claimed = BTreeSet::new();
        let state = Mutex::new(State { next, claimed });
        Self { range, state }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Default for FreePorts {
    fn default() -> Self {
        Self::new()
    }
}

impl Ports for FreePorts {
    /// Goes round the range, so that a port that was released is given again as late as can be: somebody
    /// may still be talking to it.
    fn claim(&self) -> io::Result<u16> {
        let mut state = self.lock();
        for _ in 0..MAX_TRIES {
            let port = state.next;
            state.next = if port == *self.range.end() {
                *self.range.start()
            } else {
                port + 1
            };
            if !state.claimed.contains(&port) && check_free(port).is_ok() {
                state.claimed.insert(port);
                return Ok(port);
            }
        }
        let (first, last) = (self.range.start(), self.range.end());
        Err(io::Error::new(
            io::ErrorKind::AddrNotAvailable,
            format!("none of {MAX_TRIES} ports tried between {first} and {last} is free"),
        ))
    }

    fn claim_fixed(&self, port: u16) -> io::Result<()> {
        let mut state = self.lock();
        if state.claimed.contains(&port) {
            let text = "another instance of this system has it";
            return Err(io::Error::new(io::ErrorKind::AddrInUse, text));
        }
        match check_free(port) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                let text = "another program is listening on it";
                return Err(io::Error::new(io::ErrorKind::AddrInUse, text));
            }
            // The service may be allowed what Polity is not: to listen below 1024.
            _ => {}
        }
        state.claimed.insert(port);
        Ok(())
    }

    fn release(&self, port: u16) {
        self.lock().claimed.remove(&port);
    }
}

/// Listens for a moment. A listener on all addresses shows as well, on IPv6 where there is IPv6.
fn check_free(port: u16) -> io::Result<()> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    match TcpListener::bind((Ipv6Addr::LOCALHOST, port)) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
        _ => Ok(()),
    }
}

/// "32768\t60999\n".
fn parse_range(text: &str) -> Option<RangeInclusive<u16>> {
    let mut numbers = text
        .split_ascii_whitespace()
        .map(|number| number.parse().ok());
    Some(numbers.next()??..=numbers.next()??)
}

fn outside(ephemeral: Option<RangeInclusive<u16>>) -> RangeInclusive<u16> {
    let Some(ephemeral) = ephemeral else {
        return PREFERRED;
    };
    let candidates = [
        *PREFERRED.start()..=(*PREFERRED.end()).min(ephemeral.start().saturating_sub(1)),
        (*PREFERRED.start()).max(ephemeral.end().saturating_add(1))..=u16::MAX,
        10_000..=(*PREFERRED.start()).min(ephemeral.start().saturating_sub(1)),
    ];
    let mut wide = candidates
        .into_iter()
        .filter(|range| range.end().saturating_sub(*range.start()) >= MIN_RANGE);
    // With no room outside, inside it must be.
    wide.next().unwrap_or(PREFERRED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_keeps_clear_of_the_systems() {
        let check = |ephemeral, expected| assert_eq!(outside(ephemeral), expected);
        check(None, PREFERRED);
        check(Some(32_768..=60_999), PREFERRED);
        check(Some(25_000..=60_999), 20_000..=24_999);
        check(Some(15_000..=40_000), 40_001..=65_535);
        check(Some(15_000..=65_000), 10_000..=14_999);
        check(Some(1024..=65_535), PREFERRED);
        assert_eq!(parse_range("32768\t60999\n"), Some(32_768..=60_999));
        assert_eq!(parse_range("many"), None);
    }

    #[test]
    fn no_port_is_given_twice_nor_one_that_is_in_use() {
        let ports = FreePorts::new();
        let mut given = BTreeSet::new();
        for _ in 0..100 {
            let port = ports.claim().expect("a port");
            assert!(given.insert(port), "{port} twice");
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("free");
        }
        let taken = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a port");
        let taken = taken
            .local_addr()
            .map(|address| (address.port(), taken))
            .expect("bound");
        let narrow = FreePorts::within(taken.0..=taken.0, taken.0);
        let error = narrow.claim().expect_err("it is in use");
        assert!(error.to_string().contains("is free"), "{error}");
        drop(taken.1);
        assert_eq!(narrow.claim().ok(), Some(taken.0));
        assert!(narrow.claim().is_err(), "claimed");
        narrow.release(taken.0);
        assert_eq!(narrow.claim().ok(), Some(taken.0));
    }

    #[test]
    fn a_fixed_port_says_who_has_it() {
        let ports = FreePorts::new();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let error = ports.claim_fixed(port).expect_err("in use");
        assert_eq!(error.to_string(), "another program is listening on it");
        drop(listener);
        ports.claim_fixed(port).expect("free now");
        let error = ports.claim_fixed(port).expect_err("claimed");
        assert_eq!(error.to_string(), "another instance of this system has it");
        ports.release(port);
        ports.claim_fixed(port).expect("released");
    }
}
