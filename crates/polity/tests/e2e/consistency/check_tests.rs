//! A checker that finds nothing is worth something only if it would.

use super::super::history::{Fate, History, Log, Records, Session, Transaction, Write};
use super::{check, check_once};

fn records(values: &[(i64, &str)]) -> Records {
    let all = values.iter();
    all.map(|(offset, value)| ((0, *offset), (*value).to_owned()))
        .collect()
}

fn write(value: &str, acknowledged: Option<i64>) -> Write {
    Write {
        value: value.to_owned(),
        partition: 0,
        producer: "p".to_owned(),
        acknowledged,
    }
}

fn transaction(values: &[&str], fate: Fate) -> Transaction {
    Transaction {
        records: values.iter().map(|it| (0, (*it).to_owned())).collect(),
        fate,
    }
}

/// A history that its log bears out, to be falsified.
fn right() -> (History, Log) {
    let session = Session {
        consumer: "c".to_owned(),
        partition: 0,
        records: vec![
            (0, "a".to_owned()),
            (1, "b".to_owned()),
            (3, "c".to_owned()),
        ],
    };
    let history = History {
        writes: vec![write("a", Some(0)), write("b", None), write("lost", None)],
        transactions: vec![
            transaction(&["aborted"], Fate::Aborted),
            transaction(&["c", "d"], Fate::Committed),
            transaction(&["x", "y"], Fate::Unknown),
        ],
        sessions: vec![session],
    };
    let log = Log {
        all: records(&[(0, "a"), (1, "b"), (2, "aborted"), (3, "c"), (4, "d")]),
        committed: records(&[(0, "a"), (1, "b"), (3, "c"), (4, "d")]),
    };
    (history, log)
}

/// That exactly this is found after the change.
#[track_caller]
fn finds(what: &str, change: impl FnOnce(&mut History, &mut Log)) {
    let (mut history, mut log) = right();
    change(&mut history, &mut log);
    let found = check(&history, &log);
    assert!(found.iter().any(|it| it.contains(what)), "{found:?}");
}

#[test]
fn what_is_right_is_right() {
    let (history, log) = right();
    assert_eq!(check(&history, &log), Vec::<String>::new());
}

#[test]
fn a_lost_write_is_found() {
    finds("a was acknowledged", |_, log| {
        log.all.remove(&(0, 0));
        log.committed.remove(&(0, 0));
    });
    finds("b was acknowledged", |history, _| {
        history.writes[1].acknowledged = Some(9);
    });
    finds("a was acknowledged", |_, log| {
        log.committed.remove(&(0, 0));
    });
}

#[test]
fn what_is_doubled_or_invented_is_found() {
    finds("b is doubled", |_, log| {
        log.all.insert((0, 5), "b".to_owned());
    });
    finds("z is there", |_, log| {
        log.all.insert((0, 5), "z".to_owned());
    });
}

#[test]
fn a_torn_transaction_is_found() {
    finds("Committed, and 1 of 2", |_, log| {
        log.committed.remove(&(0, 4));
    });
    finds("Aborted, and 1 of 1", |_, log| {
        log.committed.insert((0, 2), "aborted".to_owned());
    });
    finds("Unknown, and 1 of 2", |_, log| {
        log.all.insert((0, 5), "x".to_owned());
        log.committed.insert((0, 5), "x".to_owned());
    });
}

#[test]
fn what_is_out_of_order_is_found() {
    finds("p is out of order", |history, _| history.writes.swap(0, 1));
    finds("transaction 1 is out of order", |history, _| {
        history.transactions[1].records.swap(0, 1);
    });
}

#[test]
fn what_a_consumer_should_not_have_read_or_should_have_is_found() {
    finds("c read aborted", |history, _| {
        history.sessions[0]
            .records
            .insert(2, (2, "aborted".to_owned()));
    });
    finds("c was not given b", |history, _| {
        history.sessions[0].records.remove(1);
    });
    finds("c read 0 after 3", |history, _| {
        history.sessions[0].records.push((0, "a".to_owned()));
    });
}

#[test]
fn what_is_not_handled_once_is_found() {
    let inputs = records(&[(0, "a"), (1, "b")]);
    assert_eq!(
        check_once(&inputs, &records(&[(3, "b"), (5, "a")])),
        [""; 0]
    );
    let wrong = check_once(&inputs, &records(&[(3, "b"), (4, "b"), (5, "x")]));
    assert_eq!(wrong.len(), 3, "{wrong:?}");
}
