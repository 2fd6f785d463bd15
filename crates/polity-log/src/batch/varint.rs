//! Zigzag varints, as in Protocol Buffers: lengths and differences inside records.

use super::BatchError;

const CUT_OFF: BatchError = BatchError::Record("a number is cut off");
const TOO_LONG: BatchError = BatchError::Record("a number has more bits than it may have");

/// Takes a number of at most 64 bits from the beginning of `bytes`.
pub(super) fn take_long(bytes: &mut &[u8]) -> Result<i64, BatchError> {
    let mut raw = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(CUT_OFF)?;
        *bytes = rest;
        // The tenth byte has room for one bit only.
        if shift == 63 && byte > 1 {
            return Err(TOO_LONG);
        }
        raw |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok((raw >> 1) as i64 ^ -((raw & 1) as i64));
        }
    }
    Err(TOO_LONG)
}

/// Takes a number of at most 32 bits.
pub(super) fn take_int(bytes: &mut &[u8]) -> Result<i32, BatchError> {
    i32::try_from(take_long(bytes)?).map_err(|_| TOO_LONG)
}

/// Puts a number after `bytes`.
pub(super) fn put(bytes: &mut Vec<u8>, value: i64) {
    let mut raw = ((value << 1) ^ (value >> 63)) as u64;
    while raw >= 0x80 {
        bytes.push(raw as u8 | 0x80);
        raw >>= 7;
    }
    bytes.push(raw as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_put_is_taken(value: i64, tail: Vec<u8>) {
            let mut bytes = Vec::new();
            put(&mut bytes, value);
            bytes.extend(&tail);
            let mut rest = bytes.as_slice();
            prop_assert_eq!(take_long(&mut rest), Ok(value));
            prop_assert_eq!(rest, tail.as_slice());
        }

        #[test]
        fn any_bytes_are_taken_or_refused(bytes: Vec<u8>) {
            let mut rest = bytes.as_slice();
            let _ = take_long(&mut rest);
            prop_assert!(bytes.len() - rest.len() <= 10);
        }
    }

    #[test]
    fn numbers_are_as_in_protocol_buffers() {
        for (value, expected) in [
            (0, vec![0]),
            (-1, vec![1]),
            (1, vec![2]),
            (300, vec![0xd8, 4]),
        ] {
            let mut bytes = Vec::new();
            put(&mut bytes, value);
            assert_eq!(bytes, expected);
        }
    }

    #[test]
    fn numbers_too_long_or_too_large_are_refused() {
        assert_eq!(take_long(&mut [0xff; 11].as_slice()), Err(TOO_LONG));
        assert_eq!(take_long(&mut [0xff; 3].as_slice()), Err(CUT_OFF));
        let mut bytes = Vec::new();
        put(&mut bytes, i64::from(i32::MAX) + 1);
        assert_eq!(take_int(&mut bytes.as_slice()), Err(TOO_LONG));
    }
}
