//! How uneven lines get when many balancers see the same old ones.

use polity_balance::simulation::{self, Contender, herd};
use serde_json::{Value, json};

use super::figures::{Figures, milliseconds};
use super::svg::{Anchor, BLUE, GREY, INK, ORANGE, RED, RULE, Svg};
use super::{Options, jobs};
use crate::table::{Table, number};

const SERVERS: usize = 64;
const NAMES: [&str; 4] = ["join_shortest_queue", "random", "round_robin", "p2c"];
const COLOURS: [&str; 4] = [RED, GREY, ORANGE, BLUE];

/// The figures of each contender by the number of balancers.
pub(super) struct Herd {
    rows: Vec<(&'static Contender, usize, Figures)>,
}

impl Herd {
    pub(super) fn simulate(options: &Options) -> anyhow::Result<Self> {
        let contenders = NAMES.iter().filter_map(|name| Contender::find(name));
        let cells: Vec<_> = contenders
            .flat_map(|contender| herd::BALANCERS.map(|balancers| (contender, balancers)))
            .collect();
        let figures = jobs::run(&cells, |(contender, balancers)| {
            let scenario = herd::scenario(SERVERS, *balancers);
            Figures::of(&simulation::run(&scenario, contender, options.seed))
        })?;
        let rows = cells.into_iter().zip(figures);
        let rows = rows.map(|((contender, balancers), figures)| (contender, balancers, figures));
        Ok(Self {
            rows: rows.collect(),
        })
    }

    pub(super) fn table(&self) -> Table {
        let mut table = Table::default();
        table.push(
            [
                "algorithm",
                "balancers",
                "mean load of a server",
                "standard deviation",
                "most",
                "p99, ms",
                "failed of 10,000",
            ]
            .map(str::to_owned),
        );
        for (contender, balancers, figures) in &self.rows {
            table.push([
                contender.name.to_owned(),
                balancers.to_string(),
                number(figures.load),
                number(figures.deviation),
                figures.highest.to_string(),
                number(milliseconds(figures.p99)),
                number(figures.failed()),
            ]);
        }
        table
    }

    pub(super) fn json(&self) -> Value {
        let rows = self.rows.iter();
        let row = rows.map(|(contender, balancers, figures)| {
            json!({
                "algorithm": contender.name,
                "balancers": balancers,
                "figures": figures.json(),
            })
        });
        row.collect()
    }

    /// The standard deviation by the number of balancers.
    pub(super) fn drawing(&self) -> String {
        const SIZE: (f64, f64) = (420.0, 200.0);
        const CORNER: (f64, f64) = (56.0, 60.0);
        let mut svg = Svg::new(SIZE.0 + 240.0, SIZE.1 + 110.0);
        let title = "How far loads of servers are apart, by the number of balancers";
        svg.text((16.0, 28.0), Anchor::Start, 15.0, INK, title);
        let legend = "standard deviation of requests at a server, among servers";
        svg.text((16.0, 46.0), Anchor::Start, 11.0, GREY, legend);
        let deviations = self.rows.iter().map(|(_, _, figures)| figures.deviation);
        let most = deviations.fold(1.0, f64::max).ceil();
        let bottom = CORNER.1 + SIZE.1;
        let height = |deviation: f64| bottom - deviation / most * SIZE.1;
        for tick in 0..=most as u32 {
            let y = height(f64::from(tick));
            svg.line((CORNER.0, y), (CORNER.0 + SIZE.0, y), RULE);
            svg.text(
                (CORNER.0 - 6.0, y + 4.0),
                Anchor::End,
                11.0,
                GREY,
                &tick.to_string(),
            );
        }
        let across = |balancers: usize| {
            let most = herd::BALANCERS.into_iter().max().unwrap_or(1) as f64;
            CORNER.0 + 16.0 + (balancers as f64).ln() / most.ln() * (SIZE.0 - 32.0)
        };
        for balancers in herd::BALANCERS {
            let x = across(balancers) + 4.0;
            svg.text(
                (x, bottom + 18.0),
                Anchor::End,
                11.0,
                GREY,
                &balancers.to_string(),
            );
        }
        for (name, colour) in NAMES.iter().zip(COLOURS) {
            let rows = self.rows.iter().filter(|(it, ..)| it.name == *name);
            let points =
                rows.map(|(_, balancers, figures)| (across(*balancers), height(figures.deviation)));
            let points: Vec<_> = points.collect();
            svg.polyline(&points, colour);
            if let Some((x, y)) = points.last() {
                svg.text((x + 10.0, y + 4.0), Anchor::Start, 11.0, colour, name);
            }
        }
        svg.finish()
    }
}
