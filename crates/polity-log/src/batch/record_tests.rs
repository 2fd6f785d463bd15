//! Records are read as they are written, and what lies is refused.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::batch::BatchBuilder;

type Bytes = Vec<u8>;
type Given = (
    i64,
    Option<Bytes>,
    Option<Bytes>,
    Vec<(Bytes, Option<Bytes>)>,
);

fn given() -> impl Strategy<Value = Vec<Given>> {
    let bytes = || vec(any::<u8>(), 0..40);
    // Few names, so that some come twice.
    let headers = vec((vec(0u8..2, 0..2), option::of(bytes())), 0..5);
    vec(
        (
            0..1i64 << 50,
            option::of(bytes()),
            option::of(bytes()),
            headers,
        ),
        1..20,
    )
}

fn build(records: &[Given]) -> Vec<u8> {
    let build = |builder: BatchBuilder, (at, key, value, headers): &Given| {
        let headers: Vec<_> = headers
            .iter()
            .map(|(k, v)| (k.as_slice(), v.as_deref()))
            .collect();
        builder.record_with(*at, key.as_deref(), value.as_deref(), &headers)
    };
    records.iter().fold(BatchBuilder::new(), build).build()
}

proptest! {
    #[test]
    fn what_is_built_is_read(records in given()) {
        let bytes = build(&records);
        let header = Header::parse_checked(&bytes).expect("it is whole");
        let read: Result<Vec<_>, _> = Records::of(&header, &bytes).expect("it is plain").collect();
        let read = read.expect("all are well");
        prop_assert_eq!(read.len(), records.len());
        for (index, (read, (at, key, value, headers))) in read.iter().zip(&records).enumerate() {
            prop_assert_eq!(read.offset(&header), Offset(index as i64));
            prop_assert_eq!(read.timestamp_ms(&header), *at);
            prop_assert_eq!((read.key, read.value), (key.as_deref(), value.as_deref()));
            let got: Vec<_> = read.headers().map(|it| it.expect("well")).collect();
            let expected: Vec<_> = headers
                .iter()
                .map(|(key, value)| RecordHeader { key, value: value.as_deref() })
                .collect();
            prop_assert_eq!(got, expected);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>, count: i32) {
        let read = Records::new(&bytes, count).count();
        // A record has seven bytes at least, and one error may come after them.
        prop_assert!(read <= bytes.len() / 7 + 1);
    }
}

#[test]
fn counts_that_lie_are_refused() {
    let bytes = build(&vec![(1, None, None, Vec::new()); 3]);
    let last = |count| Records::new(&bytes[crate::batch::HEADER..], count).last();
    assert!(last(3).is_some_and(|it| it.is_ok()));
    assert!(last(2).is_some_and(|it| it.is_err()));
    assert!(last(4).is_some_and(|it| it.is_err()));
    assert!(last(i32::MAX).is_some_and(|it| it.is_err()));
}
