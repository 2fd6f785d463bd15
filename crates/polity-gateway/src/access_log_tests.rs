//! The access log's thread: what is kept, and what is dropped rather than waited for.

use super::*;

fn line(path: &str) -> Line<'_> {
    let mut line = Line::new(IpAddr::from([127, 0, 0, 1]));
    line.path = path;
    line
}

#[test]
fn lines_of_several_threads_are_appended_whole() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "from before\n").expect("written");
    let log = AccessLog::open(file.path()).expect("opened");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let buffer = LogBuffer::new(log.queue());
            scope.spawn(move || {
                for number in 0..500 {
                    buffer.write(&line(&format!("/{thread}/{number}")));
                }
            });
        }
    });
    log.finish();
    let text = std::fs::read_to_string(file.path()).expect("read");
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("from before"));
    let parsed = lines.map(serde_json::from_str::<serde_json::Value>);
    let paths: std::collections::BTreeSet<String> = parsed
        .map(|line| line.expect("JSON")["path"].to_string())
        .collect();
    assert_eq!(paths.len(), 2000);
}

#[test]
fn a_full_disk_drops_lines_and_holds_nobody_up() {
    let log = AccessLog::open(Path::new("/dev/full")).expect("opened");
    let dropped = log.queue.dropped.clone();
    let buffer = LogBuffer::new(log.queue());
    // Many times what the queue holds, with nothing that could be written.
    for _ in 0..100_000 {
        buffer.write(&line("/"));
    }
    drop(buffer);
    log.finish();
    // What was reported has been taken off the count; of the rest, none was written.
    assert!(dropped.load(Ordering::Relaxed) > 0);
}

#[test]
fn a_queue_that_is_full_counts_what_it_drops() {
    let (batches, held) = sync_channel(1);
    let queue = LogQueue {
        batches,
        dropped: Arc::default(),
    };
    let buffer = LogBuffer::new(queue.clone());
    for _ in 0..3 {
        buffer.write(&line("/"));
        buffer.flush();
    }
    assert_eq!(queue.dropped.load(Ordering::Relaxed), 2);
    assert_eq!(held.try_iter().count(), 1);
}

#[test]
fn times_are_those_of_rfc_3339() {
    let mut line = line("/");
    line.time = SystemTime::UNIX_EPOCH + Duration::from_millis(784_111_777_042);
    line.duration = Duration::from_micros(1234);
    let value = serde_json::to_value(&line).expect("JSON");
    assert_eq!(value["time"], "1994-11-06T08:49:37.042Z");
    assert_eq!(value["duration_ms"], 1.234);
    assert_eq!(value["upstream_ms"], serde_json::Value::Null);
}
