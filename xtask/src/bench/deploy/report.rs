//! What became of requests before, while and after the shop was deployed: tables, and the page in docs.

use std::path::Path;
use std::time::Duration;

use super::Options;
use super::timeline::{Part, Timeline, percentile};
use crate::bench::machine;
use crate::page;
use crate::table::{Table, number};

const PAGE: &str = "docs/balancing/deploy.md";
const RESULTS: &str = "results";
/// p99 while it is deployed, beside p99 before.
const GOAL: f64 = 1.5;

pub(super) fn write(root: &Path, options: &Options, timeline: &Timeline) -> anyhow::Result<()> {
    let (goal, seconds) = (goal(timeline), seconds(timeline));
    println!("\n{}\n{}", goal.aligned(), seconds.aligned());
    if options.no_page {
        return Ok(());
    }
    let machine = machine::describe();
    let text = |name: &str| machine[name].as_str().unwrap_or("unknown").to_owned();
    let place = format!(
        "Measured on {} at commit {}: {}, {} cores, {}, Linux {}; {} requests a second, {} instances that take {} s to start. The deploy took {} s; {} of {} requests failed. The machine's load average of the last minute was {} when it began.",
        text("date"),
        text("commit"),
        text("cpu"),
        machine["cores"],
        text("memory"),
        text("kernel"),
        options.rate,
        options.replicas,
        options.start,
        number(timeline.took.as_secs_f64()),
        timeline.failed,
        timeline.requests,
        number(timeline.load_average),
    );
    let results = format!("{place}\n\n{}\n{}", goal.markdown(), seconds.markdown());
    page::refresh(root, PAGE, RESULTS, &results)
}

fn goal(timeline: &Timeline) -> Table {
    let mut table = Table::default();
    table.push(["part", "p99 ms", "of before", "goal", "met"].map(str::to_owned));
    let before = timeline.p99(Part::Before);
    let parts = [
        ("before the deploy", before),
        ("while it runs", timeline.p99(Part::Deploy)),
        ("after it", timeline.p99(Part::After)),
        ("from its beginning on", timeline.p99_from_the_deploy_on()),
    ];
    for (part, p99) in parts {
        let ratio = millis(p99) / millis(before);
        let is_before = part == parts[0].0;
        table.push([
            part.to_owned(),
            number(millis(p99)),
            number(ratio),
            if is_before {
                String::new()
            } else {
                number(GOAL)
            },
            match ratio {
                _ if is_before => String::new(),
                ratio if ratio <= GOAL => "yes".to_owned(),
                _ => "NO".to_owned(),
            },
        ]);
    }
    table
}

fn seconds(timeline: &Timeline) -> Table {
    let mut table = Table::default();
    let mut head = vec!["second".to_owned(), "new ones %".to_owned()];
    head.extend(timeline.new.iter().map(|instance| format!("{instance} %")));
    head.extend(["p50 ms", "p99 ms", "failed"].map(str::to_owned));
    table.push(head);
    for (second, of) in &timeline.seconds {
        let share = |share: f64| number(share * 100.0);
        let mut row = vec![second.to_string(), share(of.share(&timeline.new))];
        row.extend(timeline.new.iter().map(|it| share(of.share([it]))));
        row.push(number(millis(percentile(&of.latencies, 0.5))));
        row.push(number(millis(percentile(&of.latencies, 0.99))));
        row.push(of.failed.to_string());
        table.push(row);
    }
    table
}

fn millis(time: Option<Duration>) -> f64 {
    time.map_or(f64::NAN, |time| time.as_secs_f64() * 1_000.0)
}
