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

/// How long ago a moment was, such as `12m 3s ago`; `-` when there is none.
pub fn ago(since: Option<f64>) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    since.map_or_else(|| "-".to_owned(), |since| format!("{} ago", span(now - since)))
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
