//! The comparison that Netflix published, simulated, and what it depends on.

use std::fmt::Write;

use polity_balance::simulation::netflix::Netflix;
use polity_balance::simulation::{self, Contender, P2C, P2C_WITHOUT_UTILIZATION, USUAL};
use serde_json::{Value, json};

use super::figures::{Figures, milliseconds};
use super::svg::{Anchor, BLUE, GREY, INK, ORANGE, RED, RULE, Svg};
use super::{Options, jobs};
use crate::table::{Table, number};

const CONTENDERS: [Contender; 3] = [USUAL, P2C_WITHOUT_UTILIZATION, P2C];
const COLOURS: [&str; 3] = [RED, ORANGE, BLUE];
/// From each contender to the next, failed requests are to fall by so much.
const GOALS: [u64; 2] = [100, 20];

/// The comparison in the cluster as it is, and in clusters that differ from it in one thing each.
pub(super) struct Comparison {
    rows: Vec<Row>,
}

struct Row {
    name: String,
    figures: Vec<Figures>,
}

impl Comparison {
    pub(super) fn simulate(options: &Options) -> anyhow::Result<Self> {
        let clusters = clusters(options);
        let cells: Vec<_> = clusters
            .iter()
            .flat_map(|(_, cluster, seed)| {
                CONTENDERS
                    .iter()
                    .map(|contender| (*cluster, *seed, contender))
            })
            .collect();
        let figures = jobs::run(&cells, |(cluster, seed, contender)| {
            Figures::of(&simulation::run(&cluster.scenario(), contender, *seed))
        })?;
        let figures = figures.chunks(CONTENDERS.len()).map(<[_]>::to_vec);
        let rows = clusters.into_iter().zip(figures);
        let rows = rows.map(|((name, ..), figures)| Row { name, figures });
        Ok(Self {
            rows: rows.collect(),
        })
    }

    /// Failed requests, and how far they fall.
    pub(super) fn failures(&self) -> Table {
        let mut table = Table::default();
        let names = CONTENDERS.iter().map(|it| it.name.to_owned());
        let head = ["cluster", "requests"].map(str::to_owned).into_iter();
        let tail = ["first falls by", "second falls by"].map(str::to_owned);
        table.push(head.chain(names).chain(tail).collect::<Vec<_>>());
        for row in &self.rows {
            let failed: Vec<_> = row.figures.iter().map(|it| it.failures.total()).collect();
            let mut cells = vec![row.name.clone(), row.figures[0].measured.to_string()];
            cells.extend(failed.iter().map(u64::to_string));
            cells.extend(failed.windows(2).map(|it| fall(it[0], it[1])));
            table.push(cells);
        }
        table
    }

    /// Latencies, in the cluster as it is.
    pub(super) fn latencies(&self) -> Table {
        let mut table = Table::default();
        table.push(["", "mean, ms", "p50, ms", "p99, ms", "p99.9, ms"].map(str::to_owned));
        let figures = self.rows.first().map_or(&[][..], |row| &row.figures);
        for (contender, it) in CONTENDERS.iter().zip(figures) {
            let latencies = [it.mean, it.p50, it.p99, it.p999].map(milliseconds);
            let cells = latencies.iter().map(|it| number(*it));
            table.push(
                [contender.name.to_owned()]
                    .into_iter()
                    .chain(cells)
                    .collect::<Vec<_>>(),
            );
        }
        table
    }

    /// Whether the goals are met in the cluster as it is, and how often in the others.
    pub(super) fn verdict(&self) -> String {
        let met = |row: &&Row| {
            let failed = row.figures.iter().map(|it| it.failures.total());
            let failed: Vec<_> = failed.collect();
            let falls = failed.windows(2).zip(GOALS);
            let met = falls.map(|(it, goal)| it[1] == 0 || it[0] >= goal * it[1]);
            met.collect::<Vec<_>>()
        };
        let first = self.rows.first().map(|row| met(&row)).unwrap_or_default();
        let mut text = String::new();
        for (place, goal) in GOALS.iter().enumerate() {
            let count = self.rows.iter().filter(|row| met(row)[place]).count();
            let is = if first.get(place) == Some(&true) {
                "met"
            } else {
                "NOT met"
            };
            let (from, to) = (CONTENDERS[place].name, CONTENDERS[place + 1].name);
            let _ = writeln!(
                text,
                "- from {from} to {to}, {goal} times: {is} in the cluster as it is; met in {count} of the {} clusters below",
                self.rows.len()
            );
        }
        text
    }

