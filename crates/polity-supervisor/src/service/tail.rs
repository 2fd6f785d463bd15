//! The last lines of a process's output, kept beside the log for the moment it fails.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::process::{OutputSink, Stream};

/// How many lines are kept.
pub(crate) const TAIL_LINES: usize = 10;

/// How many bytes of each line are kept.
pub(crate) const TAIL_LINE_BYTES: usize = 512;

/// Hands every line on and remembers the last few.
pub(crate) struct Tail {
    next: Arc<dyn OutputSink>,
    lines: Mutex<VecDeque<String>>,
}

impl Tail {
    pub(crate) fn new(next: Arc<dyn OutputSink>) -> Arc<Self> {
        Arc::new(Self {
            next,
            lines: Mutex::default(),
        })
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lock().iter().cloned().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OutputSink for Tail {
    fn line(&self, stream: Stream, line: &str) {
        {
            let mut lines = self.lock();
            if lines.len() == TAIL_LINES {
                lines.pop_front();
            }
            lines.push_back(cut(line).to_owned());
        }
        self.next.line(stream, line);
    }
}

/// At most [`TAIL_LINE_BYTES`] of the line, and no half character.
fn cut(line: &str) -> &str {
    let mut end = TAIL_LINE_BYTES.min(line.len());
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    &line[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nowhere;

    impl OutputSink for Nowhere {
        fn line(&self, _: Stream, _: &str) {}
    }

    #[test]
    fn the_last_lines_are_kept_and_long_ones_cut_between_characters() {
        let tail = Tail::new(Arc::new(Nowhere));
        for n in 0..TAIL_LINES + 2 {
            tail.line(Stream::Stdout, &n.to_string());
        }
        tail.line(Stream::Stderr, &"€".repeat(TAIL_LINE_BYTES));
        let lines = tail.lines();
        assert_eq!(lines.len(), TAIL_LINES);
        assert_eq!(lines[0], "3");
        assert_eq!(lines[TAIL_LINES - 1], "€".repeat(TAIL_LINE_BYTES / 3));
    }
}
