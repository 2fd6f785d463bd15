//! The plan's bounds as the data plane takes them.

use polity_http::Timeouts;

/// The waits a plan asks for; those it says nothing of are the data plane's own.
pub(crate) fn timeouts(planned: &polity_plan::Timeouts) -> Timeouts {
    Timeouts {
        head: planned.head,
        keep_alive: planned.keep_alive,
        body: planned.body,
        send: planned.send,
        connect: planned.connect,
        stream_idle: planned.idle,
        ..Timeouts::default()
    }
}

#[cfg(test)]
mod tests {
    use polity_http::limits::{MAX_HEAD, MAX_HEADERS};
    use polity_plan::Limits;

    use super::*;

    #[test]
    fn what_a_plan_says_by_default_is_what_the_data_plane_does_by_default() {
        let planned = timeouts(&polity_plan::Timeouts::default());
        assert_eq!(planned, Timeouts::default());
    }

    #[test]
    fn a_plan_can_ask_for_no_more_than_the_data_plane_has_room_for() {
        assert_eq!(Limits::MAX_HEADER_COUNT as usize, MAX_HEADERS);
        assert_eq!(Limits::MAX_HEADER_SIZE.0 as usize, MAX_HEAD);
    }
}