    pub(super) fn json(&self) -> Value {
        let row = |row: &Row| {
            let figures = CONTENDERS.iter().zip(&row.figures);
            let figures = figures.map(|(it, figures)| (it.name.to_owned(), figures.json()));
            json!({ "cluster": row.name, "figures": figures.collect::<serde_json::Map<_, _>>() })
        };
        self.rows.iter().map(row).collect()
    }

    /// Failed requests over time, in the cluster as it is.
    pub(super) fn drawing(&self) -> String {
        const SIZE: (f64, f64) = (640.0, 220.0);
        const CORNER: (f64, f64) = (64.0, 84.0);
        let mut svg = Svg::new(SIZE.0 + 88.0, SIZE.1 + 124.0);
        let title = "Requests that failed, over time, on a logarithmic scale";
        svg.text((16.0, 28.0), Anchor::Start, 15.0, INK, title);
        let mut x = 16.0;
        for (contender, colour) in CONTENDERS.iter().zip(COLOURS) {
            svg.rect((x, 44.0), (12.0, 12.0), colour);
            svg.text((x + 18.0, 54.0), Anchor::Start, 12.0, INK, contender.name);
            x += 44.0 + 7.0 * contender.name.len() as f64;
        }
        let bottom = CORNER.1 + SIZE.1;
        // From 1 in 100,000 to all.
        let height = |share: f64| bottom - (share.max(1e-5).log10() + 5.0) / 5.0 * SIZE.1;
        for (share, name) in [
            (1.0, "all"),
            (0.1, "10 %"),
            (1e-2, "1 %"),
            (1e-3, "0.1 %"),
            (1e-4, "0.01 %"),
            (1e-5, "none"),
        ] {
            let y = height(share);
            svg.line((CORNER.0, y), (CORNER.0 + SIZE.0, y), RULE);
            svg.text((CORNER.0 - 6.0, y + 4.0), Anchor::End, 11.0, GREY, name);
        }
        let seconds = Netflix::default().scenario().length.as_secs();
        for tick in (0..=seconds).step_by(20) {
            let x = CORNER.0 + tick as f64 / seconds as f64 * SIZE.0;
            let text = format!("{tick} s");
            svg.text((x + 8.0, bottom + 18.0), Anchor::End, 11.0, GREY, &text);
        }
        let figures = self.rows.first().map_or(&[][..], |row| &row.figures);
        for (figures, colour) in figures.iter().zip(COLOURS) {
            let step = SIZE.0 / figures.failed_over_time.len() as f64;
            let points = figures.failed_over_time.iter().enumerate();
            let points =
                points.map(|(it, share)| (CORNER.0 + (it as f64 + 0.5) * step, height(*share)));
            svg.polyline(&points.collect::<Vec<_>>(), colour);
        }
        svg.finish()
    }
}

fn fall(from: u64, to: u64) -> String {
    match to {
        0 => "none left".to_owned(),
        _ => format!("{} times", number(from as f64 / to as f64)),
    }
}

/// The cluster as it is, and those that differ in one thing.
fn clusters(options: &Options) -> Vec<(String, Netflix, u64)> {
    let base = Netflix::default();
    let seed = options.seed;
    let mut clusters = vec![("as it is".to_owned(), base, seed)];
    if options.quick {
        return clusters;
    }
    let mut differs = |name: String, cluster| clusters.push((name, cluster, seed));
    for load in [0.5, 0.7] {
        differs(
            format!("load {:.0} %", load * 100.0),
            Netflix { load, ..base },
        );
    }
    for balancers in [4, 64] {
        differs(
            format!("{balancers} balancers"),
            Netflix { balancers, ..base },
        );
    }
    for degraded in [2.0, 8.0] {
        differs(
            format!("degraded {degraded} times"),
            Netflix { degraded, ..base },
        );
    }
    for cold in [3.0, 12.0] {
        differs(format!("cold {cold} times"), Netflix { cold, ..base });
    }
    differs(
        "cold with 2 % errors".to_owned(),
        Netflix {
            cold_errors: 0.02,
            ..base
        },
    );
    for other in [seed + 1, seed + 2] {
        clusters.push((format!("seed {other}"), base, other));
    }
    clusters
}
