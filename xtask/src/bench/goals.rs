//! What Polity is to reach, and whether it does.

use serde_json::{Value, json};

use super::contenders::{FLOOR, POLITY};
use super::figures::{CPU, Figures, Metric};
use super::{growth, idle, latency, overload, slow_reader};

/// One bound of a figure of Polity's.
pub(super) struct Goal {
    pub(super) workload: &'static str,
    pub(super) metric: Metric,
    pub(super) bound: Bound,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Bound {
    /// At most so much of what a peer has.
    OfPeer(&'static str, f64),
    /// At least so many times what a peer has.
    TimesPeer(&'static str, f64),
    /// At most what a peer has: for what can be around nothing, where ratios say nothing.
    AtMostPeer(&'static str),
    AtMost(f64),
    AtLeast(f64),
}

/// How a goal stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Standing {
    /// What is compared with the bound.
    pub(super) value: f64,
    pub(super) met: bool,
}

pub(super) const GOALS: [Goal; 17] = [
    cpu("get-8", "nginx", 0.80),
    cpu("get-8", "haproxy", 0.75),
    cpu("get-64", "nginx", 0.80),
    cpu("get-64", "haproxy", 0.75),
    cpu("get-512", "nginx", 0.80),
    cpu("get-512", "haproxy", 0.75),
    cpu("headers-64", "nginx", 0.80),
    cpu("body-64k", "nginx", 0.95),
    cpu("post-length", "nginx", 0.90),
    cpu("post-chunked", "nginx", 0.90),
    cpu("connection-per-request", "haproxy", 1.0),
    other(
        latency::NAME,
        latency::P99_ADDED,
        Bound::AtMostPeer("nginx"),
    ),
    other(idle::NAME, idle::PER_CONNECTION, Bound::AtMost(4.0)),
    other(
        slow_reader::NAME,
        slow_reader::GROWTH,
        Bound::AtMost(FLAT_MEBIBYTES),
    ),
    other(growth::ROUTES, growth::GROWTH, Bound::AtMost(1.05)),
    other(growth::SERVICES, growth::GROWTH, Bound::AtMost(1.05)),
    other(overload::NAME, overload::KEPT, Bound::AtLeast(0.90)),
];

/// What is flat beside an answer of 1 GiB: the buffers of one connection and what measuring blurs.
const FLAT_MEBIBYTES: f64 = 2.0;

const fn cpu(workload: &'static str, peer: &'static str, most: f64) -> Goal {
    Goal {
        workload,
        metric: CPU,
        bound: Bound::OfPeer(peer, most),
    }
}

pub(super) const fn other(workload: &'static str, metric: Metric, bound: Bound) -> Goal {
    Goal {
        workload,
        metric,
        bound,
    }
}

impl Goal {
    /// None where what it needs was not measured, or is not valid.
    pub(super) fn standing(&self, figures: &Figures) -> Option<Standing> {
        let mine = figures.find(self.workload, self.metric, POLITY)?;
        let median = || mine.median().filter(|_| mine.is_valid());
        let peer = |name| figures.find(self.workload, self.metric, name);
        let (value, met) = match self.bound {
            Bound::OfPeer(name, most) => {
                let ratio = mine.ratio(peer(name)?)?;
                (ratio, ratio <= most)
            }
            Bound::TimesPeer(name, least) => {
                let ratio = mine.ratio(peer(name)?)?;
                (ratio, ratio >= least)
            }
            Bound::AtMostPeer(name) => {
                let theirs = peer(name)?;
                let most = theirs.median().filter(|_| theirs.is_valid())?;
                (median()?, median()? <= most)
            }
            Bound::AtMost(most) => (median()?, median()? <= most),
            Bound::AtLeast(least) => (median()?, median()? >= least),
        };
        Some(Standing { value, met })
    }

    /// What the floor has of what the peer has: where a proxy would stand that did nothing in user space.
    pub(super) fn floor(&self, figures: &Figures) -> Option<f64> {
        let Bound::OfPeer(peer, _) = self.bound else {
            return None;
        };
        let floor = figures.find(self.workload, self.metric, FLOOR)?;
        floor.ratio(figures.find(self.workload, self.metric, peer)?)
    }

    pub(super) fn json(&self, figures: &Figures) -> Value {
        let standing = self.standing(figures);
        json!({
            "workload": self.workload,
            "metric": self.metric.name,
            "goal": self.bound.to_string(),
            "value": standing.map(|it| it.value),
            "floor": self.floor(figures),
            "met": standing.map(|it| it.met),
        })
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OfPeer(peer, most) => write!(f, "<= {most:.2} of {peer}"),
            Self::TimesPeer(peer, least) => write!(f, ">= {least:.0} times {peer}"),
            Self::AtMostPeer(peer) => write!(f, "<= {peer}'s"),
            Self::AtMost(most) => write!(f, "<= {most:.2}"),
            Self::AtLeast(least) => write!(f, ">= {least:.2}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Polity has `mine` and nginx `theirs` for `goal`, in one round.
    fn standing(bound: Bound, mine: f64, theirs: f64) -> Option<Standing> {
        let goal = other("w", CPU, bound);
        let mut figures = Figures::default();
        figures.add("w", CPU, POLITY, mine);
        figures.add("w", CPU, "nginx", theirs);
        goal.standing(&figures)
    }

    #[test]
    fn a_bound_itself_is_met_and_what_is_beyond_is_not() {
        let met = |bound, mine, theirs| standing(bound, mine, theirs).expect("measured").met;
        let share = Bound::OfPeer("nginx", 0.8);
        assert!(met(share, 8.0, 10.0) && !met(share, 8.1, 10.0));
        let times = Bound::TimesPeer("nginx", 2.0);
        assert!(met(times, 20.0, 10.0) && !met(times, 19.0, 10.0));
        let peer = Bound::AtMostPeer("nginx");
        assert!(met(peer, -2.0, -2.0) && !met(peer, -1.0, -2.0));
        assert!(met(Bound::AtMost(4.0), 4.0, 0.0) && !met(Bound::AtMost(4.0), 4.1, 0.0));
        assert!(met(Bound::AtLeast(0.9), 0.9, 0.0) && !met(Bound::AtLeast(0.9), 0.8, 0.0));
    }

    #[test]
    fn the_floor_is_told_beside_goals_that_are_shares_of_a_peer() {
        let mut figures = Figures::default();
        figures.add("w", CPU, FLOOR, 7.0);
        figures.add("w", CPU, "nginx", 10.0);
        let floor = |bound| other("w", CPU, bound).floor(&figures);
        assert_eq!(floor(Bound::OfPeer("nginx", 0.8)), Some(0.7));
        assert_eq!(floor(Bound::OfPeer("haproxy", 0.8)), None);
        assert_eq!(floor(Bound::AtMostPeer("nginx")), None);
    }

    #[test]
    fn a_goal_that_needs_what_was_not_measured_is_open() {
        assert_eq!(standing(Bound::OfPeer("haproxy", 1.0), 1.0, 1.0), None);
        assert_eq!(
            standing(Bound::AtMost(1.0), f64::NAN, 1.0).map(|it| it.met),
            Some(false)
        );
    }
}
