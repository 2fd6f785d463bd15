//! Tests of the count and of retirement, alone and against threads that race it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::thread;
use std::time::{Duration, Instant};

use super::*;

#[test]
fn a_request_is_counted_until_its_guard_is_dropped() {
    let endpoint = Arc::new(Endpoint::new(EndpointSpec::default()));
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
    let endpoint = Endpoint::new(EndpointSpec::default());
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
    for _ in 0..60 {
        let endpoint = Endpoint::new(EndpointSpec::default());
        let stopped = AtomicBool::new(false);
        let reached = AtomicU64::new(0);
        let send = || {
            let deadline = Instant::now() + PATIENCE;
            while let Some(_request) = InFlight::begin(&endpoint) {
                assert!(
                    !stopped.load(Ordering::SeqCst),
                    "a request reached a stopped instance"
                );
                assert!(Instant::now() < deadline, "the endpoint is never retired");
                reached.fetch_add(1, Ordering::Relaxed);
            }
        };
        thread::scope(|scope| {
            (0..4).for_each(|_| drop(scope.spawn(send)));
            until(|| reached.load(Ordering::Relaxed) > 0);
            endpoint.retire();
            until(|| endpoint.in_flight() == 0);
            stopped.store(true, Ordering::SeqCst);
        });
        assert!(endpoint.is_drained());
    }
}

/// Far longer than it takes, so that only what never ends fails.
const PATIENCE: Duration = Duration::from_secs(30);

fn until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "it never came true");
        thread::yield_now();
    }
}

#[test]
fn a_panic_counts_its_requests_out() {
    let endpoint = Endpoint::new(EndpointSpec::default());
    let kept = InFlight::begin(&endpoint);
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _requests = [InFlight::begin(&endpoint), InFlight::begin(&endpoint)];
        assert_eq!(endpoint.in_flight(), 4, "this panics, as there are 3");
    }));
    assert!(ended.is_err());
    assert_eq!(endpoint.in_flight(), 1);
    drop(kept);
    assert_eq!(endpoint.in_flight(), 0);
}

#[test]
fn no_count_is_lost_where_threads_race_and_marks_come_and_go() {
    let endpoint = Endpoint::new(EndpointSpec::default());
    let kept = InFlight::begin(&endpoint);
    let work = || {
        for number in 0..20_000 {
            let one = InFlight::begin(&endpoint);
            let other = InFlight::begin(&endpoint);
            assert!(endpoint.in_flight() >= 3);
            match number % 3 {
                0 => _ = endpoint.eject(),
                1 => _ = endpoint.readmit(),
                _ => endpoint.note(number % 2 == 0, Moment(number)),
            }
            // In the order a retry, or a hedge, lets go of them.
            drop(one);
            drop(other);
        }
    };
    thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(work))));
    assert_eq!(endpoint.in_flight(), 1);
    drop(kept);
    assert_eq!(endpoint.in_flight(), 0);
}

#[test]
fn a_report_beyond_belief_is_forgotten_about_as_fast_as_any() {
    let endpoint = Endpoint::new(EndpointSpec::default());
    let report = Report {
        utilization: Some(999.0),
        in_flight: None,
    };
    endpoint.report(&report, Moment(0));
    assert_eq!(endpoint.utilization(Moment(0)), 2.0);
    assert_eq!(endpoint.utilization(Moment(15_000)), 1.0);
}
