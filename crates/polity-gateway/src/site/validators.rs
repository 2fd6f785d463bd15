//! What tells one state of a file from another (RFC 9110, section 8.8).

use std::fs::Metadata;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use polity_http::date::http_date;

/// How long after a change another one might bear the same time: file systems count in seconds, or in ticks of
/// the system's clock.
const SETTLES: Duration = Duration::from_secs(2);

/// A file's entity tag and date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Validators {
    /// As it is sent: in quotes, and with `W/` in front where it is weak.
    pub(super) tag: String,
    /// In whole seconds, as dates are sent.
    pub(super) modified: SystemTime,
    /// Whether its time tells it from every other state: it was not changed a moment ago.
    pub(super) is_settled: bool,
}

impl Validators {
    /// Those of a file, at `now`.
    pub(super) fn of(about: &Metadata, now: SystemTime) -> Self {
        let (seconds, nanoseconds) = (about.mtime(), about.mtime_nsec());
        let exact = at(seconds) + Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(0));
        let is_settled = now.duration_since(exact).is_ok_and(|age| age >= SETTLES);
        let nanoseconds = i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
        let weak = if is_settled { "" } else { "W/" };
        let tag = format!(
            "{weak}\"{nanoseconds:x}-{:x}-{:x}\"",
            about.len(),
            about.ino()
        );
        Self {
            tag,
            // A date in the future would be one of another change to come (section 8.8.2.1).
            modified: at(seconds).min(whole_second(now)),
            is_settled,
        }
    }

    /// Whether `tag` is this one for sure (section 8.8.3.2).
    pub(super) fn is_strongly(&self, tag: &[u8]) -> bool {
        self.is_settled && tag == self.tag.as_bytes()
    }

    /// Whether `tag` is this one, or was before it was known for sure.
    pub(super) fn is_weakly(&self, tag: &[u8]) -> bool {
        let opaque = |tag: &[u8]| tag.strip_prefix(b"W/").unwrap_or(tag).to_vec();
        opaque(tag) == opaque(self.tag.as_bytes())
    }

    /// For a representation that is made anew each time: alike to a reader, not byte by byte.
    pub(super) fn weaken(&mut self) {
        if !self.tag.starts_with("W/") {
            self.tag.insert_str(0, "W/");
        }
        self.is_settled = false;
    }

    /// Appends both.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let date = http_date(self.modified);
        // Writing to a vector does not fail.
        let _ = write!(out, "etag: {}\r\nlast-modified: {date}\r\n", self.tag);
    }
}

/// Times before 1970 as its first second, as [`http_date`] has it.
fn at(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

fn whole_second(time: SystemTime) -> SystemTime {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    fn file() -> (File, SystemTime) {
        let file = tempfile::tempfile().expect("a temporary file");
        let modified = file.metadata().and_then(|about| about.modified());
        (file, modified.expect("it has a time"))
    }

    fn validators(file: &File, now: SystemTime) -> Validators {
        Validators::of(&file.metadata().expect("it is there"), now)
    }

    #[test]
    fn a_tag_is_strong_once_nothing_can_bear_the_same() {
        let (file, modified) = file();
        let soon = validators(&file, modified + Duration::from_millis(10));
        let later = validators(&file, modified + Duration::from_secs(3));
        assert_eq!(soon.tag, format!("W/{}", later.tag));
        assert!(!soon.is_settled && later.is_settled);
        assert!(later.is_weakly(soon.tag.as_bytes()) && soon.is_weakly(later.tag.as_bytes()));
        assert!(later.is_strongly(later.tag.as_bytes()) && !soon.is_strongly(soon.tag.as_bytes()));
        assert!(!later.is_weakly(b"\"other\""));
    }

    #[test]
    fn a_change_of_time_or_length_makes_another_tag() {
        let (file, modified) = file();
        let now = modified + Duration::from_secs(10);
        let before = validators(&file, now).tag;
        file.set_len(1).expect("longer");
        file.set_modified(modified).expect("its time is set");
        let longer = validators(&file, now).tag;
        file.set_modified(modified + Duration::from_nanos(1_000))
            .expect("its time is set");
        let touched = validators(&file, now).tag;
        assert!(before != longer && longer != touched && before != touched);
    }

    #[test]
    fn a_date_in_the_future_is_now() {
        let (file, modified) = file();
        file.set_modified(modified + Duration::from_secs(1000))
            .expect("its time is set");
        let validators = validators(&file, modified);
        assert_eq!(validators.modified, whole_second(modified));
        assert!(!validators.is_settled);
    }
}
