//! Whether all endpoints have failed lately: what is known of each is of before, then, and has to be found out anew.

use crate::Moment;
use crate::signal::Signal;

/// From here on it is not looked at again, as that means to look at all endpoints: for 300 ms.
const FRESH: f32 = 0.99;

/// The last time that there was none but failing endpoints. It counts for less and less, and after
/// 30 s for nothing.
#[derive(Debug, Default)]
pub(crate) struct Outage(Signal);

impl Outage {
    /// Looks whether it `is_one` now; not if it was a moment ago.
    pub(crate) fn look(&self, now: Moment, is_one: impl FnOnce() -> bool) {
        if self.0.decayed(now) < FRESH && is_one() {
            self.0.set(1.0, now);
        }
    }

    /// Whether that was lately.
    #[inline]
    pub(crate) fn is_recent(&self, now: Moment) -> bool {
        self.0.decayed(now) > 0.0
    }
}
