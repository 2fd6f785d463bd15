//! Tests of panic and of zones.

use std::sync::Arc;

use polity_core::SplitMix64;

use super::*;
use crate::balancer::{Ask, Balancer};
use crate::endpoint::EndpointSpec;

fn endpoints(zones: &[Zone]) -> Vec<Arc<Endpoint>> {
    let endpoint = |(place, zone): (usize, &Zone)| {
        let zone = *zone;
        let identity = place as u64;
        Arc::new(Endpoint::new(EndpointSpec {
            identity,
            zone,
            ..EndpointSpec::default()
        }))
    };
    zones.iter().enumerate().map(endpoint).collect()
}

fn random() -> Settings {
    Settings::new(Policy::Random)
}

/// How many of 10,000 requests each endpoint gets, by identity.
fn chosen(settings: Settings, roster: &Roster<Arc<Endpoint>>) -> Vec<usize> {
    let balancer = Balancer::new(settings);
    let mut rng = SplitMix64::new(5);
    let mut counts = vec![0; roster.len()];
    for _ in 0..10_000 {
        let place = balancer.choose(roster, &Ask::default(), &mut rng, |_| true);
        if let Some(place) = place {
            counts[roster[place].identity() as usize] += 1;
        }
    }
    counts
}

#[test]
fn an_ejected_endpoint_gets_nothing_until_it_is_readmitted() {
    let all = endpoints(&[Zone::Own; 3]);
    let roster = Roster::new(&random(), all.clone());
    assert!(all[1].eject());
    assert!(!all[1].eject());
    roster.refresh(Moment::default());
    assert_eq!(chosen(random(), &roster)[1], 0);
    assert!(all[1].readmit());
    roster.refresh(Moment::default());
    assert!(chosen(random(), &roster)[1] > 3_000);
}

#[test]
fn where_too_few_are_healthy_all_are_used() {
    let all = endpoints(&[Zone::Own; 5]);
    let roster = Roster::new(&random(), all.clone());
    all.iter().take(2).for_each(|endpoint| _ = endpoint.eject());
    roster.refresh(Moment::default());
    assert!(!roster.is_panicking());
    assert_eq!(chosen(random(), &roster)[..2], [0, 0]);
    all[2].eject();
    roster.refresh(Moment::default());
    assert!(roster.is_panicking());
    assert!(chosen(random(), &roster).iter().all(|count| *count > 1_800));
}

#[test]
fn without_a_threshold_what_is_ejected_is_used_only_when_nothing_else_is_left() {
    let settings = Settings {
        panic_threshold: 0.0,
        ..random()
    };
    let all = endpoints(&[Zone::Own; 2]);
    let roster = Roster::new(&settings, all.clone());
    all[0].eject();
    roster.refresh(Moment::default());
    assert_eq!(chosen(settings, &roster), [0, 10_000]);
    all[1].eject();
    roster.refresh(Moment::default());
    assert!(chosen(settings, &roster).iter().all(|count| *count > 4_800));
}

#[test]
fn the_own_zone_serves_all_until_it_is_short_of_healthy_endpoints() {
    let mut zones = [Zone::Other; 14];
    zones[3..10].fill(Zone::Own);
    let all = endpoints(&zones);
    let roster = Roster::new(&random(), all.clone());
    let abroad = |roster: &Roster<_>| {
        let counts = chosen(random(), roster);
        let is_abroad = |place: &usize| zones[*place] == Zone::Other;
        (0..14)
            .filter(is_abroad)
            .map(|place| counts[place])
            .sum::<usize>()
    };
    all[3].eject();
    all[4].eject();
    roster.refresh(Moment::default());
    assert_eq!(abroad(&roster), 0);
    assert!(!roster.is_short_at_home());
    // 3 of 7 are left: 1.4 * 3 / 7 = 60 % stay, and of the others 7 of 10 go abroad.
    all[5].eject();
    all[6].eject();
    roster.refresh(Moment::default());
    let went = abroad(&roster);
    assert!((2_600..3_000).contains(&went), "{went}");
    assert!(roster.is_short_at_home());
}

#[test]
fn where_there_is_one_zone_nothing_leaves_it() {
    for zones in [[Zone::Own; 4], [Zone::Other; 4]] {
        let all = endpoints(&zones);
        let roster = Roster::new(&random(), all.clone());
        all.iter().for_each(|endpoint| _ = endpoint.eject());
        roster.refresh(Moment::default());
        assert!(!roster.is_short_at_home());
    }
}

/// Notes that so many requests there went wrong, or well.
fn note(endpoint: &Endpoint, requests: usize, failed: bool) {
    (0..requests).for_each(|_| endpoint.note(failed, NOW));
}

const NOW: Moment = Moment(100_000);

