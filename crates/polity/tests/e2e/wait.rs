//! Waiting for what another process does: asked again and again, until a deadline.

use std::thread;
use std::time::{Duration, Instant};

/// Far beyond what anything here takes, for machines that are busy with something else. Reaching it
/// fails the test.
pub(crate) const DEADLINE: Duration = Duration::from_secs(90);

const PAUSE: Duration = Duration::from_millis(20);

/// Waits until `ready` gives something, and fails saying `what` was waited for.
#[track_caller]
pub(crate) fn until<T>(what: &str, ready: impl FnMut() -> Option<T>) -> T {
    soon(ready).unwrap_or_else(|| panic!("waited in vain: {what}"))
}

/// The same for who has more to say when it was in vain.
pub(crate) fn soon<T>(mut ready: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = ready() {
            return Some(found);
        }
        if Instant::now() > deadline {
            return None;
        }
        thread::sleep(PAUSE);
    }
}
