//! What the load and the access log say, put together by time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;

/// One part of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Before,
    /// While `polity deploy` ran.
    Deploy,
    After,
}

/// A second of it.
#[derive(Debug, Default)]
pub(super) struct Second {
    pub(super) latencies: Vec<Duration>,
    pub(super) failed: usize,
    /// Answers by instance.
    pub(super) answers: BTreeMap<String, usize>,
}

/// Times are since the deploy began, in whole seconds.
pub(super) struct Timeline {
    pub(super) seconds: BTreeMap<i64, Second>,
    latencies: [Vec<Duration>; 3],
    /// Requests that were not answered well.
    pub(super) failed: usize,
    pub(super) requests: usize,
    /// Instances that were not there before.
    pub(super) new: BTreeSet<String>,
    /// How long the deploy took.
    pub(super) took: Duration,
    /// Of the whole machine, before it began: what else ran there shows in p99.
    pub(super) load_average: f64,
}

impl Timeline {
    /// Of what `polity-bench open-loop` recorded, without the warm-up, and the access log; `deploy` and
    /// `deployed` are when the deploy began and when it was over, since 1970.
    pub(super) fn new(
        record: &str,
        access: &str,
        warm_up: Duration,
        deploy: Duration,
        deployed: Duration,
    ) -> anyhow::Result<Self> {
        let mut timeline = Self {
            seconds: BTreeMap::new(),
            latencies: Default::default(),
            failed: 0,
            requests: 0,
            new: BTreeSet::new(),
            took: deployed.saturating_sub(deploy),
            load_average: f64::NAN,
        };
        let mut begins = None;
        for line in record.lines() {
            let (due, latency, status) = recorded(line).context("the record makes no sense")?;
            let begins = *begins.get_or_insert(due + warm_up);
            if due >= begins {
                let part = match due {
                    due if due < deploy => Part::Before,
                    due if due < deployed => Part::Deploy,
                    _ => Part::After,
                };
                timeline.add(second(due, deploy), part, latency, status == "ok");
            }
        }
        ensure!(timeline.requests > 0, "the record is empty");
        // The last second is a part of one.
        timeline.seconds.pop_last();
        timeline.add_answers(access, deploy);
        Ok(timeline)
    }

    fn add(&mut self, second: i64, part: Part, latency: Duration, is_good: bool) {
        let second = self.seconds.entry(second).or_default();
        self.requests += 1;
        match is_good {
            true => {
                second.latencies.push(latency);
                self.latencies[part as usize].push(latency);
            }
            false => {
                second.failed += 1;
                self.failed += 1;
            }
        }
    }

    fn add_answers(&mut self, access: &str, deploy: Duration) {
        let mut old = BTreeSet::new();
        for line in access.lines() {
            let Ok(line) = serde_json::from_str::<Value>(line) else {
                continue; // The last may be cut off.
            };
            let is_ours = line["service"] == "orders" && line["method"] == "GET";
            let at = line["time"].as_str().and_then(since_1970);
            let (Some(at), Some(instance), true) = (at, line["instance"].as_str(), is_ours) else {
                continue;
            };
            let known = if at < deploy { &mut old } else { &mut self.new };
            known.insert(instance.to_owned());
            if let Some(second) = self.seconds.get_mut(&second(at, deploy)) {
                *second.answers.entry(instance.to_owned()).or_default() += 1;
            }
        }
        self.new.retain(|instance| !old.contains(instance));
    }

    /// The smallest latency that 99 in 100 do not exceed.
    pub(super) fn p99(&self, part: Part) -> Option<Duration> {
        percentile(&self.latencies[part as usize], 0.99)
    }

    /// The same of deploy and what follows it.
    pub(super) fn p99_from_the_deploy_on(&self) -> Option<Duration> {
        let [_, deploy, after] = &self.latencies;
        percentile(&[deploy.as_slice(), after.as_slice()].concat(), 0.99)
    }
}

impl Second {
    /// The share of its answers that came from these.
    pub(super) fn share<'a>(&self, instances: impl IntoIterator<Item = &'a String>) -> f64 {
        let all: usize = self.answers.values().sum();
        let of = instances.into_iter().filter_map(|it| self.answers.get(it));
        of.sum::<usize>() as f64 / all as f64
    }
}

pub(super) fn percentile(latencies: &[Duration], share: f64) -> Option<Duration> {
    let mut sorted = latencies.to_vec();
    sorted.sort_unstable();
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

/// Counted from the deploy; those before it are negative.
fn second(at: Duration, deploy: Duration) -> i64 {
    match at.checked_sub(deploy) {
        Some(after) => after.as_secs() as i64,
        None => -1 - (deploy - at).as_secs() as i64,
    }
}

fn recorded(line: &str) -> Option<(Duration, Duration, &str)> {
    let mut words = line.split(' ');
    let mut time = || Some(Duration::from_micros(words.next()?.parse().ok()?));
    let (due, latency) = (time()?, time()?);
    Some((due, latency, words.next()?))
}

/// `2026-03-01T12:00:00.123Z`.
fn since_1970(time: &str) -> Option<Duration> {
    let number = |range: std::ops::Range<usize>| time.get(range)?.parse::<u64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    // Howard Hinnant's `days_from_civil`: years that begin in March end with the leap day.
    let (year, month) = match month {
        1 | 2 => (year - 1, month + 9),
        _ => (year, month - 3),
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    let seconds = ((days - 719_468) * 24 + hour) * 3_600 + minute * 60 + second;
    Some(Duration::from_secs(seconds) + Duration::from_millis(number(20..23)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_the_log_is_a_moment() {
        let check = |time, expected| {
            let moment = since_1970(time).map(|it| it.as_millis());
            assert_eq!(moment, expected, "{time}");
        };
        check("1970-01-01T00:00:00.000Z", Some(0));
        check("2000-02-29T12:00:00.007Z", Some(951_825_600_007));
        check("2026-11-21T18:30:00.123Z", Some(1_795_285_800_123));
        check("soon", None);
    }

    #[test]
    fn requests_are_counted_by_second_part_and_instance() {
        let record = "100000000 1 ok\n101000000 2 ok\n105000000 3000 ok\n105500000 4000 failed\n\
                      106100000 5000 ok\n109000000 6000 ok\n110000000 6000 ok\n";
        let at = |second: &str, instance: &str| {
            format!(
                "{{\"time\":\"1970-01-01T00:01:{second}Z\",\"method\":\"GET\",\"service\":\"orders\",\
                 \"instance\":\"{instance}\"}}\n"
            )
        };
        let access = at("45.100", "a") + &at("46.100", "a") + &at("46.200", "b") + "{\"time";
        let seconds = Duration::from_secs;
        let timeline = Timeline::new(record, &access, seconds(5), seconds(106), seconds(108));
        let timeline = timeline.expect("it makes sense");
        assert_eq!((timeline.requests, timeline.failed), (5, 1));
        assert_eq!(timeline.took, seconds(2));
        assert_eq!(Vec::from_iter(&timeline.new), ["b"]);
        assert_eq!(timeline.seconds[&0].share(&timeline.new), 0.5);
        assert_eq!(timeline.seconds[&-1].failed, 1);
        let millis = |part| timeline.p99(part).map(|it| it.as_millis());
        let all = [Part::Before, Part::Deploy, Part::After].map(millis);
        assert_eq!(all, [Some(3), Some(5), Some(6)]);
        assert_eq!(
            timeline.p99_from_the_deploy_on(),
            Some(Duration::from_millis(6))
        );
    }
}
