//! The shapes against the decoder whose place they guard.

use proptest::prelude::*;

use super::*;
use crate::fuzzing::{KEYS, Writer, decode_any};
use crate::wire::shapes;
use kafka_protocol::messages::ApiKey;

fn any_request() -> impl Strategy<Value = (ApiKey, i16, Vec<u8>)> {
    let api = proptest::sample::select(KEYS);
    (api, any::<u64>()).prop_flat_map(|((key, min, max), seed)| {
        (min..=max).prop_map(move |version| {
            let shape = shapes::of(key).expect("every request has a shape");
            (key, version, Writer::write(shape, version, seed))
        })
    })
}

#[test]
fn every_version_of_every_request_has_the_decoders_shape() {
    for &(key, min, max) in KEYS {
        let shape = shapes::of(key).expect("every request has a shape");
        for version in min..=max {
            let bytes = Writer::write(shape, version, 7);
            let checked = shape.check(version, &bytes).map(|_| ());
            assert_eq!(checked, Ok(()), "{key:?} {version}");
            let decoded = decode_any(key, &bytes, version);
            let decoded = decoded.unwrap_or_else(|| panic!("{key:?} {version} decodes"));
            assert_eq!(decoded.left, 0, "{key:?} {version}");
            assert_eq!(
                decoded.again.as_deref(),
                Some(&bytes[..]),
                "{key:?} {version}"
            );
        }
    }
}

proptest! {
    #[test]
    fn what_passes_is_never_more_than_was_sent_whatever_was_done_to_it(
        (key, version, mut bytes) in any_request(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4),
        cut in proptest::option::of(any::<proptest::sample::Index>()),
    ) {
        let length = bytes.len();
        for (place, byte) in changes.into_iter().filter(|_| length > 0) {
            bytes[place.index(length)] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        let shape = shapes::of(key).expect("every request has a shape");
        if shape.check(version, &bytes).is_ok()
            && let Some(decoded) = decode_any(key, &bytes, version)
        {
            prop_assert!(decoded.left <= bytes.len());
        }
    }

    #[test]
    fn a_request_cut_short_is_refused_and_one_drawn_out_is_not(
        (key, version, mut bytes) in any_request(),
    ) {
        let shape = shapes::of(key).expect("every request has a shape");
        if bytes.pop().is_some() {
            prop_assert!(shape.check(version, &bytes).is_err());
            prop_assert!(decode_any(key, &bytes, version).is_none());
            bytes.push(0);
        }
        bytes.push(0);
        prop_assert!(shape.check(version, &bytes).is_ok());
    }
}

#[test]
fn a_count_that_lies_is_refused_before_anything_is_reserved() {
    let shape = shapes::of(ApiKey::Metadata).expect("a shape");
    // A billion topics in four bytes, plain and compact.
    let refused = shape.check(0, &1_000_000_000_i32.to_be_bytes());
    assert_eq!(
        refused.map_err(|error| (error.field, error.fault)),
        Err(("topics", Fault::Short))
    );
    let refused = shape.check(9, &[0xff, 0xff, 0xff, 0xff, 0x0f, 0]);
    assert_eq!(refused.map_err(|error| error.fault), Err(Fault::Short));
    // As many as there are bytes, but more than any client needs.
    let mut bytes = (MAX_ELEMENTS as i32 + 1).to_be_bytes().to_vec();
    bytes.extend(vec![0; 2 * MAX_ELEMENTS + 2]);
    let refused = shape.check(0, &bytes);
    assert_eq!(refused.map_err(|error| error.fault), Err(Fault::Elements));
}
