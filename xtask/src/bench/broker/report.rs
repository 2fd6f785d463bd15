//! What comes out: a table on the terminal, JSON, and the page in docs.

use serde_json::{Value, json};

use super::Options;
use super::goals::GOALS;
use super::session::Session;
use crate::bench::figures::Figure;
use crate::bench::machine;
use crate::bench::report::{self, Circumstances};
use crate::page;

const PAGE: &str = "docs/broker-benchmarks.md";
const JSON: &str = "target/bench/broker.json";

/// The page is for runs that were whole, and in which no workload `failed` to run.
pub(super) fn write(session: &Session, options: &Options, failed: bool) -> anyhow::Result<()> {
    let figures = &session.ground.figures;
    let all = report::figures_table(figures);
    let goals = report::goals_table(figures, &GOALS);
    println!("\n{}\n{}", all.aligned(), goals.aligned());
    println!("{}", report::quiet(&session.ground));
    let machine = machine::describe();
    report::save(&json(session, &machine), &options.common, JSON)?;
    if failed || !options.is_whole() {
        println!("{PAGE} is left as it is: it is refreshed by whole runs");
        return Ok(());
    }
    let pace = session.pace;
    let circumstances = Circumstances {
        ground: &session.ground,
        versions: &session.stable.versions,
        missing: session.stable.missing.keys().copied().collect(),
        pace: format!(
            "{} rounds of {} s or {} records, {} GB to consume",
            pace.rounds, pace.seconds, pace.bulk_records, pace.gigabytes
        ),
    };
    let results = format!(
        "{}\n{}\n{}",
        circumstances.describe(&machine),
        goals.markdown(),
        all.markdown()
    );
    page::refresh(&session.ground.root, PAGE, report::RESULTS, &results)
}

fn json(session: &Session, machine: &Value) -> Value {
    let figures = &session.ground.figures;
    json!({
        "machine": machine,
        "versions": session.stable.versions,
        "polity_is": session.ground.programs.kind,
        "missing": session.stable.missing,
        "rounds": session.pace.rounds,
        "others_on_the_core": session.ground.others(),
        "figures": figures.all().iter().map(Figure::json).collect::<Vec<_>>(),
        "goals": GOALS.iter().map(|goal| goal.json(figures)).collect::<Vec<_>>(),
    })
}
