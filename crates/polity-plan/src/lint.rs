//! What a plan may do and had better not: each finding a warning with a code that `allow` silences.

use crate::diagnostic::Findings;
use crate::draft::Draft;

pub(crate) fn all(_draft: &Draft, _findings: &mut Findings) {}
