//! What is written is read again, and no bytes at all make the reader fail otherwise than by error.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn write_all(form: Form, text: &str, bytes: &[u8], numbers: &[i32], id: u128) -> Bytes {
    let mut writer = Writer::new(form);
    writer.i8(-3);
    writer.i16(-300);
    writer.i64(i64::MIN);
    writer.uuid(Uuid::from_u128(id));
    writer.text(text);
    writer.nullable_text(None);
    writer.bytes(bytes);
    writer.list(numbers.iter(), |writer, number| {
        writer.i32(*number);
        writer.tags(&[]);
    });
    writer.null_list();
    writer.tags(&[(0, Bytes::from_static(b"\x07")), (9, Bytes::new())]);
    writer.finish()
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        text in ".{0,200}",
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        numbers in proptest::collection::vec(any::<i32>(), 0..200),
        id in any::<u128>(),
        compact in any::<bool>(),
    ) {
        let form = if compact { Form::Compact } else { Form::Classic };
        let written = write_all(form, &text, &bytes, &numbers, id);
        let mut reader = Reader::new(written, form);
        prop_assert_eq!(reader.i8(), Ok(-3));
        prop_assert_eq!(reader.i16(), Ok(-300));
        prop_assert_eq!(reader.i64(), Ok(i64::MIN));
        prop_assert_eq!(reader.uuid(), Ok(Uuid::from_u128(id)));
        prop_assert_eq!(reader.text().unwrap(), text.as_str());
        prop_assert_eq!(reader.nullable_text(), Ok(None));
        prop_assert_eq!(reader.bytes().unwrap(), bytes);
        let read = reader.list(|reader| {
            let number = reader.i32();
            reader.no_tags().and(number)
        });
        prop_assert_eq!(read.unwrap(), numbers);
        prop_assert_eq!(reader.nullable_list(Reader::i8), Ok(None));
        let mut tags = Vec::new();
        reader.tags(|tag, field| { tags.push((tag, field.i8())); Ok(()) }).unwrap();
        let expected = if compact { vec![(0, Ok(7)), (9, Err(FieldError::Short))] } else { vec![] };
        prop_assert_eq!(tags, expected);
        prop_assert!(reader.rest.is_empty());
    }

    #[test]
    fn any_bytes_are_an_error_or_a_value(bytes in proptest::collection::vec(any::<u8>(), 0..60), compact in any::<bool>()) {
        let form = if compact { Form::Compact } else { Form::Classic };
        let mut reader = Reader::new(bytes.into(), form);
        let _ = reader.list(|reader| reader.text());
        let _ = reader.tags(|_, field| field.bytes().map(drop));
        let _ = reader.nullable_bytes();
    }
}

#[test]
fn a_count_over_what_is_left_is_refused_before_anything_is_reserved() {
    let mut reader = Reader::new(
        Bytes::from_static(&[0x7f, 0xff, 0xff, 0xff, 1]),
        Form::Classic,
    );
    assert_eq!(reader.list(Reader::i8), Err(FieldError::Short));
}

#[test]
fn a_varint_of_more_than_32_bits_is_refused() {
    let mut reader = Reader::new(
        Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 0x1f]),
        Form::Compact,
    );
    assert_eq!(reader.nullable_text(), Err(FieldError::Length));
}

#[test]
fn a_negative_length_other_than_null_is_refused() {
    let mut reader = Reader::new(Bytes::from_static(&[0xff, 0xfe]), Form::Classic);
    assert_eq!(reader.nullable_text(), Err(FieldError::Length));
}
