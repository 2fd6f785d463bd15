//! What comes out: tables on the terminal, JSON, drawings, and the page in docs.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::Context;
use serde_json::json;

use super::Options;
use super::herd::Herd;
use super::matrix::{Column, FAILED, Matrix, P50, P99, P999, describe};
use super::matrix_plots;
use super::netflix::Comparison;
use crate::page;

const FOLDER: &str = "docs/balancing";
const PAGE: &str = "docs/balancing/README.md";
/// Conditions of which it is drawn where requests go.
const DRAWN: &[&str] = &["cold_start", "fails_fast", "spike"];

pub(super) fn write(
    root: &Path,
    options: &Options,
    matrix: &Matrix,
    rest: Option<&(Comparison, Herd)>,
) -> anyhow::Result<()> {
    for (place, shape) in matrix.shapes.iter().enumerate() {
        println!("{}\n", describe(shape));
        for column in columns(place) {
            println!("{}", matrix.table(place, column).aligned());
        }
    }
    if let Some((comparison, herd)) = rest {
        println!(
            "{}\n{}",
            comparison.verdict(),
            comparison.failures().aligned()
        );
        println!(
            "{}\n{}",
            comparison.latencies().aligned(),
            herd.table().aligned()
        );
    }
    write_json(options, matrix, rest)?;
    match rest {
        Some((comparison, herd)) if options.is_whole() => {
            write_page(root, options, matrix, comparison, herd)
        }
        _ => {
            println!("{FOLDER} is left as it is: it is refreshed by whole runs");
            Ok(())
        }
    }
}

fn write_page(
    root: &Path,
    options: &Options,
    matrix: &Matrix,
    comparison: &Comparison,
    herd: &Herd,
) -> anyhow::Result<()> {
    let draw = |name: &str, drawing: String| {
        let path = format!("{FOLDER}/{name}.svg");
        fs::write(root.join(&path), drawing).with_context(|| format!("could not write {path}"))
    };
    draw("p99", matrix_plots::tails(matrix, 0))?;
    for (place, condition) in matrix.conditions.iter().enumerate() {
        if DRAWN.contains(&condition.name) {
            let drawing = matrix_plots::shares(matrix, 0, place);
            draw(
                &format!("share-{}", condition.name.replace('_', "-")),
                drawing,
            )?;
        }
    }
    draw("netflix", comparison.drawing())?;
    draw("herd", herd.drawing())?;
    page::refresh(root, PAGE, "conditions", &conditions(matrix))?;
    let (failures, latencies) = (comparison.failures(), comparison.latencies());
    let text = format!(
        "{}\n{}\n{}",
        comparison.verdict(),
        failures.markdown(),
        latencies.markdown()
    );
    page::refresh(root, PAGE, "comparison", &text)?;
    page::refresh(root, PAGE, "herd", &herd.table().markdown())?;
    page::refresh(root, PAGE, "matrix", &results(options, matrix)?)
}

fn write_json(
    options: &Options,
    matrix: &Matrix,
    rest: Option<&(Comparison, Herd)>,
) -> anyhow::Result<()> {
    let json = json!({
        "seed": options.seed,
        "matrix": matrix.json(),
        "comparison": rest.map(|(comparison, _)| comparison.json()),
        "herd": rest.map(|(_, herd)| herd.json()),
    });
    let text = serde_json::to_string(&json)?;
    if let Some(folder) = options.json.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(&options.json, text + "\n")
        .with_context(|| format!("could not write {}", options.json.display()))?;
    println!("written to {}", options.json.display());
    Ok(())
}

/// The middle in full; of the others, what differs most.
fn columns(shape: usize) -> &'static [&'static Column] {
    match shape {
        0 => &[&P99, &FAILED, &P50, &P999],
        _ => &[&P99, &FAILED],
    }
}

fn conditions(matrix: &Matrix) -> String {
    let lines = matrix.conditions.iter();
    let lines = lines.map(|it| format!("| {} | {} |\n", it.name, it.about));
    format!(
        "| condition | what happens |\n|---|---|\n{}",
        lines.collect::<String>()
    )
}

fn results(options: &Options, matrix: &Matrix) -> anyhow::Result<String> {
    let mut text = format!("Seed {}.\n", options.seed);
    for (place, shape) in matrix.shapes.iter().enumerate() {
        write!(text, "\n### {}\n", describe(shape))?;
        for column in columns(place) {
            write!(text, "\n{}", matrix.table(place, column).markdown())?;
        }
    }
    Ok(text)
}
