//! Times as eyes read them.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::time::{SystemTime, UNIX_EPOCH};

/// A length of time in its two largest units: `43s`, `12m 3s`, `5h 40m`, `12d 4h`.
pub fn span(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as u64;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

/// Bytes in the largest unit of which there is one, such as `812 B`, `12.1 GiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut size = bytes as f64;
    let mut unit = "B";
    for next in UNITS {
        // What would be rounded to 1024 is one of the next unit.
        if size < 1023.95 {
            break;
        }
        (size, unit) = (size / 1024.0, next);
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{size:.1} {unit}") }
}

/// How long ago a moment was, such as `12m 3s ago`; `-` when there is none.
pub fn ago(since: Option<f64>) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    since.map_or_else(|| "-".to_owned(), |since| format!("{} ago", span(now - since)))
}

/// How soon a moment comes, such as `in 2m 10s`.
pub fn until(at: f64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    format!("in {}", span((at - now).max(0.0)))
}

/// A moment in local time, to the millisecond: `2026-03-01 12:00:00.123`.
pub fn local_time(ts: f64) -> String {
    let moment = Timestamp::from_microsecond((ts * 1e6) as i64).unwrap_or_default();
    moment.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S.%3f").to_string()
}

/// A moment in local time as short as it can be said: `14:02:11` today, else with its date.
pub fn clock(ts: f64) -> String {
    let local = |at: Timestamp| at.to_zoned(TimeZone::system());
    let moment = local(Timestamp::from_microsecond((ts * 1e6) as i64).unwrap_or_default());
    let format = if moment.date() == local(Timestamp::now()).date() { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" };
    moment.strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_one_digit_behind_the_point() {
        let check = |bytes: u64, expected: &str| assert_eq!(size(bytes), expected);
        check(0, "0 B");
        check(1023, "1023 B");
        check(1024, "1.0 KiB");
        check(1_048_575, "1.0 MiB");
        check(13_000_000_000, "12.1 GiB");
        check(u64::MAX, "16.0 EiB");
    }

    #[test]
    fn spans_have_two_units_at_most() {
        let check = |seconds: f64, expected: &str| assert_eq!(span(seconds), expected);
        check(-1.0, "0s");
        check(43.9, "43s");
        check(723.0, "12m 3s");
        check(20_400.0, "5h 40m");
        check(1_051_200.0, "12d 4h");
        assert_eq!(ago(None), "-");
    }
}
