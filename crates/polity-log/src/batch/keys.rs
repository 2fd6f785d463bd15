//! Whether records have keys, with no more of them in memory than a piece.

use std::io::{self, BufRead, BufReader, Read};

use super::BatchError;

/// Whether each of `count` records, as they stand behind each other, has a key.
///
/// # Errors
///
/// Where they cannot be read, or are not as records are.
pub(crate) fn have_keys(records: impl Read, count: i32) -> io::Result<bool> {
    let mut records = BufReader::new(records);
    for _ in 0..count {
        let length = take_number(&mut records)?;
        let length = u64::try_from(length).map_err(|_| malformed("its length is negative"))?;
        let mut record = records.by_ref().take(length);
        skip(&mut record, 1)?; // Attributes, of which none is in use.
        take_number(&mut record)?; // Its time,
        take_number(&mut record)?; // and its offset.
        if take_number(&mut record)? < 0 {
            return Ok(false);
        }
        let rest = record.limit();
        skip(&mut record, rest)?;
    }
    match records.fill_buf()?.is_empty() {
        true => Ok(true),
        false => Err(malformed("there are more than are counted")),
    }
}

fn take_number(from: &mut impl Read) -> io::Result<i64> {
    let mut raw = 0u64;
    for shift in (0..64).step_by(7) {
        let mut byte = [0];
        from.read_exact(&mut byte)?;
        let [byte] = byte;
        raw |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok((raw >> 1) as i64 ^ -((raw & 1) as i64));
        }
    }
    Err(malformed("a number has more bits than it may have"))
}

fn skip(from: &mut impl Read, bytes: u64) -> io::Result<()> {
    match io::copy(&mut from.take(bytes), &mut io::sink())? == bytes {
        true => Ok(()),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn malformed(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, BatchError::Record(why))
}
