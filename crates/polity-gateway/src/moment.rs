//! The origin of the moments that endpoints keep.

use std::sync::LazyLock;
use std::time::Instant;

use polity_balance::Moment;

/// Any instant will do, as long as it is the same for all threads and before what is measured.
static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The moment at `now`.
pub(crate) fn moment(now: Instant) -> Moment {
    Moment::since(*ORIGIN, now)
}
