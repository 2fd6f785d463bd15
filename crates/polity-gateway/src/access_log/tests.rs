//! The access log's thread: what is kept, and what is dropped rather than waited for.

use std::net::IpAddr;
use std::time::SystemTime;

use polity_http::text::AddressText;
use proptest::prelude::*;

use super::*;

fn line(path: &str) -> Line<'_> {
    let mut line = Line::new(AddressText::new(IpAddr::from([127, 0, 0, 1])));
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

fn written(line: &Line<'_>) -> serde_json::Value {
    let mut out = Vec::new();
    line.write(&mut Stamp::default(), &mut out);
    assert_eq!(out.pop(), Some(b'\n'));
    serde_json::from_slice(&out).expect("JSON")
}

#[test]
fn times_are_those_of_rfc_3339() {
    let mut line = line("/");
    line.duration = Duration::from_micros(1234);
    let mut stamp = Stamp::default();
    let mut check = |millis, expected: &str| {
        line.time = SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        let mut out = Vec::new();
        line.write(&mut stamp, &mut out);
        let value: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
        assert_eq!(value["time"], expected);
        assert_eq!(value["duration_ms"], 1.234);
        assert_eq!(value["upstream_ms"], serde_json::Value::Null);
    };
    check(784_111_777_042, "1994-11-06T08:49:37.042Z");
    check(784_111_777_999, "1994-11-06T08:49:37.999Z");
    // The clock of the system may be set back.
    check(784_111_776_000, "1994-11-06T08:49:36.000Z");
    check(0, "1970-01-01T00:00:00.000Z");
}

proptest! {
    #[test]
    fn a_line_says_what_it_was_given(
        path in any::<String>(),
        (start, end) in any::<(String, String)>(),
        reason in proptest::option::of(any::<String>()),
        micros in any::<u32>(),
        status in proptest::option::of(100u16..1000),
        client in any::<IpAddr>(),
        bytes_in in any::<u64>(),
    ) {
        let mut line = Line::new(AddressText::new(client));
        line.path = &path;
        line.route = Some([&start, "=", &end]);
        line.reason = reason.as_deref();
        line.status = status;
        line.bytes_in = bytes_in;
        line.duration = Duration::from_micros(micros.into());
        line.upstream = Some(line.duration);
        let value = written(&line);
        prop_assert_eq!(&value["path"], &path);
        prop_assert_eq!(&value["route"], &format!("{start}={end}"));
        prop_assert_eq!(value["reason"].as_str(), reason.as_deref());
        prop_assert_eq!(value["status"].as_u64(), status.map(u64::from));
        prop_assert_eq!(&value["client"], &client.to_string());
        prop_assert_eq!(value["bytes_in"].as_u64(), Some(bytes_in));
        prop_assert_eq!(value["duration_ms"].as_f64(), Some(f64::from(micros) / 1000.0));
        prop_assert_eq!(&value["duration_ms"], &value["upstream_ms"]);
        prop_assert!(value.get("caller").is_none());
        prop_assert!(value["service"].is_null());
    }
}

/// A pipe in a folder of its own.
fn pipe() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("pipe");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, mode).expect("a pipe");
    (folder, path)
}

#[test]
fn a_pipe_that_nobody_reads_is_refused_rather_than_waited_for() {
    let (_folder, path) = pipe();
    let error = AccessLog::open(&path).err().expect("it has no reader");
    assert!(error.to_string().contains("start its reader"), "{error}");
}

#[tokio::test]
async fn a_pipe_is_written_like_a_file_and_holds_nobody_up_when_it_is_not_emptied() {
    let (_folder, path) = pipe();
    let reader = OpenOptions::new().read(true).write(true).open(&path);
    let reader = reader.expect("opened");
    let log = AccessLog::open(&path).expect("it has a reader");
    let buffer = LogBuffer::new(log.queue());
    // More than pipe and queue hold.
    for _ in 0..100_000 {
        buffer.write(&line("/"));
    }
    buffer.flush();
    let ended = tokio::time::timeout(Duration::from_millis(50), log.finished());
    assert!(ended.await.is_err(), "nobody has read");
    let mut first = String::new();
    io::BufRead::read_line(&mut io::BufReader::new(reader), &mut first).expect("a line");
    assert!(first.starts_with('{') && first.ends_with("}\n"), "{first}");
}
