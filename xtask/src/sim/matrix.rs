//! The evaluation matrix, simulated.

use anyhow::bail;
use polity_balance::simulation::matrix::{CONDITIONS, Condition, MIDDLE, SHAPES, Shape};
use polity_balance::simulation::{self, CONTENDERS, Contender};
use serde_json::{Value, json};

use super::figures::{Figures, milliseconds};
use super::{Options, jobs};
use crate::table::{Table, number};

/// What came of each condition, in each shape, with each contender.
pub(super) struct Matrix {
    pub(super) shapes: Vec<&'static Shape>,
    pub(super) conditions: Vec<&'static Condition>,
    pub(super) contenders: Vec<&'static Contender>,
    /// By shape, then condition, then contender.
    figures: Vec<Figures>,
}

/// A figure that tables are made of.
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) of: fn(&Figures) -> f64,
}

pub(super) const P50: Column = Column {
    name: "p50, ms",
    of: |it| milliseconds(it.p50),
};
pub(super) const P99: Column = Column {
    name: "p99, ms",
    of: |it| milliseconds(it.p99),
};
pub(super) const P999: Column = Column {
    name: "p99.9, ms",
    of: |it| milliseconds(it.p999),
};
pub(super) const FAILED: Column = Column {
    name: "failed of 10,000",
    of: Figures::failed,
};

impl Matrix {
    pub(super) fn simulate(options: &Options) -> anyhow::Result<Self> {
        let conditions: Vec<_> = CONDITIONS.iter().collect();
        let contenders: Vec<_> = CONTENDERS.iter().collect();
        for name in &options.only {
            let known = conditions.iter().any(|it| it.name == name)
                || contenders.iter().any(|it| it.name == name);
            if !known {
                let names = conditions.iter().map(|it| it.name);
                let names: Vec<_> = names.chain(contenders.iter().map(|it| it.name)).collect();
                bail!("nothing is called {name}: there are {}", names.join(", "));
            }
        }
        let mut matrix = Self {
            shapes: match options.quick {
                true => vec![&MIDDLE],
                false => SHAPES.iter().collect(),
            },
            conditions: named(conditions, |it| it.name, &options.only),
            contenders: named(contenders, |it| it.name, &options.only),
            figures: Vec::new(),
        };
        let cells = matrix.cells();
        matrix.figures = jobs::run(&cells, |(shape, condition, contender)| {
            let scenario = condition.in_shape(shape);
            Figures::of(&simulation::run(&scenario, contender, options.seed))
        })?;
        Ok(matrix)
    }

    fn cells(&self) -> Vec<(&'static Shape, &'static Condition, &'static Contender)> {
        let mut cells = Vec::new();
        for shape in &self.shapes {
            for condition in &self.conditions {
                let contenders = self.contenders.iter();
                cells.extend(contenders.map(|contender| (*shape, *condition, *contender)));
            }
        }
        cells
    }

    /// The figures of one cell, by the places of what it is for.
    pub(super) fn at(&self, shape: usize, condition: usize, contender: usize) -> &Figures {
        let row = shape * self.conditions.len() + condition;
        &self.figures[row * self.contenders.len() + contender]
    }

    /// Contenders by conditions, in one shape.
    pub(super) fn table(&self, shape: usize, column: &Column) -> Table {
        let mut table = Table::default();
        let conditions = self.conditions.iter().map(|it| it.name.to_owned());
        let head: Vec<_> = [column.name.to_owned()]
            .into_iter()
            .chain(conditions)
            .collect();
        table.push(head);
        for (place, contender) in self.contenders.iter().enumerate() {
            let mut row = vec![contender.name.to_owned()];
            let cells = (0..self.conditions.len()).map(|it| self.at(shape, it, place));
            row.extend(cells.map(|figures| number((column.of)(figures))));
            table.push(row);
        }
        table
    }

    pub(super) fn json(&self) -> Value {
        let cells = self.cells();
        let rows = cells.iter().zip(&self.figures);
        let row = |((shape, condition, contender), figures): (
            &(&Shape, &Condition, &Contender),
            &Figures,
        )| {
            json!({
                "servers": shape.servers,
                "balancers": shape.balancers,
                "load": shape.load,
                "condition": condition.name,
                "algorithm": contender.name,
                "figures": figures.json(),
            })
        };
        rows.map(row).collect()
    }
}

/// Those of `all` that are among `names`; all of them, if none is.
fn named<T>(
    all: Vec<&'static T>,
    name: fn(&T) -> &'static str,
    names: &[String],
) -> Vec<&'static T> {
    let is_named = |it: &T| names.iter().any(|wanted| wanted == name(it));
    match all.iter().any(|it| is_named(it)) {
        true => all.into_iter().filter(|it| is_named(it)).collect(),
        false => all,
    }
}

/// What a shape is, in words.
pub(super) fn describe(shape: &Shape) -> String {
    format!(
        "{} servers, {} balancer{}, load {:.0} %",
        shape.servers,
        shape.balancers,
        if shape.balancers == 1 { "" } else { "s" },
        shape.load * 100.0
    )
}
