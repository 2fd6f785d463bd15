//! Tests of the count and of retirement, alone and against threads that race it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::thread;

use super::*;

#[test]
fn a_request_is_counted_until_its_guard_is_dropped() {
    let endpoint = Arc::new(Endpoint::new());
    let first = InFlight::begin(endpoint.clone());
    let second = InFlight::begin(endpoint.clone());
    assert!(first.is_some() && second.is_some());
    assert_eq!(endpoint.in_flight(), 2);
    drop(first);
    assert_eq!(endpoint.in_flight(), 1);
    drop(second);
    assert_eq!(endpoint.in_flight(), 0);
    assert!(!endpoint.is_retired() && !endpoint.is_drained());
}

#[test]
fn a_retired_endpoint_lets_requests_end_and_none_begin() {
    let endpoint = Endpoint::new();
    let running = InFlight::begin(&endpoint);
    endpoint.retire();
    assert!(endpoint.is_retired() && !endpoint.is_drained());
    assert!(InFlight::begin(&endpoint).is_none());
    assert_eq!(endpoint.in_flight(), 1);
    drop(running);
    assert!(endpoint.is_drained());
    endpoint.retire();
    assert_eq!(endpoint.in_flight(), 0);
}

#[test]
fn each_endpoint_has_cache_lines_of_its_own() {
    assert_eq!(size_of::<Endpoint>(), 128);
    assert_eq!(align_of::<Endpoint>(), 128);
}

/// What a roll does, against threads that send as fast as they can: from the moment the roll has
/// seen zero, the instance is stopped, and no request may be there.
#[test]
fn nothing_reaches_an_endpoint_that_was_retired_and_empty() {
    const ROUNDS: usize = 60;
    const SENDERS: usize = 4;
    let reached = Arc::new(AtomicU64::new(0));
    for _ in 0..ROUNDS {
        let endpoint = Arc::new(Endpoint::new());
        let stopped = Arc::new(AtomicBool::new(false));
        let senders: Vec<_> = (0..SENDERS)
            .map(|_| {
                let (endpoint, stopped, reached) =
                    (endpoint.clone(), stopped.clone(), reached.clone());
                thread::spawn(move || {
                    while let Some(_request) = InFlight::begin(&*endpoint) {
                        assert!(
                            !stopped.load(Ordering::SeqCst),
                            "a request reached a stopped instance"
                        );
                        reached.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let before = reached.load(Ordering::Relaxed);
        while reached.load(Ordering::Relaxed) == before {
            thread::yield_now();
        }
        endpoint.retire();
        while endpoint.in_flight() > 0 {
            thread::yield_now();
        }
        stopped.store(true, Ordering::SeqCst);
        for sender in senders {
            assert!(sender.join().is_ok());
        }
        assert!(endpoint.is_drained());
    }
}
