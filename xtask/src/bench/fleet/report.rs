//! What comes out of the fleet: a table, JSON, and the page in docs.

use serde_json::json;

use super::balancers::Balancer;
use super::{FAILED, NAME, P50, P99, P999, SECONDS};
use crate::bench::figures::{Figure, Metric};
use crate::bench::session::Session;
use crate::bench::{Options, machine, report};
use crate::page;
use crate::table::{Table, number};

const PAGE: &str = "docs/balancing/processes.md";
const JSON: &str = "target/bench/balance.json";
/// The balancer that users get who say nothing, and with a second attempt where the first is slow: no choice
/// alone can reach the goal of latency.
const OURS: [&str; 2] = ["polity p2c", "polity p2c, hedging"];

pub(super) fn write(session: &Session, options: &Options) -> anyhow::Result<()> {
    let table = table(session);
    println!("\n{}", table.aligned());
    let goals = goals(session);
    println!("{}", goals.aligned());
    let machine = machine::describe();
    let figures: Vec<_> = session
        .ground
        .figures
        .all()
        .iter()
        .map(Figure::json)
        .collect();
    let document = json!({ "machine": machine, "figures": figures });
    report::save(&document, options, JSON)?;
    if !options.is_whole() {
        println!("{PAGE} is left as it is: it is refreshed by whole runs");
        return Ok(());
    }
    let text = format!(
        "{}\n{}\n{}",
        report::place(session, SECONDS, &machine),
        goals.markdown(),
        table.markdown()
    );
    page::refresh(&session.ground.root, PAGE, report::RESULTS, &text)
}

fn table(session: &Session) -> Table {
    let mut table = Table::default();
    table.push(
        [
            "balancer",
            "p50 ms",
            "p99 ms",
            "p99.9 ms",
            "failed of 100,000",
        ]
        .map(str::to_owned),
    );
    let ours = session
        .ground
        .figures
        .all()
        .iter()
        .filter(|it| it.metric.name == P50.name);
    for figure in ours {
        let name = figure.contender.as_str();
        let milliseconds = |metric| number(median(session, metric, name) / 1_000.0);
        table.push([
            name.to_owned(),
            milliseconds(P50),
            milliseconds(P99),
            milliseconds(P999),
            number(median(session, FAILED, name)),
        ]);
    }
    table
}

/// Ours beside the best of the peers in each.
fn goals(session: &Session) -> Table {
    let mut table = Table::default();
    let head = [
        "balancer",
        "metric",
        "goal, of the best peer",
        "is",
        "met",
        "best peer",
    ];
    table.push(head.map(str::to_owned));
    let goals = [(P99, 0.5), (FAILED, 0.1)];
    let all = OURS.iter().flat_map(|ours| goals.map(|goal| (*ours, goal)));
    for (ours, (metric, goal)) in all {
        let names = session
            .ground
            .figures
            .all()
            .iter()
            .filter(|it| it.metric.name == metric.name);
        let peers = names
            .map(|it| it.contender.as_str())
            .filter(|name| Balancer::is_peer(name));
        let best =
            peers.min_by(|a, b| median(session, metric, a).total_cmp(&median(session, metric, b)));
        let Some(best) = best else {
            continue;
        };
        let is = ratio(median(session, metric, ours), median(session, metric, best));
        if is.is_nan() {
            // It was not measured.
            continue;
        }
        table.push([
            ours.to_owned(),
            metric.name.to_owned(),
            number(goal),
            number(is),
            if is <= goal { "yes" } else { "NO" }.to_owned(),
            best.to_owned(),
        ]);
    }
    table
}

fn median(session: &Session, metric: Metric, name: &str) -> f64 {
    let figure = session.ground.figures.find(NAME, metric, name);
    figure.and_then(Figure::median).unwrap_or(f64::NAN)
}

/// Nothing is no part of nothing that could be too large.
fn ratio(ours: f64, best: f64) -> f64 {
    match ours == best {
        true if best == 0.0 => 0.0,
        _ => ours / best,
    }
}
