//! All workloads, by name.

use anyhow::bail;

use super::closed_loop::{CLOSED_LOOPS, ClosedLoop};
use super::session::Session;
use super::{growth, idle, latency, overload, slow_reader};

/// One row or a few of the table.
#[derive(Clone, Copy)]
pub(super) enum Workload {
    /// As fast as the answers come.
    Closed(&'static ClosedLoop),
    /// Its name, and all rounds of it.
    Other(&'static str, fn(&mut Session) -> anyhow::Result<()>),
}

const OTHERS: [Workload; 6] = [
    Workload::Other(latency::NAME, latency::run),
    Workload::Other(idle::NAME, idle::run),
    Workload::Other(slow_reader::NAME, slow_reader::run),
    Workload::Other(growth::ROUTES, growth::routes),
    Workload::Other(growth::SERVICES, growth::services),
    Workload::Other(overload::NAME, overload::run),
];

impl Workload {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Closed(load) => load.name,
            Self::Other(name, _) => name,
        }
    }

    /// Every contender once a round.
    pub(super) fn run(self, session: &mut Session) -> anyhow::Result<()> {
        match self {
            Self::Closed(load) => load.run(session),
            Self::Other(_, run) => run(session),
        }
    }
}

/// Those called so in `only`, or all.
pub(super) fn chosen(only: &[String]) -> anyhow::Result<Vec<Workload>> {
    let all = || CLOSED_LOOPS.iter().map(Workload::Closed).chain(OTHERS);
    let names: Vec<&str> = all().map(Workload::name).collect();
    if let Some(unknown) = only.iter().find(|name| !names.contains(&name.as_str())) {
        bail!(
            "no workload is called {unknown}; there are {}",
            names.join(", ")
        );
    }
    let is_wanted = |it: &Workload| only.is_empty() || only.iter().any(|name| name == it.name());
    Ok(all().filter(is_wanted).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_workload_is_refused() {
        let only = |name: &str| chosen(&[name.to_owned()]);
        let found = only("get-64").expect("known");
        assert_eq!(
            found.into_iter().map(Workload::name).collect::<Vec<_>>(),
            ["get-64"]
        );
        assert!(only("get-65").is_err());
    }
}
