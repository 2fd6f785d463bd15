//! Whether a log and what its clients saw can be, given what they did (in the manner of Jepsen's checkers).

use std::collections::{BTreeMap, BTreeSet};

use super::history::{Fate, History, Log, Records, Session, Transaction, Write};

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;

/// What is wrong; nothing where all is well.
pub(super) fn check(history: &History, log: &Log) -> Vec<String> {
    let places = Places::of(log);
    let mut wrong = Vec::new();
    wrong.extend(places.doubled());
    wrong.extend(places.invented(history));
    wrong.extend(history.writes.iter().filter_map(|it| places.lost(it)));
    let transactions = history.transactions.iter();
    wrong.extend(transactions.filter_map(|it| places.torn(it)));
    wrong.extend(places.reordered(history));
    let sessions = history.sessions.iter();
    wrong.extend(sessions.flat_map(|it| misread(it, &log.committed)));
    wrong
}

/// Where each value is.
struct Places<'a> {
    all: BTreeMap<&'a str, Vec<(i32, i64)>>,
    committed: BTreeSet<&'a str>,
}

impl<'a> Places<'a> {
    fn of(log: &'a Log) -> Self {
        let mut all: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for (place, value) in &log.all {
            all.entry(value).or_default().push(*place);
        }
        let committed = log.committed.values().map(String::as_str).collect();
        Self { all, committed }
    }

    fn doubled(&self) -> impl Iterator<Item = String> {
        let doubled = self.all.iter().filter(|(_, places)| places.len() > 1);
        doubled.map(|(value, places)| format!("{value} is doubled: {places:?}"))
    }

    fn invented(&self, history: &History) -> Vec<String> {
        let plain = history.writes.iter().map(|it| it.value.as_str());
        let transactions = history.transactions.iter();
        let others = transactions.flat_map(|it| it.records.iter().map(|(_, value)| value.as_str()));
        let sent: BTreeSet<_> = plain.chain(others).collect();
        let invented = self.all.keys().filter(|value| !sent.contains(**value));
        invented
            .map(|value| format!("{value} is there and was never sent"))
            .collect()
    }

    fn lost(&self, write: &Write) -> Option<String> {
        let (value, place) = (&write.value, (write.partition, write.acknowledged?));
        let found = self.all.get(value.as_str()).map_or(&[][..], Vec::as_slice);
        if !self.committed.contains(value.as_str()) || !found.contains(&place) {
            return Some(format!(
                "{value} was acknowledged at {place:?} and is lost: {found:?}"
            ));
        }
        None
    }

    fn torn(&self, transaction: &Transaction) -> Option<String> {
        let records = &transaction.records;
        let is_there = |(_, value): &&(i32, String)| self.committed.contains(value.as_str());
        let there = records.iter().filter(is_there).count();
        let is_right = match transaction.fate {
            Fate::Committed => there == records.len(),
            Fate::Aborted => there == 0,
            Fate::Unknown => there == 0 || there == records.len(),
        };
        let (fate, of) = (transaction.fate, records.len());
        (!is_right).then(|| format!("{fate:?}, and {there} of {of} are there: {records:?}"))
    }

    /// What one producer sent to a partition and what is there, in another order.
    fn reordered(&self, history: &History) -> Vec<String> {
        let mut sent: BTreeMap<(String, i32), Vec<&str>> = BTreeMap::new();
        for write in &history.writes {
            let sender = (write.producer.clone(), write.partition);
            sent.entry(sender).or_default().push(&write.value);
        }
        for (number, transaction) in history.transactions.iter().enumerate() {
            for (partition, value) in &transaction.records {
                let sender = (format!("transaction {number}"), *partition);
                sent.entry(sender).or_default().push(value);
            }
        }
        let place = |value: &&str| self.all.get(value)?.first().map(|(_, offset)| *offset);
        let mut wrong = Vec::new();
        for ((sender, partition), values) in sent {
            let offsets: Vec<_> = values.iter().filter_map(place).collect();
            if !offsets.is_sorted() {
                wrong.push(format!(
                    "{sender} is out of order in partition {partition}: {offsets:?}"
                ));
            }
        }
        wrong
    }
}

/// What a consumer got that is not there, was never committed or came out of order, and what it was
/// not given.
fn misread(session: &Session, committed: &Records) -> Vec<String> {
    let (consumer, partition) = (&session.consumer, session.partition);
    let mut wrong = Vec::new();
    let mut before: Option<i64> = None;
    for (offset, value) in &session.records {
        let place = (partition, *offset);
        if committed.get(&place) != Some(value) {
            let there = committed.get(&place);
            wrong.push(format!(
                "{consumer} read {value} at {place:?}, where {there:?} is"
            ));
        }
        if let Some(before) = before {
            if before >= *offset {
                wrong.push(format!("{consumer} read {offset} after {before}"));
            } else if let Some((place, value)) =
                committed.range((partition, before + 1)..place).next()
            {
                wrong.push(format!("{consumer} was not given {value} at {place:?}"));
            }
        }
        before = Some(*offset);
    }
    wrong
}

/// Whether each of `inputs` has become exactly one of `outputs`, and nothing else has.
pub(super) fn check_once(inputs: &Records, outputs: &Records) -> Vec<String> {
    let mut times: BTreeMap<&str, usize> = inputs.values().map(|it| (it.as_str(), 0)).collect();
    let mut wrong = Vec::new();
    for (place, output) in outputs {
        match times.get_mut(output.as_str()) {
            Some(times) => *times += 1,
            None => wrong.push(format!("{output} at {place:?} comes from nothing")),
        }
    }
    let other = times.into_iter().filter(|(_, times)| *times != 1);
    wrong.extend(other.map(|(input, times)| format!("{input} was handled {times} times")));
    wrong
}
