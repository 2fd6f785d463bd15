//! Compaction: of each key the last record stays.
//!
//! First the keys of what has not been looked at are noted with their last offsets, as many as fit into the
//! memory there is for it; then every full segment up to there is written anew without the records that
//! are outdated, beside the old one, made durable, and put in its place. Offsets stay as they are, so a gap is
//! all that tells of what went.
//!
//! What decides over other records stays as long as they do:
//!
//! - Batches that cannot be read, or become too large when they are decompressed, are kept as they are, and so
//!   is every tombstone after one, as the value it deletes may be in there.
//! - A transaction's commit stays as long as one of its records: who reads them waits for it.
//! - An abort stays for good, as its entry in the index does: readers are told of it by the one, and that it
//!   is over by the other. It costs a marker and an entry for each transaction that was aborted.

mod keys;
mod rewrite;

use std::borrow::Cow;

use crate::batch::{Compression, HEADER, Header, decompress};

pub(crate) use keys::Keys;
pub(crate) use rewrite::{Rewriter, Rules, is_aborted};

/// What stands after a batch's header, decompressed; None where nobody can.
fn plain<'a>(header: &Header, batch: &'a [u8]) -> Option<Cow<'a, [u8]>> {
    let records = batch.get(HEADER..header.length)?;
    match header.attributes.compression()? {
        Compression::None => Some(Cow::Borrowed(records)),
        compression => {
            let mut plain = Vec::new();
            let mut reader = decompress(compression, records).ok()?;
            reader.read_to_end(&mut plain).ok()?;
            Some(Cow::Owned(plain))
        }
    }
}
