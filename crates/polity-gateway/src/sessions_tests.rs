//! Cookies that are ours, and those that are not.

use std::time::Duration;

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
    String::from_utf8(out).expect("ASCII")
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
    let check = |service, key, expected| {
        let found = sessions(service, key, None).verify(ours.as_bytes());
        assert_eq!(found, expected, "{service} {key}");
    };
    // The same after a restart, and with another age.
    check("a", 1, Some(7));
    check("b", 1, None);
    check("a", 2, None);
}

proptest! {
    #[test]
    fn what_is_changed_in_any_place_is_not_ours(
        instance in any::<u64>(), place in 0usize..48, other in any::<u8>()
    ) {
        let sessions = sessions("a", 1, None);
        let mut text = value(&sessions, instance).into_bytes();
        prop_assert_eq!(text.len(), 48);
        prop_assert_eq!(sessions.verify(&text), Some(instance));
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
