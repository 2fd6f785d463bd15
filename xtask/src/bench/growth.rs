//! What a request costs more when there are many routes or many services: the same requests to a small
//! plan and to a large one, taking turns.

use super::closed_loop::{self, ClosedLoop};
use super::contenders::{CLASS, Contender};
use super::figures::Metric;
use super::session::{Session, start_origin};
use super::topology::{Depth, Topology};

pub(super) const ROUTES: &str = "routes";
pub(super) const SERVICES: &str = "services";

const FEW_ROUTES: usize = 10;
const MANY_ROUTES: usize = 10_000;
const FEW_SERVICES: usize = 3;
/// A multiple of the few, so that each of these stands for equally many.
const MANY_SERVICES: usize = 999;

pub(super) const GROWTH: Metric = Metric {
    name: "CPU growth",
    unit: "x",
};
const SMALL: Metric = Metric {
    name: "CPU per request, small",
    unit: "us",
};
const LARGE: Metric = Metric {
    name: "CPU per request, large",
    unit: "us",
};

/// Paths of 10,000 routes in 10 groups, each as often as the others, and never one after its neighbour.
const ROUTES_LOAD: ClosedLoop = ClosedLoop {
    name: ROUTES,
    connections: 64,
    path: "/",
    script: "local groups, paths = 10, 10000\n",
    floor: false,
};
const SERVICES_LOAD: ClosedLoop = ClosedLoop {
    name: SERVICES,
    connections: 64,
    path: "/",
    script: "local groups, paths = 3, 999\n",
    floor: false,
};
const CYCLE: &str = r#"
local requests, at, stride = {}, 0, 7919
init = function(arguments)
  for path = 0, paths - 1 do
    requests[path] = wrk.format("GET", "/g" .. path % groups .. "/r" .. path .. "/1k")
  end
end
request = function()
  at = (at + stride) % paths
  return requests[at]
end
"#;

pub(super) fn routes(session: &mut Session) -> anyhow::Result<()> {
    let small = Topology::routes(FEW_ROUTES, Depth::Groups, MANY_ROUTES);
    let large = Topology::routes(FEW_ROUTES, Depth::Paths, MANY_ROUTES);
    compare(session, &ROUTES_LOAD, [&small, &large])
}

/// Both have as many instances, so that both have as many connections to them: what the kernel spends on
/// more sockets is not the proxy's.
pub(super) fn services(session: &mut Session) -> anyhow::Result<()> {
    let small = Topology::services(FEW_SERVICES, FEW_SERVICES, MANY_SERVICES / FEW_SERVICES);
    let large = Topology::services(FEW_SERVICES, MANY_SERVICES, 1);
    compare(session, &SERVICES_LOAD, [&small, &large])
}

fn compare(
    session: &mut Session,
    load: &ClosedLoop,
    topologies: [&Topology; 2],
) -> anyhow::Result<()> {
    let addresses = MANY_SERVICES.to_string();
    let arguments = ["--addresses", &addresses];
    let (_process, origin) = start_origin(&session.ground, &arguments)?;
    let names: Vec<String> = session.stable.names().map(str::to_owned).collect();
    let mut pairs = Vec::new();
    for name in names.iter().filter(|name| CLASS.contains(&name.as_str())) {
        let start = |topology| session.stable.start(name, origin, topology, "/g0/r0/1k");
        pairs.push([start(topologies[0])?, start(topologies[1])?]);
    }
    for round in 0..session.pace.rounds {
        for pair in &pairs {
            once(session, load, pair, round)?;
        }
    }
    Ok(())
}

fn once(
    session: &mut Session,
    load: &ClosedLoop,
    pair: &[Contender; 2],
    round: usize,
) -> anyhow::Result<()> {
    let script = format!("{}{CYCLE}", load.script);
    let mut cpu = [0.0; 2];
    for turn in [round % 2, (round + 1) % 2] {
        let metric = [SMALL, LARGE][turn];
        let measured = closed_loop::measure(session, &pair[turn], load, &script)?;
        let name = &pair[turn].name;
        if let Some(defect) = &measured.defect {
            session
                .ground
                .defect(load.name, &[metric, GROWTH], name, defect);
        }
        session
            .ground
            .figures
            .add(load.name, metric, name, measured.cpu_us);
        cpu[turn] = measured.cpu_us;
    }
    let name = &pair[0].name;
    session
        .ground
        .figures
        .add(load.name, GROWTH, name, cpu[1] / cpu[0]);
    Ok(())
}
