//! Who counts as whom, and that nothing is left of those who have gone.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn is_empty(peers: &Peers) -> bool {
    let mut shards = peers.shards.iter();
    shards.all(|shard| shard.lock().expect("sound").is_empty())
}

#[test]
fn an_ipv6_client_is_its_64_bit_prefix() {
    let check = |one: &str, other: &str, same| {
        let is_same = Peer::of(address(one)) == Peer::of(address(other));
        assert_eq!(is_same, same, "{one} and {other}");
    };
    check("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true);
    check("2001:db8:1:2::1", "2001:db8:1:3::1", false);
    check("192.0.2.1", "192.0.2.1", true);
    check("192.0.2.1", "192.0.2.2", false);
    check("0.0.0.0", "::", false);
}

#[test]
fn one_at_its_limit_leaves_the_others_theirs() {
    let peers = Arc::new(Peers::default());
    let (greedy, other) = (address("192.0.2.1"), address("192.0.2.2"));
    let mut places: Vec<_> = (0..3).map(|_| peers.enter(greedy, 3)).collect();
    assert!(places.iter().all(Result::is_ok));
    assert_eq!(peers.enter(greedy, 3).err(), Some(TooMany));
    assert!(peers.enter(other, 3).is_ok());
    places.pop();
    assert!(peers.enter(greedy, 3).is_ok(), "a place given up is free");
    drop(places);
    assert!(is_empty(&peers));
}

#[test]
fn a_limit_of_none_keeps_nothing() {
    let peers = Arc::new(Peers::default());
    assert_eq!(peers.enter(address("::1"), 0).err(), Some(TooMany));
    assert!(is_empty(&peers));
}

#[test]
fn threads_together_count_exactly() {
    let peers = Arc::new(Peers::default());
    let threads: Vec<_> = (0..4)
        .map(|thread: u8| {
            let peers = peers.clone();
            std::thread::spawn(move || {
                let shared = IpAddr::V4(Ipv4Addr::LOCALHOST);
                let own = IpAddr::V6(Ipv6Addr::from([thread; 16]));
                let mut kept = Vec::new();
                for _ in 0..2000 {
                    kept.extend(peers.enter(shared, 100));
                    drop(peers.enter(own, 1).expect("nobody else has it"));
                }
                kept
            })
        })
        .collect();
    let kept: Vec<_> = threads
        .into_iter()
        .flat_map(|it| it.join().expect("no panic"))
        .collect();
    assert_eq!(kept.len(), 100);
    drop(kept);
    assert!(is_empty(&peers));
}

#[test]
fn refusals_are_reported_once_an_interval() {
    let peers = Peers::default();
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let pending = || peers.lock_refusals().count;
    peers.refused(address("192.0.2.1"), 3, at(0));
    assert_eq!(pending(), 0, "the first is reported");
    (1..9).for_each(|second| peers.refused(address("192.0.2.1"), 3, at(second)));
    assert_eq!(pending(), 8);
    peers.report(at(9));
    assert_eq!(pending(), 8);
    peers.report(at(10));
    assert_eq!(pending(), 0, "and the rest when an interval is over");
}
