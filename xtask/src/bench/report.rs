//! What comes out: a table on the terminal, JSON, and the page in docs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context;
use serde_json::{Value, json};

use super::contenders::POLITY;
use super::figures::{Figure, Figures};
use super::goals::{GOALS, Goal};
use super::ground::Ground;
use super::session::Session;
use super::{Options, machine};
use crate::page;
use crate::table::{Table, number};

const PAGE: &str = "docs/benchmarks.md";
const JSON: &str = "target/bench/gateway.json";
/// What others may take of the proxy's core.
const QUIET_PER_CENT: f64 = 5.0;

/// What stands between `<!-- NAME: ... -->` and `<!-- end of NAME -->` on the page is written here.
pub(super) const RESULTS: &str = "results";
pub(super) const INSTRUCTIONS: &str = "instructions";

/// The page is for runs that were whole, and in which no workload `failed` to run.
pub(super) fn write(session: &Session, options: &Options, failed: bool) -> anyhow::Result<()> {
    let figures = &session.ground.figures;
    let (all, goals) = (figures_table(figures), goals_table(figures, &GOALS));
    println!("\n{}\n{}", all.aligned(), goals.aligned());
    println!("{}", quiet(&session.ground));
    let place = machine::describe();
    save(&json(session, &place), options, JSON)?;
    if failed || !options.is_whole() {
        println!("{PAGE} is left as it is: it is refreshed by whole runs");
        return Ok(());
    }
    let results = results(session, &place, &all, &goals);
    refresh(&session.ground.root, RESULTS, &results)
}

/// Writes the figures to where they are wanted, or else to `usual`.
pub(super) fn save(figures: &Value, options: &Options, usual: &str) -> anyhow::Result<()> {
    let path = options.json.clone().unwrap_or_else(|| usual.into());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let text = serde_json::to_string_pretty(figures)? + "\n";
    fs::write(&path, text).with_context(|| format!("could not write {}", path.display()))?;
    println!("written to {}", path.display());
    Ok(())
}

/// Whether the machine was left alone.
pub(super) fn quiet(ground: &Ground) -> String {
    let per_cent = ground.others().unwrap_or_default() * 100.0;
    let verdict = match per_cent {
        quiet if quiet < QUIET_PER_CENT => "",
        _ => ": the machine was busy, and the figures are worth little",
    };
    format!("Others took {per_cent:.0} % of the contenders' core (median over the runs){verdict}.")
}

pub(super) fn figures_table(figures: &Figures) -> Table {
    let mut table = Table::default();
    table.push(
        [
            "workload",
            "metric",
            "contender",
            "median",
            "unit",
            "min..max",
            "polity/it",
            "valid",
        ]
        .map(str::to_owned),
    );
    for figure in figures.all() {
        let (least, most) = figure.range().unwrap_or_default();
        table.push([
            figure.workload.to_owned(),
            figure.metric.name.to_owned(),
            figure.contender.clone(),
            figure.median().map_or_else(|| "-".to_owned(), number),
            figure.metric.unit.to_owned(),
            format!("{}..{}", number(least), number(most)),
            ratio(figures, figure).map_or_else(String::new, |it| format!("{it:.2}")),
            if figure.is_valid() { "" } else { "NO" }.to_owned(),
        ]);
    }
    table
}

/// What Polity has over what `figure` says of a peer.
fn ratio(figures: &Figures, figure: &Figure) -> Option<f64> {
    let mine = figures.find(figure.workload, figure.metric, POLITY)?;
    let ratio = mine.ratio(figure).filter(|ratio| ratio.is_finite());
    ratio.filter(|_| figure.contender != POLITY)
}

/// Those of the goals that were measured, with the floor where one has one.
pub(super) fn goals_table(figures: &Figures, goals: &[Goal]) -> Table {
    let has_floor = goals.iter().any(|goal| goal.floor(figures).is_some());
    let row = |cells: [String; 6]| cells.into_iter().take(if has_floor { 6 } else { 5 });
    let mut table = Table::default();
    let head = ["workload", "metric", "goal", "is", "met", "floor"].map(str::to_owned);
    table.push(row(head).collect::<Vec<_>>());
    let measured = |goal: &&Goal| figures.find(goal.workload, goal.metric, POLITY).is_some();
    for goal in goals.iter().filter(measured) {
        let standing = goal.standing(figures);
        let cells = [
            goal.workload.to_owned(),
            goal.metric.name.to_owned(),
            goal.bound.to_string(),
            standing.map_or_else(|| "-".to_owned(), |it| number(it.value)),
            match standing {
                Some(it) if it.met => "yes",
                Some(_) => "NO",
                None => "not known",
            }
            .to_owned(),
            goal.floor(figures).map_or_else(String::new, number),
        ];
        table.push(row(cells).collect::<Vec<_>>());
    }
    table
}

fn json(session: &Session, machine: &Value) -> Value {
    let figures = &session.ground.figures;
    json!({
        "machine": machine,
        "versions": session.stable.versions,
        "polity_is": session.ground.programs.kind,
        "missing": session.stable.missing,
        "rounds": session.pace.rounds,
        "seconds": session.pace.seconds,
        "others_on_the_core": session.ground.others(),
        "figures": figures.all().iter().map(Figure::json).collect::<Vec<_>>(),
        "goals": GOALS.iter().map(|goal| goal.json(figures)).collect::<Vec<_>>(),
    })
}

fn results(session: &Session, machine: &Value, figures: &Table, goals: &Table) -> String {
    format!(
        "{}\n{}\n{}",
        place(session, session.pace.seconds as f64, machine),
        goals.markdown(),
        figures.markdown()
    )
}

/// Where, when and of what something was measured, by rounds of so many seconds.
pub(super) fn place(session: &Session, seconds: f64, machine: &Value) -> String {
    let rounds = session.pace.rounds;
    Circumstances {
        ground: &session.ground,
        versions: &session.stable.versions,
        missing: session.stable.missing.keys().copied().collect(),
        pace: format!("{rounds} rounds of {seconds} s"),
    }
    .describe(machine)
}

/// What a reader is to know before the figures.
pub(super) struct Circumstances<'a> {
    pub(super) ground: &'a Ground,
    pub(super) versions: &'a BTreeMap<String, String>,
    pub(super) missing: Vec<&'static str>,
    /// How often and how long.
    pub(super) pace: String,
}

impl Circumstances<'_> {
    pub(super) fn describe(&self, machine: &Value) -> String {
        let text = |name: &str| machine[name].as_str().unwrap_or("unknown").to_owned();
        let line = |(name, version): (&String, &String)| match name.as_str() {
            POLITY => format!("- {name}: {version}, {}\n", self.ground.programs.kind),
            _ => format!("- {name}: {version}\n"),
        };
        let versions: String = self.versions.iter().map(line).collect();
        let missing = self.missing.iter();
        let missing: String = missing
            .map(|name| format!("- {name}: was not installed\n"))
            .collect();
        format!(
            "Measured on {} at commit {}: {}, {} cores, {}, Linux {} with {}; {}. {}\n\n{versions}{missing}",
            text("date"),
            text("commit"),
            text("cpu"),
            machine["cores"],
            text("memory"),
            text("kernel"),
            text("congestion_control"),
            self.pace,
            quiet(self.ground),
        )
    }
}

/// Replaces the part called `name` of the page.
pub(super) fn refresh(root: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    page::refresh(root, PAGE, name, text)
}
