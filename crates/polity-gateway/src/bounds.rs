//! The plan's bounds as the data plane takes them.

use polity_http::{Limits, Timeouts};

/// What a plan lets clients ask of the data plane.
pub(crate) fn limits(planned: &polity_plan::Limits) -> Limits {
    Limits {
        connections_per_address: planned.connections_per_address,
        requests_per_connection: planned.requests_per_connection,
        header_count: planned.header_count as usize,
        // The plan's are at most the data plane's own.
        header_size: usize::try_from(planned.header_size.0).unwrap_or(usize::MAX),
        ..Limits::default()
    }
}

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

    use super::*;

    #[test]
    fn what_a_plan_says_by_default_is_what_the_data_plane_does_by_default() {
        let planned = timeouts(&polity_plan::Timeouts::default());
        assert_eq!(planned, Timeouts::default());
    }

    #[test]
    fn a_plan_can_ask_for_no_more_than_the_data_plane_has_room_for() {
        let planned = limits(&polity_plan::Limits::default());
        assert_eq!(planned.header_count, MAX_HEADERS);
        assert_eq!(planned.header_size, MAX_HEAD);
        let most = polity_plan::Limits::MAX_HEADER_SIZE;
        assert_eq!(most, polity_plan::Limits::default().header_size);
    }
}
