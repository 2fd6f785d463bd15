//! Drawings of the matrix: how slow the slowest are, and where requests go over time.

use super::figures::milliseconds;
use super::matrix::{Matrix, describe};
use super::svg::{Anchor, BLUE, GREY, INK, ORANGE, RED, RULE, Svg};
use crate::table::number;

const MARGIN: f64 = 16.0;
const TITLE: f64 = 44.0;
/// Of a bar and the space below it.
const ROW: f64 = 16.0;
/// Room for names.
const NAMES: f64 = 160.0;
const PANEL: f64 = 460.0;
const GAP: f64 = 24.0;
/// Room to the right of bars, for their figures.
const FIGURES: f64 = 96.0;

/// The p99 of each contender under each condition, in the shape at `shape`, on a logarithmic scale.
pub(super) fn tails(matrix: &Matrix, shape: usize) -> String {
    let panel = TITLE + ROW * matrix.contenders.len() as f64 + GAP;
    let rows = matrix.conditions.len().div_ceil(2) as f64;
    let width = 2.0 * MARGIN + 2.0 * PANEL + GAP;
    let mut svg = Svg::new(width, 2.0 * MARGIN + TITLE + rows * panel);
    let title = format!(
        "99th percentile of latency: {}",
        describe(matrix.shapes[shape])
    );
    svg.text((MARGIN, MARGIN + 14.0), Anchor::Start, 15.0, INK, &title);
    let legend = "ms on a logarithmic scale; in red, failed requests out of 10,000; darker: less than a tenth above the best";
    svg.text((MARGIN, MARGIN + 34.0), Anchor::Start, 11.0, GREY, legend);
    for condition in 0..matrix.conditions.len() {
        let x = MARGIN + (condition % 2) as f64 * (PANEL + GAP);
        let y = MARGIN + TITLE + (condition / 2) as f64 * panel;
        tails_of(&mut svg, matrix, (shape, condition), (x, y));
    }
    svg.finish()
}

fn tails_of(svg: &mut Svg, matrix: &Matrix, place: (usize, usize), (x, y): (f64, f64)) {
    let (shape, condition) = place;
    svg.text(
        (x, y + 26.0),
        Anchor::Start,
        13.0,
        INK,
        matrix.conditions[condition].name,
    );
    svg.line((x, y + 32.0), (x + PANEL, y + 32.0), RULE);
    let all = (0..matrix.contenders.len()).map(|it| matrix.at(shape, condition, it));
    let tails: Vec<f64> = all.clone().map(|it| milliseconds(it.p99)).collect();
    let most = tails.iter().copied().fold(1.0, f64::max);
    let least = tails.iter().copied().fold(most, f64::min).max(0.1);
    let length = |tail: f64| {
        // The shortest bar is a quarter as long as the longest could be.
        let share = (tail.max(0.1) / least).ln() / (most / least).ln().max(2f64.ln());
        (0.25 + 0.75 * share) * (PANEL - NAMES - FIGURES)
    };
    for ((contender, figures), (tail, row)) in matrix
        .contenders
        .iter()
        .zip(all)
        .zip(tails.iter().zip(0u32..))
    {
        let top = y + TITLE - 6.0 + ROW * f64::from(row);
        let base = top + ROW - 5.0;
        svg.text(
            (x + NAMES - 8.0, base),
            Anchor::End,
            11.0,
            INK,
            contender.name,
        );
        let colour = if *tail <= least * 1.1 {
            BLUE
        } else {
            "#a8c4e0"
        };
        let end = x + NAMES + length(*tail);
        svg.rect((x + NAMES, top + 2.0), (end - x - NAMES, ROW - 4.0), colour);
        svg.text((end + 4.0, base), Anchor::Start, 10.0, GREY, &number(*tail));
        if figures.failures.total() > 0 {
            let failed = number(figures.failed());
            svg.text((x + PANEL, base), Anchor::End, 10.0, RED, &failed);
        }
    }
}

/// Of a small plot.
const SMALL: (f64, f64) = (214.0, 92.0);
const COLUMNS: usize = 4;

/// The share of requests sent to the servers that `condition` befalls, over time, a small plot for
/// each contender; beside it what would be an equal part.
pub(super) fn shares(matrix: &Matrix, shape: usize, condition: usize) -> String {
    let rows = matrix.contenders.len().div_ceil(COLUMNS) as f64;
    let cell = (SMALL.0 + GAP, SMALL.1 + 40.0);
    let width = 2.0 * MARGIN + COLUMNS as f64 * cell.0;
    let mut svg = Svg::new(width, 2.0 * MARGIN + TITLE + rows * cell.1);
    let it = matrix.conditions[condition];
    let title = format!("Share of requests sent there, over time: {}", it.about);
    svg.text((MARGIN, MARGIN + 14.0), Anchor::Start, 15.0, INK, &title);
    let scenario = it.in_shape(matrix.shapes[shape]);
    let last = scenario.classes.len() - 1;
    let befallen = scenario
        .servers
        .iter()
        .filter(|server| server.class == last);
    let equal = befallen.count() as f64 / scenario.servers.len() as f64;
    let all = (0..matrix.contenders.len()).map(|it| &matrix.at(shape, condition, it).shares[last]);
    let most = all.clone().flatten().copied().fold(equal * 1.5, f64::max);
    let seconds = scenario.length.as_secs();
    let legend = format!(
        "{}; 0 to {seconds} s, up to {:.0} % of requests; orange: an equal part, {:.1} %",
        describe(matrix.shapes[shape]),
        most * 100.0,
        equal * 100.0
    );
    svg.text((MARGIN, MARGIN + 34.0), Anchor::Start, 11.0, GREY, &legend);
    for (place, (contender, shares)) in matrix.contenders.iter().zip(all).enumerate() {
        let x = MARGIN + (place % COLUMNS) as f64 * cell.0;
        let y = MARGIN + TITLE + (place / COLUMNS) as f64 * cell.1;
        svg.text((x, y + 20.0), Anchor::Start, 12.0, INK, contender.name);
        let bottom = y + 26.0 + SMALL.1;
        let height = |share: f64| bottom - share / most * SMALL.1;
        svg.line((x, bottom), (x + SMALL.0, bottom), RULE);
        svg.line((x, height(equal)), (x + SMALL.0, height(equal)), ORANGE);
        let step = SMALL.0 / shares.len() as f64;
        let points = shares.iter().enumerate();
        let points = points.map(|(window, it)| (x + (window as f64 + 0.5) * step, height(*it)));
        svg.polyline(&points.collect::<Vec<_>>(), BLUE);
    }
    svg.finish()
}
