//! Compaction: of each key the last record stays.
//!
//! First the keys of what has not been looked at are noted with their last offsets, as many as fit into the
//! memory there is for it; then every full segment up to there is written anew without the records that
//! are outdated, beside the old one, made durable, and put in its place. Offsets stay as they are, so a gap is
//! all that tells of what went. Batches that are compressed are kept as they are.

mod keys;
mod rewrite;

pub(crate) use keys::Keys;
pub(crate) use rewrite::{Rules, rewrite};
