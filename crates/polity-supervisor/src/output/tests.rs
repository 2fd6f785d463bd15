//! Tests of the output as a whole: pipes to sinks to files and back.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use polity_core::{InstanceId, ServiceName};
use tokio::sync::broadcast::error::TryRecvError;

use super::rotation::Limits;
use super::*;
use crate::supervisor::parts::Logs;

pub(super) fn line(sequence: u64, service: &str, text: &str) -> Line {
    Line {
        sequence,
        time: 0,
        service: name(service),
        instance: InstanceId::numbered(&name(service), 1),
        stream: Stream::Stdout,
        text: text.to_owned(),
    }
}

fn name(service: &str) -> ServiceName {
    ServiceName::new(service).expect("a legal name")
}

fn print(store: &LogStore, service: &str, texts: impl IntoIterator<Item = String>) {
    let sink = store.sink(&name(service), &InstanceId::numbered(&name(service), 1));
    for text in texts {
        sink.line(Stream::Stdout, &text);
    }
}

fn texts(store: &LogStore, filter: &Filter, count: usize) -> Vec<String> {
    let lines = store.tail(filter, count);
    lines.iter().map(|line| line.text.clone()).collect()
}

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[derive(Default)]
struct Collected(Mutex<Vec<String>>);

impl OutputSink for Collected {
    fn line(&self, _: Stream, line: &str) {
        self.0.lock().expect("unpoisoned").push(line.to_owned());
    }
}

#[tokio::test]
async fn a_pipe_is_read_to_its_end_whatever_comes_through_it() {
    let (sender, receiver) = pipe::pipe().expect("a pipe");
    let mut end = fs::File::from(sender.into_blocking_fd().expect("an end"));
    let writer = std::thread::spawn(move || {
        for number in 0..50_000 {
            writeln!(end, "line {number}").expect("written");
        }
        end.write_all(b"no end \xff").expect("written");
    });
    let sink = Arc::new(Collected::default());
    read_lines(receiver, Stream::Stderr, sink.clone()).await;
    writer.join().expect("written");
    let lines = sink.0.lock().expect("unpoisoned");
    assert_eq!(lines.len(), 50_001);
    assert_eq!(lines[49_999], "line 49999");
    assert_eq!(lines[50_000], "no end \u{fffd}");
}

#[tokio::test]
async fn who_prints_without_end_lets_everybody_else_take_turns() {
    let (sender, receiver) = pipe::pipe().expect("a pipe");
    let mut sender = fs::File::from(sender.into_blocking_fd().expect("a pipe"));
    // As much as a pipe holds: all of it is there to be read at once.
    sender.write_all(&[b'\n'; 4 * READ_SIZE]).expect("it fits");
    let sink = Arc::new(Collected::default());
    let reading = tokio::spawn(read_lines(receiver, Stream::Stdout, sink.clone()));
    let mut seen = 0;
    while seen < 4 * READ_SIZE {
        tokio::task::yield_now().await;
        let now = sink.0.lock().expect("unpoisoned").len();
        assert!(now - seen <= READ_SIZE, "{} in one turn", now - seen);
        seen = now;
    }
    drop(sender);
    reading.await.expect("read to its end");
}

#[test]
fn the_tail_goes_back_into_earlier_runs_and_keeps_to_the_services_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = LogStore::open(folder.path()).expect("opened");
    print(&store, "a", numbers(0..5));
    print(&store, "b", numbers(100..105));
    store.flush();
    drop(store);
    let store = LogStore::open(folder.path()).expect("opened");
    print(&store, "a", numbers(5..8));
    let only_a = Filter::Services(BTreeSet::from([name("a")]));
    assert_eq!(texts(&store, &only_a, 5), numbers(3..8));
    assert_eq!(texts(&store, &only_a, 100), numbers(0..8));
    let all = texts(&store, &Filter::All, 4);
    assert_eq!(all, ["104", "5", "6", "7"]);
    assert!(texts(&store, &Filter::All, 0).is_empty());
}

#[test]
fn the_tail_reads_files_for_what_memory_has_let_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let limits = Limits {
        file_bytes: 100_000,
        files: 4,
    };
    let store = LogStore::with_limits(folder.path(), limits).expect("opened");
    print(&store, "a", numbers(0..5000));
    store.flush();
    let lines = texts(&store, &Filter::All, 2000);
    assert_eq!(lines, numbers(3000..5000));
}

#[test]
fn a_slow_follower_loses_lines_and_holds_up_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = LogStore::open(folder.path()).expect("opened");
    let mut follower = store.follow();
    print(&store, "a", numbers(0..2000));
    let Err(TryRecvError::Lagged(lost)) = follower.try_recv() else {
        panic!("it should have been too slow");
    };
    let next = follower.try_recv().expect("a line");
    assert_eq!(next.text, lost.to_string());
}

#[test]
fn a_disk_that_fails_is_reported_costs_lines_and_is_tried_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = LogStore::open(folder.path()).expect("opened");
    // A file where the service's folder should be: it fails for root as well.
    let blocked = folder.path().join("a");
    fs::write(&blocked, "").expect("written");
    print(&store, "a", numbers(0..3));
    until("the failure to show", || store.status().lost == 3);
    assert!(store.status().error.is_some());
    assert_eq!(
        texts(&store, &Filter::All, 10),
        numbers(0..3),
        "from memory"
    );
    fs::remove_file(&blocked).expect("removed");
    let mut more = 0;
    until("the recovery", || {
        print(&store, "a", ["again".to_owned()]);
        more += 1;
        store.flush();
        store.status().error.is_none()
    });
    let kept = fs::read_to_string(blocked.join("current.log")).expect("a file");
    let lost = store.status().lost;
    assert_eq!(kept.lines().count() as u64, 3 + more - lost);
}

#[test]
fn the_last_lines_of_an_instance_are_there_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = LogStore::open(folder.path()).expect("opened");
    print(&store, "a", numbers(0..30));
    let last = store.last_lines(&name("a"), &"a-1".into(), 2);
    assert_eq!(
        last.iter().map(|line| &line.text).collect::<Vec<_>>(),
        ["28", "29"]
    );
    assert!(store.last_lines(&name("a"), &"a-2".into(), 2).is_empty());
}
