//! Tests of the retry rules: each rule for itself, and the two laws for all of them.

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

const REQUEST: Request = Request {
    is_idempotent: true,
    was_sent: true,
    remaining: SECOND,
};

fn answer(status: u16) -> Ending {
    Ending::Answer { status, grpc: None }
}

fn grpc(code: u32) -> Ending {
    let grpc = Some(code);
    Ending::Answer { status: 200, grpc }
}

fn all() -> Rules {
    let mut rules = Rules {
        connect_failure: true,
        reset: true,
        timeout: true,
        ..Rules::default()
    };
    let mut statuses = STATUSES;
    assert!(statuses.all(|status| rules.add_status(status)));
    GrpcStatus::ALL
        .into_iter()
        .for_each(|status| rules.add_grpc(status));
    rules
}

#[test]
fn each_rule_is_for_its_own_ending_alone() {
    let check = |rules: Rules, expected: &[bool]| {
        let endings = [
            Ending::ConnectFailure,
            Ending::Reset,
            Ending::Timeout,
            answer(503),
            grpc(14),
        ];
        assert_eq!(endings.map(|ending| rules.cover(ending)), expected);
    };
    let nothing = Rules::default();
    check(nothing, &[false; 5]);
    check(
        Rules {
            connect_failure: true,
            ..nothing
        },
        &[true, false, false, false, false],
    );
    check(
        Rules {
            reset: true,
            ..nothing
        },
        &[false, true, false, false, false],
    );
    check(
        Rules {
            timeout: true,
            ..nothing
        },
        &[false, false, true, false, false],
    );
    let mut statuses = nothing;
    assert!(statuses.add_status(503));
    check(statuses, &[false, false, false, true, false]);
    let mut unavailable = nothing;
    unavailable.add_grpc(GrpcStatus::Unavailable);
    check(unavailable, &[false, false, false, false, true]);
    let about = |rules: Rules| (rules.are_for_answers(), rules.are_for_grpc());
    assert_eq!(
        [nothing, statuses, unavailable].map(about),
        [(false, false), (true, false), (true, true)]
    );
}

#[test]
fn a_status_is_itself_and_no_other() {
    for chosen in STATUSES {
        let mut rules = Rules::default();
        assert!(rules.add_status(chosen));
        for status in 0..=999 {
            assert_eq!(
                rules.cover(answer(status)),
                status == chosen,
                "{chosen} {status}"
            );
        }
    }
    for status in [0, 200, 399, 600, u16::MAX] {
        let mut rules = Rules::default();
        assert!(!rules.add_status(status));
        assert_eq!(rules, Rules::default());
        assert!(!all().cover(answer(status)));
    }
}

#[test]
fn the_codes_of_grpc_are_those_of_its_specification() {
    let covered: Vec<_> = (0..100).filter(|code| all().cover(grpc(*code))).collect();
    assert_eq!(covered, [1, 4, 8, 13, 14]);
    assert!(!all().cover(grpc(u32::MAX)));
}

#[test]
fn what_is_refused_is_refused_with_a_reason() {
    let permit = |request: Request, pause| all().permit(Ending::Reset, &request, pause);
    assert_eq!(permit(REQUEST, SECOND / 2), Ok(()));
    assert_eq!(permit(REQUEST, SECOND), Err(Refusal::NoTime));
    let post = Request {
        is_idempotent: false,
        ..REQUEST
    };
    assert_eq!(permit(post, Duration::ZERO), Err(Refusal::NotIdempotent));
    assert_eq!(
        permit(
            Request {
                was_sent: false,
                ..post
            },
            Duration::ZERO
        ),
        Ok(())
    );
    let nothing = Rules::default();
    assert_eq!(
        nothing.permit(Ending::Reset, &REQUEST, Duration::ZERO),
        Err(Refusal::NoRule)
    );
}

#[test]
fn retry_after_is_a_number_of_seconds() {
    let check = |field: &str, expected: Option<u64>| {
        assert_eq!(
            retry_after(field.as_bytes()),
            expected.map(Duration::from_secs),
            "{field}"
        );
    };
    check("0", Some(0));
    check(" 120 ", Some(120));
    check("99999999999999999999999", Some(u64::MAX));
    for nothing in [
        "",
        " ",
        "-1",
        "+1",
        "1.5",
        "1, 2",
        "Fri, 31 Dec 1999 23:59:59 GMT",
    ] {
        check(nothing, None);
    }
}

fn any_ending() -> impl Strategy<Value = Ending> {
    prop_oneof![
        Just(Ending::ConnectFailure),
        Just(Ending::Reset),
        Just(Ending::Timeout),
        (any::<u16>(), any::<Option<u32>>())
            .prop_map(|(status, grpc)| Ending::Answer { status, grpc }),
        (400u16..600).prop_map(answer),
        (0u32..17).prop_map(grpc),
    ]
}

proptest! {
    #[test]
    fn no_rules_break_the_laws(
        ending in any_ending(), is_idempotent in any::<bool>(), was_sent in any::<bool>(),
        remaining in 0u64..100, pause in 0u64..100,
    ) {
        let (remaining, pause) = (Duration::from_millis(remaining), Duration::from_millis(pause));
        let request = Request { is_idempotent, was_sent, remaining };
        if all().permit(ending, &request, pause).is_ok() {
            prop_assert!(is_idempotent || !was_sent);
            prop_assert!(pause < remaining);
        }
    }
}
