//! How long a peer may take: no silence is too long, and a peer that moves in drops has no more time than a silent one.
//!
//! A peer has a budget of time. It is spent while the peer is waited for, and only then: the time
//! that others take is not its own. Every byte it moves earns some back, up to the whole budget. So
//! a peer may be silent for as long as the budget lasts, over time has to keep up the rate, and is
//! cut soon when it moves a byte now and then to be taken for one that works (as slowloris does).

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::Instant;

/// What is asked of a peer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Demand {
    /// The whole budget: the longest silence.
    pub(crate) silence: Duration,
    /// Bytes a second.
    pub(crate) rate: NonZeroU32,
}

/// One peer's budget.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pace {
    spent: Duration,
    waiting_since: Option<Instant>,
    moved: u64,
}

impl Pace {
    /// From now on the peer, which has moved `moved` bytes in all, is waited for: until when it is.
    pub(crate) fn wait(&mut self, demand: Demand, moved: u64, now: Instant) -> Instant {
        self.settle(demand, moved, now);
        self.waiting_since = Some(now);
        now + demand.silence.saturating_sub(self.spent)
    }

    /// From now on somebody else is waited for.
    pub(crate) fn rest(&mut self, demand: Demand, moved: u64, now: Instant) {
        self.settle(demand, moved, now);
        self.waiting_since = None;
    }

    fn settle(&mut self, demand: Demand, moved: u64, now: Instant) {
        let waited = self
            .waiting_since
            .map(|since| now.saturating_duration_since(since));
        let bytes = moved.saturating_sub(self.moved);
        let earned = bytes.saturating_mul(1_000_000_000) / u64::from(demand.rate.get());
        self.spent =
            (self.spent + waited.unwrap_or_default()).saturating_sub(Duration::from_nanos(earned));
        self.moved = moved;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEMAND: Demand = Demand {
        silence: Duration::from_secs(10),
        rate: NonZeroU32::new(100).expect("not zero"),
    };

    #[tokio::test(start_paused = true)]
    async fn time_is_spent_by_waiting_and_earned_by_bytes_up_to_the_whole() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut pace = Pace::default();
        assert_eq!(pace.wait(DEMAND, 0, at(0)), at(10));
        assert_eq!(pace.wait(DEMAND, 100, at(8)), at(8 + 3));
        assert_eq!(pace.wait(DEMAND, 1_000_000, at(9)), at(9 + 10));
        pace.rest(DEMAND, 1_000_000, at(14));
        assert_eq!(pace.wait(DEMAND, 1_000_000, at(500)), at(500 + 5));
        assert_eq!(pace.wait(DEMAND, 1_000_001, at(600)), at(600));
    }
}
