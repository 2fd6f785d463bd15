//! The machine, and who runs on which of its cores.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use serde_json::{Value, json};

/// Which cores are whose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cores {
    /// The contender's, as `taskset -c` takes it.
    pub(super) proxy: String,
    /// The origin's and the load's.
    pub(super) load: String,
    /// How many of these there are.
    pub(super) load_count: usize,
}

impl Cores {
    /// The first for the proxy, all others for the load.
    pub(super) fn of_this_machine() -> anyhow::Result<Self> {
        let status = fs::read_to_string("/proc/self/status")?;
        let allowed =
            field(&status, "Cpus_allowed_list").context("no cores in /proc/self/status")?;
        Self::split(&list(allowed)?)
    }

    fn split(cores: &[usize]) -> anyhow::Result<Self> {
        let [proxy, load @ ..] = cores else {
            bail!("no cores");
        };
        if load.is_empty() {
            bail!("one core is not enough: proxy and load need one each");
        }
        let load: Vec<String> = load.iter().map(usize::to_string).collect();
        Ok(Self {
            proxy: proxy.to_string(),
            load_count: load.len(),
            load: load.join(","),
        })
    }
}

/// `0-2,5` as numbers.
fn list(text: &str) -> anyhow::Result<Vec<usize>> {
    let mut cores = Vec::new();
    for range in text.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        cores.extend(first.trim().parse()?..=last.trim().parse::<usize>()?);
    }
    Ok(cores)
}

/// The value of `name` in a file of `name: value` lines.
pub(super) fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (field, value) = line.split_once(':')?;
        (field.trim() == name).then(|| value.trim())
    })
}

/// What a reader needs to know of the place of the measurement.
pub(super) fn describe() -> Value {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    json!({
        "date": output("date", &["-u", "+%F"]),
        "cpu": field(&cpus, "model name").unwrap_or("unknown"),
        "cores": cpus.lines().filter(|line| line.starts_with("processor")).count(),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "congestion_control": read("/proc/sys/net/ipv4/tcp_congestion_control").trim(),
        "memory": field(&read("/proc/meminfo"), "MemTotal").unwrap_or("unknown"),
        "commit": commit(),
    })
}

/// What was checked out, and whether it was changed.
pub(super) fn commit() -> String {
    output("git", &["describe", "--always", "--dirty"])
}

/// The first line that a program prints; empty if it does not run.
pub(super) fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_or(Vec::new(), |output| [output.stdout, output.stderr].concat());
    let text = String::from_utf8_lossy(&output);
    text.lines().next().unwrap_or_default().trim().to_owned()
}

/// Where a program is, if it is installed. Those of root are looked for as well, whoever asks.
pub(crate) fn find(program: &str) -> Option<std::path::PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(|folder| Path::new(folder).to_owned()))
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_core_is_the_proxys() {
        let cores = list("2-4,7")
            .and_then(|cores| Cores::split(&cores))
            .expect("four");
        let expected = Cores {
            proxy: "2".to_owned(),
            load: "3,4,7".to_owned(),
            load_count: 3,
        };
        assert_eq!(cores, expected);
        Cores::split(&[0]).expect_err("one is not enough");
    }
}
