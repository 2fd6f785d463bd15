//! Tests of what makes the one of two better.

use std::sync::Arc;
use std::time::Duration;

use polity_core::SplitMix64;

use crate::testing::{ask, balancer, endpoints, roster};
use crate::{Ask, Endpoint, InFlight, Moment, Observation, Policy, Report};

const NOW: Moment = Moment(1_000_000);

fn observe(endpoint: &Endpoint, failed: bool, times: usize) {
    let latency = Some(Duration::from_millis(5));
    let observation = Observation { failed, latency };
    let balancer = balancer(Policy::default());
    (0..times).for_each(|_| balancer.observe(endpoint, &observation, NOW));
}

/// How many of 1,000 requests that end at once each is given.
fn chosen(endpoints: &[Arc<Endpoint>], now: Moment) -> Vec<usize> {
    let roster = roster(Policy::default(), endpoints);
    let (balancer, mut rng) = (balancer(Policy::default()), SplitMix64::new(8));
    let mut counts = vec![0; endpoints.len()];
    for number in 0..1_000 {
        let ask = Ask { now, ..ask(number) };
        if let Some(place) = balancer.choose(&roster, &ask, &mut rng, |_| true) {
            counts[place] += 1;
        }
    }
    counts
}

fn utilization(endpoint: &Endpoint, utilization: f32) {
    let report = Report {
        utilization: Some(utilization),
        ..Report::default()
    };
    endpoint.report(&report, NOW);
}

#[test]
fn one_that_fails_is_left_alone_and_then_forgiven() {
    let endpoints = endpoints(4);
    observe(&endpoints[1], true, 16);
    assert_eq!(chosen(&endpoints, NOW)[1], 0);
    let forgiven = chosen(&endpoints, Moment(NOW.0 + 30_000))[1];
    assert!((180..320).contains(&forgiven), "{forgiven}");
}

#[test]
fn where_all_fail_all_are_used() {
    let endpoints = endpoints(4);
    endpoints.iter().for_each(|it| observe(it, true, 30));
    let counts = chosen(&endpoints, NOW);
    assert!(
        counts.iter().all(|it| (180..320).contains(it)),
        "{counts:?}"
    );
}

#[test]
fn one_that_fails_now_and_then_is_worse_than_one_with_as_much_to_do() {
    let endpoints = endpoints(2);
    observe(&endpoints[0], true, 1);
    observe(&endpoints[1], false, 1);
    assert_eq!(chosen(&endpoints, NOW), [0, 1_000]);
    // Failing 1 of 16 costs 1 + 20 / 16: as much as two and a quarter times the requests.
    observe(&endpoints[0], false, 1);
    let hold = |count| (0..count).map(|_| InFlight::begin(endpoints[1].clone()));
    let _one: Vec<_> = hold(1).collect();
    assert_eq!(chosen(&endpoints, NOW), [0, 1_000]);
    let _two: Vec<_> = hold(1).collect();
    assert_eq!(chosen(&endpoints, NOW), [1_000, 0]);
}

#[test]
fn one_never_heard_of_has_to_answer_its_first_request_first() {
    let endpoints = endpoints(3);
    let mut held = Vec::new();
    for old in &endpoints[..2] {
        observe(old, false, 1);
        held.extend((0..10).map(|_| InFlight::begin(old.clone())));
    }
    let roster = roster(Policy::default(), &endpoints);
    let (balancer, mut rng) = (balancer(Policy::default()), SplitMix64::new(8));
    let mut more = |count: usize| {
        let begin = |number| balancer.begin(&roster, &ask(number), &mut rng, |_| true);
        (0..count).map(begin).collect::<Vec<_>>()
    };
    held.extend(more(40));
    assert_eq!(endpoints[2].in_flight(), 1);
    observe(&endpoints[2], true, 1);
    held.extend(more(5));
    assert_eq!(endpoints[2].in_flight(), 1, "a failure is no answer");
    observe(&endpoints[2], false, 40);
    held.extend(more(20));
    assert!(endpoints[2].in_flight() > 10);
}

