//! The closed-loop load: `wrk`, with a script for what it sends and how its result is printed.

use std::path::Path;

use anyhow::{Context, ensure};

use super::machine::{self, Cores};
use super::process::pinned;

/// Prints the result in one line that needs no guessing.
const DONE: &str = r#"
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d %d %d\n", summary.requests, summary.duration,
    e.status, e.connect, e.read, e.write, e.timeout))
end
"#;

/// What came of one run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Outcome {
    pub(super) requests: u64,
    pub(super) seconds: f64,
    /// Answers that were no success.
    pub(super) refused: u64,
    /// Connections that broke or stood still.
    pub(super) broken: u64,
}

/// How `wrk` is run.
pub(super) struct Load<'a> {
    pub(super) url: &'a str,
    pub(super) connections: usize,
    pub(super) seconds: usize,
    /// Lua that sets what is sent.
    pub(super) script: &'a str,
}

pub(super) fn ensure_installed() -> anyhow::Result<()> {
    let remedy = "wrk makes the load and is not installed: apt-get install wrk";
    machine::find("wrk").context(remedy).map(|_| ())
}

pub(super) fn run(load: &Load, cores: &Cores, folder: &Path) -> anyhow::Result<Outcome> {
    let script = folder.join("load.lua");
    std::fs::write(&script, format!("{}\n{DONE}", load.script))?;
    let threads = cores.load_count.min(load.connections);
    let output = pinned(&cores.load, Path::new("wrk"))
        .arg(format!("-t{threads}"))
        .arg(format!("-c{}", load.connections))
        .arg(format!("-d{}", load.seconds))
        .args(["--timeout", "10s", "-s"])
        .arg(script)
        .arg(load.url)
        .output()
        .context("could not run wrk")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "wrk: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    parse(&text).with_context(|| format!("wrk said nothing of use: {text}"))
}

fn parse(output: &str) -> Option<Outcome> {
    let line = output
        .lines()
        .find_map(|line| line.strip_prefix("RESULT "))?;
    let numbers: Vec<u64> = line
        .split(' ')
        .map(str::parse)
        .collect::<Result<_, _>>()
        .ok()?;
    let [requests, microseconds, refused, ref broken @ ..] = numbers[..] else {
        return None;
    };
    Some(Outcome {
        requests,
        seconds: microseconds as f64 / 1e6,
        refused,
        broken: broken.iter().sum(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_result_is_found_among_what_wrk_prints() {
        let output = "Running 1s test\nRESULT 50000 1500000 1 2 3 4 5\n";
        let expected = Outcome {
            requests: 50_000,
            seconds: 1.5,
            refused: 1,
            broken: 14,
        };
        assert_eq!(parse(output), Some(expected));
        assert_eq!(parse("nothing"), None);
    }
}
