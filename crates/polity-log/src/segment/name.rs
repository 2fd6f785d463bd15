//! What a segment's files are called.

use crate::id::Offset;

pub(crate) const LOG: &str = "log";
pub(crate) const OFFSET_INDEX: &str = "index";
pub(crate) const TIME_INDEX: &str = "timeindex";
pub(crate) const ABORTED_INDEX: &str = "txnindex";

/// A file of the segment, or of what else belongs to an offset.
pub(crate) fn name(base: Offset, ending: &str) -> String {
    format!("{:020}.{ending}", base.0)
}

/// The offset a file is named by, where it has this ending.
pub(crate) fn parse_name(name: &str, ending: &str) -> Option<Offset> {
    let digits = name.strip_suffix(ending)?.strip_suffix('.')?;
    let is_offset = digits.len() == 20 && digits.bytes().all(|it| it.is_ascii_digit());
    is_offset.then(|| digits.parse().ok().map(Offset))?
}
