//! All workloads, by name.

use anyhow::bail;

use super::flow::{self, Flow};
use super::produce::{self, Produce};
use super::session::Session;
use super::{consume, start};

/// One row or a few of the table.
#[derive(Clone, Copy)]
pub(super) enum Workload {
    Produce(&'static Produce),
    Consume,
    Flow(&'static Flow),
    Start,
}

const WORKLOADS: [Workload; 7] = [
    Workload::Produce(&produce::BULK),
    Workload::Produce(&produce::DURABLE),
    Workload::Produce(&produce::SMALL),
    Workload::Consume,
    Workload::Flow(&flow::TAIL),
    Workload::Flow(&flow::LATENCY),
    Workload::Start,
];

impl Workload {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Produce(load) => load.name,
            Self::Consume => consume::NAME,
            Self::Flow(load) => load.name,
            Self::Start => start::NAME,
        }
    }

    /// Whether it is a load on brokers that run already.
    pub(super) fn needs_brokers(self) -> bool {
        !matches!(self, Self::Start)
    }

    /// Every broker once a round.
    pub(super) fn run(self, session: &mut Session) -> anyhow::Result<()> {
        match self {
            Self::Produce(load) => load.run(session),
            Self::Consume => consume::run(session),
            Self::Flow(load) => load.run(session),
            Self::Start => start::run(session),
        }
    }
}

/// Those called so in `only`, or all.
pub(super) fn chosen(only: &[String]) -> anyhow::Result<Vec<Workload>> {
    let names = WORKLOADS.map(Workload::name);
    if let Some(unknown) = only.iter().find(|name| !names.contains(&name.as_str())) {
        bail!(
            "no workload is called {unknown}; there are {}",
            names.join(", ")
        );
    }
    let is_wanted = |it: &Workload| only.is_empty() || only.iter().any(|name| name == it.name());
    Ok(WORKLOADS.into_iter().filter(is_wanted).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_workload_is_refused() {
        let only = |name: &str| chosen(&[name.to_owned()]);
        let found = only(start::NAME).expect("known");
        let names: Vec<_> = found.into_iter().map(Workload::name).collect();
        assert_eq!(names, [start::NAME]);
        assert!(only("stop").is_err());
    }
}