#[test]
fn one_that_says_it_is_full_is_left_alone() {
    let endpoints = endpoints(4);
    utilization(&endpoints[3], 0.97);
    assert_eq!(chosen(&endpoints, NOW)[3], 0);
    // A second later less of that is believed: it may be taken, but is the worse of any two.
    assert_eq!(chosen(&endpoints, Moment(NOW.0 + 1_000))[3], 0);
    let forgotten = chosen(&endpoints, Moment(NOW.0 + 30_000))[3];
    assert!((180..320).contains(&forgotten), "{forgotten}");
}

#[test]
fn the_busier_by_its_own_word_is_the_worse() {
    let endpoints = endpoints(2);
    utilization(&endpoints[0], 0.5);
    utilization(&endpoints[1], 0.6);
    assert_eq!(chosen(&endpoints, NOW), [1_000, 0]);
}

#[test]
fn what_is_no_number_is_not_heard() {
    let endpoints = endpoints(2);
    for said in [f32::NAN, f32::INFINITY, -1.0] {
        utilization(&endpoints[0], said);
        assert_eq!(endpoints[0].utilization(NOW), 0.0);
    }
}

fn answers(endpoint: &Endpoint, milliseconds: u64) {
    let answer = Observation {
        failed: false,
        latency: Some(Duration::from_millis(milliseconds)),
    };
    balancer(Policy::default()).observe(endpoint, &answer, NOW);
}

fn busy(endpoint: &Arc<Endpoint>, count: usize) -> Vec<Option<InFlight<Arc<Endpoint>>>> {
    (0..count)
        .map(|_| InFlight::begin(endpoint.clone()))
        .collect()
}

#[test]
fn one_whose_first_answer_was_slow_is_asked_once_more_before_it_is_left_to_others() {
    let endpoints = endpoints(4);
    endpoints.iter().for_each(|it| answers(it, 1));
    let slow = &crate::testing::endpoints(1)[0];
    answers(slow, 30);
    let all: Vec<_> = endpoints.iter().chain([slow]).cloned().collect();
    assert_eq!(chosen(&all, NOW)[4], 0);
    let later = Moment(NOW.0 + 600);
    let again = |milliseconds| Observation {
        failed: false,
        latency: Some(Duration::from_millis(milliseconds)),
    };
    let observe = |it: &Endpoint, took| {
        balancer(Policy::default()).observe(it, &again(took), later);
    };
    endpoints.iter().for_each(|it| observe(it, 1));
    let tried = chosen(&all, later)[4];
    assert!((130..270).contains(&tried), "{tried}");
    let asked = busy(slow, 1);
    assert_eq!(chosen(&all, later)[4], 0, "one request is enough to know");
    drop(asked);
    observe(slow, 30);
    assert_eq!(chosen(&all, later)[4], 0, "it is slow");
}

#[test]
fn the_slower_is_worse_as_if_it_had_so_many_times_the_requests() {
    let endpoints = endpoints(2);
    answers(&endpoints[0], 10);
    answers(&endpoints[1], 40);
    let _two = busy(&endpoints[0], 2);
    assert_eq!(chosen(&endpoints, NOW), [1_000, 0], "3 * 10 ms < 40 ms");
    let _four = busy(&endpoints[0], 2);
    assert_eq!(chosen(&endpoints, NOW), [0, 1_000], "5 * 10 ms > 40 ms");
}

/// A difference that is chance must not decide: the one that it favours would be given everything.
#[test]
fn those_about_as_fast_as_the_fastest_are_given_as_much() {
    for times in [[10, 11, 12, 18], [1, 1, 2, 2]] {
        let endpoints = endpoints(4);
        for (endpoint, time) in endpoints.iter().zip(times) {
            answers(endpoint, time);
        }
        let counts = chosen(&endpoints, NOW);
        assert!(
            counts.iter().all(|it| (180..320).contains(it)),
            "{counts:?}"
        );
    }
}

/// With its memory the reason fades why it is given none, so that it is found out when it is well again.
#[test]
fn one_that_was_slow_is_tried_again_by_and_by() {
    let endpoints = endpoints(4);
    endpoints.iter().for_each(|it| answers(it, 10));
    let slow = Observation {
        failed: false,
        latency: Some(Duration::from_millis(200)),
    };
    for at in [NOW, Moment(NOW.0 + 100)] {
        balancer(Policy::default()).observe(&endpoints[3], &slow, at);
    }
    let later = Moment(NOW.0 + 28_000);
    let answer = Observation {
        failed: false,
        latency: Some(Duration::from_millis(10)),
    };
    let balancer = balancer(Policy::default());
    for well in &endpoints[..3] {
        balancer.observe(well, &answer, later);
    }
    assert_eq!(chosen(&endpoints, Moment(NOW.0 + 400))[3], 0);
    let tried = chosen(&endpoints, later)[3];
    assert!((180..320).contains(&tried), "{tried}");
}