/// Only a few of a fleet may be ejected at once: a zone that is down has to be seen without.
#[test]
fn a_zone_that_fails_is_left_although_its_endpoints_are_not_ejected() {
    let zones = [Zone::Own, Zone::Own, Zone::Own, Zone::Other, Zone::Other];
    let (balancer, mut rng) = (
        Balancer::new(Settings::new(Policy::default())),
        SplitMix64::new(5),
    );
    let all = endpoints(&zones);
    let roster = Roster::new(balancer.settings(), all.clone());
    let mut abroad = || {
        roster.refresh(NOW);
        let ask = Ask {
            now: NOW,
            ..Ask::default()
        };
        let places = (0..1_000).map(|_| balancer.choose(&roster, &ask, &mut rng, |_| true));
        places.filter(|place| *place >= Some(3)).count()
    };
    assert_eq!(abroad(), 0);
    all[..3]
        .iter()
        .for_each(|endpoint| note(endpoint, 10, true));
    assert_eq!(abroad(), 1_000);
    // What fails abroad as well is no reason to go there.
    all[3..]
        .iter()
        .for_each(|endpoint| note(endpoint, 10, true));
    assert_eq!(abroad(), 0);
    all.iter().for_each(|endpoint| note(endpoint, 100, false));
    assert_eq!(abroad(), 0);
}

#[test]
fn a_request_that_has_failed_in_its_zone_may_go_anywhere() {
    let all = endpoints(&[Zone::Own, Zone::Own, Zone::Other]);
    for policy in [Policy::default(), Policy::Random, Policy::RoundRobin] {
        let settings = Settings::new(policy);
        let roster = Roster::new(&settings, all.clone());
        let (balancer, mut rng) = (Balancer::new(settings), SplitMix64::new(5));
        let ask = Ask {
            anywhere: true,
            ..Ask::default()
        };
        let places = (0..1_000).map(|_| balancer.choose(&roster, &ask, &mut rng, |_| true));
        let abroad = places.filter(|place| *place == Some(2)).count();
        assert!((200..500).contains(&abroad), "{policy:?}: {abroad}");
    }
}

#[test]
fn endpoints_of_other_zones_are_not_asked_and_not_chosen_for_what_they_answered() {
    let settings = Settings::new(Policy::Prequal);
    let all = endpoints(&[Zone::Own, Zone::Own, Zone::Other, Zone::Other]);
    let roster = Roster::new(&settings, all);
    let (balancer, mut rng) = (Balancer::new(settings), SplitMix64::new(5));
    let answer = |in_flight| crate::ProbeAnswer {
        in_flight,
        latency: std::time::Duration::from_millis(u64::from(in_flight)),
    };
    let ask = Ask {
        now: NOW,
        ..Ask::default()
    };
    for _ in 0..100 {
        let asked: Vec<_> = balancer.to_probe(&roster, &mut rng).collect();
        assert!(asked.iter().all(|place| *place < 2), "{asked:?}");
        // Of when the own zone was short.
        (0..4).for_each(|place| balancer.probed(&roster, place, &answer(9 - place as u32), NOW));
        let chosen = balancer.choose(&roster, &ask, &mut rng, |_| true);
        assert!(chosen < Some(2), "{chosen:?}");
    }
}

#[test]
fn no_zone_of_its_own_is_no_reason_to_serve_nobody() {
    let roster = Roster::new(&random(), endpoints(&[Zone::Other; 2]));
    assert!(chosen(random(), &roster).iter().all(|count| *count > 4_800));
}

/// Rosters are made at different moments: the share follows from when an endpoint came, not from that.
#[test]
fn a_new_endpoint_is_as_far_on_its_ramp_in_every_roster() {
    let settings = Settings::new(Policy::Random);
    let came = |since, identity| {
        Arc::new(Endpoint::new(EndpointSpec {
            identity,
            since: Moment(since),
            ..EndpointSpec::default()
        }))
    };
    let (old, newer, newest) = (came(0, 0), came(100_000, 1), came(130_000, 2));
    let now = Moment(145_000);
    let balancer = Balancer::new(settings);
    let share = |roster: &Roster<Arc<Endpoint>>, endpoint| balancer.share(roster, endpoint, now);
    let before = Roster::new(&settings, vec![old.clone(), newer.clone()]);
    let after = Roster::new(&settings, vec![newest.clone(), old.clone(), newer.clone()]);
    // Half, and a sixth, of 90 s have passed.
    assert!((share(&before, &newer) - 0.55).abs() < 1e-3);
    assert!((share(&after, &newer) - 0.55).abs() < 1e-3);
    assert!((share(&after, &newest) - 0.25).abs() < 1e-3);
    // Beside a newer one alone, it is the older that is not held back.
    let without_old = Roster::new(&settings, vec![newest.clone(), newer.clone()]);
    assert_eq!(share(&without_old, &newer), 1.0);
    assert!((share(&without_old, &newest) - 0.25 / 0.55).abs() < 1e-3);
}
