//! The `date` field's format (RFC 9110, section 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// `time` as HTTP writes it; times before 1970 as its first second.
pub fn http_date(time: SystemTime) -> String {
    let seconds = time
        .duration_since(UNIX_EPOCH)
        .map_or(0, |age| age.as_secs());
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, date) = civil(day);
    let week_day = DAYS[(day % 7) as usize];
    let name = MONTHS[(month - 1) as usize];
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{week_day}, {date:02} {name} {year} {hour:02}:{minute:02}:{second:02} GMT")
}

thread_local! {
    /// The second that was written last.
    static LAST: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
}

/// Appends `now` as HTTP writes it. Each thread works it out once a second.
pub(crate) fn write_date(now: SystemTime, out: &mut Vec<u8>) {
    let seconds = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |age| age.as_secs());
    LAST.with_borrow_mut(|(second, text)| {
        if *second != seconds {
            *text = http_date(now);
            *second = seconds;
        }
        out.extend_from_slice(text.as_bytes());
    });
}

/// Year, month (1 to 12) and day of the month, of a day counted from 1970-01-01 (Hinnant's
/// `civil_from_days`, for days that are not negative).
pub fn civil(day: u64) -> (u64, u64, u64) {
    let shifted = day + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, date)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_second_is_written_as_it_is_after_another() {
        let written = |seconds| {
            let mut out = Vec::new();
            write_date(UNIX_EPOCH + Duration::from_millis(seconds), &mut out);
            String::from_utf8(out).expect("text")
        };
        assert_eq!(written(784_111_777_000), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(written(784_111_777_999), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(written(784_111_778_000), "Sun, 06 Nov 1994 08:49:38 GMT");
    }

    #[test]
    fn dates_are_those_of_the_rfc() {
        let check = |seconds, expected: &str| {
            assert_eq!(
                http_date(UNIX_EPOCH + Duration::from_secs(seconds)),
                expected
            );
        };
        check(784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT");
        check(0, "Thu, 01 Jan 1970 00:00:00 GMT");
        check(951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT");
        check(4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT");
    }
}
