//! Cookies that are ours, and those that are not.

use std::mem::MaybeUninit;
use std::time::Duration;

use polity_http::limits::MAX_HEADERS;
use proptest::prelude::*;

use super::*;

fn sessions(service: &str, key: u8, max_age: Option<Duration>) -> Sessions {
    let sticky = Sticky {
        cookie: "stay".to_owned(),
        max_age,
    };
    let name = ServiceName::new(service).expect("legal");
    Sessions::new(&sticky, &name, &SessionKey::new([key; 32]))
}

fn field(sessions: &Sessions, instance: u64, is_secure: bool) -> String {
    let mut out = Vec::new();
    sessions.write(instance, is_secure, &mut out);
    let text = String::from_utf8(out).expect("ASCII");
    let fields = text.strip_suffix("cache-control: private\r\n");
    fields.expect("no cache may share it").to_owned()
}

fn value(sessions: &Sessions, instance: u64) -> String {
    let field = field(sessions, instance, false);
    let value = field.strip_prefix("set-cookie: stay=").expect("the name");
    value.split(';').next().expect("a value").to_owned()
}

#[test]
fn a_cookie_is_for_the_whole_site_and_no_script() {
    let of = |max_age, is_secure| {
        let field = field(&sessions("a", 1, max_age), 7, is_secure);
        let (_, attributes) = field.split_once(';').expect("attributes");
        attributes.to_owned()
    };
    assert_eq!(of(None, false), " Path=/; HttpOnly; SameSite=Lax\r\n");
    let hour = Some(Duration::from_secs(3600));
    let expected = " Path=/; HttpOnly; SameSite=Lax; Max-Age=3600; Secure\r\n";
    assert_eq!(of(hour, true), expected);
}

#[test]
fn a_cookie_is_good_for_its_service_and_its_key_only() {
    let ours = value(&sessions("a", 1, None), 7);
    let check = |service, key, expected: Option<u64>| {
        let found = sessions(service, key, None).verify(ours.as_bytes());
        let expected = expected.map(|instance| (instance, 0));
        assert_eq!(found, expected, "{service} {key}");
    };
    // The same after a restart, and with another age.
    check("a", 1, Some(7));
    check("b", 1, None);
    check("a", 2, None);
}

/// What is read of a request with these lines of cookies.
fn read(sessions: &Sessions, lines: &str) -> Option<(u64, bool)> {
    let head = format!("GET / HTTP/1.1\r\nhost: a\r\n{lines}\r\n");
    let mut space = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let parsed = RequestHead::parse(head.as_bytes(), &mut space);
    let (head, _) = parsed.expect("it is valid").expect("it is whole");
    sessions.read(&head)
}

#[test]
fn what_others_plant_beside_it_neither_breaks_nor_takes_over_a_session() {
    let (ours, others) = (sessions("a", 1, None), sessions("a", 2, None));
    let (mine, forged) = (value(&ours, 7), value(&others, 8));
    let planted = value(&ours, 9);
    let check = |lines: &str, expected| {
        let found = read(&ours, lines).map(|(instance, _)| instance);
        assert_eq!(found, expected, "{lines}");
    };
    check(&format!("cookie: stay={mine}\r\n"), Some(7));
    check(&format!("cookie: stay={forged}; stay={mine}\r\n"), Some(7));
    check(&format!("cookie: stay={mine}; stay={forged}\r\n"), Some(7));
    check(
        &format!("cookie: stay={mine}\r\ncookie: a=b; stay=; stay=x\r\n"),
        Some(7),
    );
    // For a longer path, and therefore before ours.
    check(&format!("cookie: stay={planted}; stay={mine}\r\n"), Some(7));
    check(
        &format!("cookie: stay={planted}\r\ncookie: stay={mine}\r\n"),
        Some(7),
    );
    // There is an end to looking.
    let many = format!(
        "cookie: stay={mine}{}\r\n",
        format!("; stay={forged}").repeat(4)
    );
    check(&many, None);
}

#[test]
fn a_cookie_is_made_anew_once_half_of_its_time_is_over() {
    let hour = sessions("a", 1, Some(Duration::from_secs(3600)));
    let check = |age: u32, expected| {
        let mut out = Vec::new();
        hour.write_made(7, hour.now().wrapping_sub(age), false, &mut out);
        let field = String::from_utf8(out).expect("ASCII");
        let pair = field.strip_prefix("set-cookie: ").expect("the field");
        let pair = pair.split(';').next().expect("a pair");
        let found = read(&hour, &format!("cookie: {pair}\r\n"));
        assert_eq!(found, Some((7, expected)), "{age}");
    };
    check(0, false);
    check(1700, false);
    check(1800, true);
    check(1_000_000, true);
    // By a gateway whose clock is ahead.
    check(u32::MAX - 100, true);
    let until_closed = sessions("a", 1, None);
    let mine = value(&until_closed, 7);
    let found = read(&until_closed, &format!("cookie: stay={mine}\r\n"));
    assert_eq!(found, Some((7, false)));
}

proptest! {
    #[test]
    fn what_is_changed_in_any_place_is_not_ours(
        instance in any::<u64>(), place in 0usize..56, other in any::<u8>()
    ) {
        let sessions = sessions("a", 1, None);
        let mut text = value(&sessions, instance).into_bytes();
        prop_assert_eq!(text.len(), 56);
        prop_assert_eq!(sessions.verify(&text), Some((instance, 0)));
        let before = std::mem::replace(&mut text[place], other);
        prop_assert_eq!(sessions.verify(&text).is_some(), before == other);
    }

    #[test]
    fn whatever_comes_is_verified_without_a_panic(
        text in proptest::collection::vec(any::<u8>(), 0..64)
    ) {
        prop_assert_eq!(sessions("a", 1, None).verify(&text), None);
    }
}