#[test]
fn of_a_few_the_best_is_chosen_and_of_many_the_better_of_two() {
    for (count, expected) in [(8, 1_000..=1_000), (9, 150..=300)] {
        let endpoints = endpoints(count);
        endpoints.iter().for_each(|it| answers(it, 10));
        let _busy: Vec<_> = endpoints.iter().skip(1).map(|it| busy(it, 1)).collect();
        let best = chosen(&endpoints, NOW)[0];
        assert!(expected.contains(&best), "{best} with {count}");
    }
}

/// Else those that are fast and busy would leave all to one that is idle because it is slow.
#[test]
fn of_a_few_the_fast_are_chosen_although_they_say_that_they_are_full() {
    let endpoints = endpoints(3);
    for fast in &endpoints[..2] {
        answers(fast, 10);
        utilization(fast, 1.9);
    }
    answers(&endpoints[2], 100);
    assert_eq!(chosen(&endpoints, NOW)[2], 0);
}

#[test]
fn a_new_one_is_not_flooded_because_it_is_idle() {
    let spec = |since| crate::EndpointSpec {
        since: Moment(since),
        ..crate::EndpointSpec::default()
    };
    for others in [4, 20] {
        let mut endpoints: Vec<_> = (0..others)
            .map(|_| Arc::new(Endpoint::new(spec(0))))
            .collect();
        endpoints.push(Arc::new(Endpoint::new(spec(NOW.0))));
        endpoints.iter().for_each(|it| answers(it, 10));
        let _busy: Vec<_> = endpoints[..others].iter().map(|it| busy(it, 9)).collect();
        // It is the best of any, and drawn, once or twice, as a tenth of one.
        let share = chosen(&endpoints, NOW)[others];
        let most = 2 * 1_000 / (10 * others);
        assert!((1..=most + 15).contains(&share), "{share} beside {others}");
    }
}

/// Requests one after the other, one each 50 ms: how many of those from one moment to another each
/// was given, and how many failed. All fail before `back`, in seconds, and these later than that.
fn after_an_outage(count: usize, ill: usize, back: u64, until: u64) -> (Vec<usize>, usize) {
    let endpoints = endpoints(count);
    let roster = roster(Policy::default(), &endpoints);
    let (balancer, mut rng) = (balancer(Policy::default()), SplitMix64::new(8));
    let (mut counts, mut failures) = (vec![0; count], 0);
    for time in (NOW.0..NOW.0 + until * 1_000).step_by(50) {
        let now = Moment(time);
        let request = balancer.begin(
            &roster,
            &Ask {
                now,
                ..Ask::default()
            },
            &mut rng,
            |_| true,
        );
        let place = roster.place_of(request.expect("there are some").identity());
        let place = place.expect("it is one of them");
        let is_back = time >= NOW.0 + back * 1_000;
        let failed = !is_back || place < ill;
        let latency = Some(Duration::from_millis(5));
        balancer.observe(&endpoints[place], &Observation { failed, latency }, now);
        if is_back {
            counts[place] += 1;
            failures += usize::from(failed);
        }
    }
    (counts, failures)
}

#[test]
fn after_all_have_failed_together_all_are_soon_given_their_share() {
    for count in [2, 4, 16] {
        let (counts, _) = after_an_outage(count, 0, 20, 30);
        // Of 200 requests in ten seconds.
        let most = 200 / count + 60;
        assert!(counts.iter().all(|it| (1..most).contains(it)), "{counts:?}");
    }
}

#[test]
fn those_that_stay_ill_are_given_few_although_all_have_failed_together() {
    for count in [4, 16] {
        let (_, failures) = after_an_outage(count, count / 2, 20, 60);
        // Of 800.
        assert!(failures < 100, "{failures} of {count}");
    }
}
