//! What Polity is to reach, and whether it does.

use serde_json::{Value, json};

use super::contenders::POLITY;
use super::figures::{CPU, Figures, Metric};

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
}

/// How a goal stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Standing {
    /// What is compared with the bound.
    pub(super) value: f64,
    pub(super) met: bool,
}

pub(super) const GOALS: [Goal; 10] = [
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
];

const fn cpu(workload: &'static str, peer: &'static str, most: f64) -> Goal {
    Goal {
        workload,
        metric: CPU,
        bound: Bound::OfPeer(peer, most),
    }
}

impl Goal {
    /// None where what it needs was not measured, or is not valid.
    pub(super) fn standing(&self, figures: &Figures) -> Option<Standing> {
        let mine = figures.find(self.workload, self.metric, POLITY)?;
        let (value, met) = match self.bound {
            Bound::OfPeer(peer, most) => {
                let theirs = figures.find(self.workload, self.metric, peer)?;
                let ratio = mine.ratio(theirs)?;
                (ratio, ratio <= most)
            }
        };
        Some(Standing { value, met })
    }

    pub(super) fn json(&self, figures: &Figures) -> Value {
        let standing = self.standing(figures);
        json!({
            "workload": self.workload,
            "metric": self.metric.name,
            "goal": self.bound.to_string(),
            "value": standing.map(|it| it.value),
            "met": standing.map(|it| it.met),
        })
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OfPeer(peer, most) => write!(f, "<= {most:.2} of {peer}"),
        }
    }
}
