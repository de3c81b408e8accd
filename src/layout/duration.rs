//! Durations as operators write them: `10s`, `500ms`, `30days`, and Zeek's `1sec`, `2 min`, `1.5hrs`.

use std::time::Duration;

/// What is expected where a duration is.
pub(crate) const EXPECTED: &str = "a duration such as `500ms`, `10s`, `5min`, `1hr` or `30days`";
/// Longer durations are refused: a century.
const MAX_SECONDS: f64 = 100.0 * 365.25 * 86_400.0;

/// Units and their seconds.
const UNITS: [(&[&str], f64); 7] = [
    (&["us", "usec", "usecs"], 1e-6),
    (&["ms", "msec", "msecs"], 1e-3),
    (&["s", "sec", "secs", "second", "seconds"], 1.0),
    (&["m", "min", "mins", "minute", "minutes"], 60.0),
    (&["h", "hr", "hrs", "hour", "hours"], 3600.0),
    (&["d", "day", "days"], 86_400.0),
    (&["w", "week", "weeks"], 604_800.0),
];

/// Reads a duration; a bare `0` is one, any other number needs its unit.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic()).trim_end();
    let unit = text[digits.len()..].trim_start();
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return None;
    }
    let number: f64 = digits.parse().ok()?;
    let factor = match UNITS.iter().find(|(names, _)| names.contains(&unit)) {
        Some((_, factor)) => *factor,
        None if unit.is_empty() && number == 0.0 => 1.0,
        None => return None,
    };
    let seconds = number * factor;
    // Through whole nanoseconds, so that `0.1s` is 100 ms and not the nearest binary fraction.
    (seconds <= MAX_SECONDS).then(|| Duration::from_nanos((seconds * 1e9).round() as u64))
}

/// Writes a duration in the largest unit that leaves a whole number.
pub(crate) fn format(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let units = [
        ("days", 86_400_000_000_000),
        ("hr", 3_600_000_000_000),
        ("min", 60_000_000_000),
        ("s", 1_000_000_000),
        ("ms", 1_000_000),
    ];
    match units.iter().find(|(_, size)| nanos != 0 && nanos.is_multiple_of(*size)) {
        Some((unit, size)) => format!("{}{unit}", nanos / size),
        None if nanos == 0 => "0s".to_owned(),
        None => format!("{}us", nanos / 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<u64>) {
        assert_eq!(parse(text), expected.map(Duration::from_micros), "{text}");
    }

    #[test]
    fn our_and_zeeks_spellings() {
        check("10s", Some(10_000_000));
        check("1hr", Some(3_600_000_000));
        check("30days", Some(30 * 86_400_000_000));
        check("500ms", Some(500_000));
        check("1sec", Some(1_000_000));
        check("2 min", Some(120_000_000));
        check("0.1s", Some(100_000));
        check("0", Some(0));
        check("10usecs", Some(10));
    }

    #[test]
    fn what_has_no_unit_or_no_number_is_no_duration() {
        for text in ["", "10", "s", "-1s", "1.2.3s", "1 fortnight", "999999weeks", "1e3s", "ä", "1ä"] {
            check(text, None);
        }
    }

    #[test]
    fn written_durations_read_back() {
        for text in ["10s", "1hr", "30days", "500ms", "7us", "0s", "90min"] {
            assert_eq!(format(parse(text).expect(text)), text);
        }
    }
}
