//! The last lines of a service's files, those of earlier runs included.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use super::Line;
use super::lines::MAX_LINE;
use super::rotation::{Limits, paths};

/// The longest line of a file: JSON writes a control character in six bytes, and some is around the text.
const MAX_RECORD: u64 = 6 * MAX_LINE as u64 + 1024;

/// The last `count` lines in `folder`, oldest first. What is not a whole line is passed over.
pub(super) fn read(folder: &Path, limits: Limits, count: usize) -> Vec<Line> {
    let mut last: VecDeque<Line> = VecDeque::new();
    for path in paths(folder, limits) {
        if last.len() >= count {
            break;
        }
        match read_file(&path, count - last.len()) {
            Ok(older) => older
                .into_iter()
                .rev()
                .for_each(|line| last.push_front(line)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "could not read a log file");
            }
        }
    }
    last.into()
}

fn read_file(path: &Path, count: usize) -> io::Result<VecDeque<Line>> {
    let mut reader = BufReader::new(File::open(path)?);
    let mut last = VecDeque::new();
    let mut record = Vec::new();
    loop {
        record.clear();
        let mut limited = io::Read::take(&mut reader, MAX_RECORD);
        if limited.read_until(b'\n', &mut record)? == 0 {
            return Ok(last);
        }
        if let Ok(line) = serde_json::from_slice::<Line>(&record) {
            if last.len() == count {
                last.pop_front();
            }
            last.push_back(line);
        }
    }
}
