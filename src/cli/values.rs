//! Parsers of option values: what was typed becomes what it means, or a sentence about what was expected.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// A point in time as an operator writes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    /// So long before now.
    Ago(Duration),
    /// Seconds since the epoch.
    At(f64),
}

impl When {
    /// Seconds since the epoch, given the present.
    pub fn seconds(self, now: SystemTime) -> f64 {
        match self {
            When::At(seconds) => seconds,
            When::Ago(ago) => {
                let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                now.as_secs_f64() - ago.as_secs_f64()
            }
        }
    }
}

/// A length of time: a number of seconds, or numbers with `ms`, `s`, `m`, `h` or `d` behind them, such as `1h30m`.
pub fn duration(text: &str) -> Result<Duration, String> {
    const EXPECTED: &str = "expected a time such as 30s, 2m, 1h30m or a number of seconds";
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|_| EXPECTED.to_owned());
    }
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or(EXPECTED)?;
        let number: f64 = rest[..digits].parse().map_err(|_| EXPECTED)?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        total += number * unit(&rest[..letters]).ok_or(EXPECTED)?;
        rest = &rest[letters..];
    }
    if text.is_empty() {
        return Err(EXPECTED.to_owned());
    }
    Duration::try_from_secs_f64(total).map_err(|_| EXPECTED.to_owned())
}

/// Seconds in one of the units that operators write.
fn unit(name: &str) -> Option<f64> {
    match name {
        "ms" | "msec" => Some(0.001),
        "s" | "sec" | "secs" => Some(1.0),
        "m" | "min" | "mins" => Some(60.0),
        "h" | "hr" | "hrs" => Some(3600.0),
        "d" | "day" | "days" => Some(86400.0),
        _ => None,
    }
}

/// A point in time: `10m` (ago), `2026-03-01T12:00:00Z`, `2026-03-01 12:00` (local time), `2026-03-01`, or seconds since
/// the epoch as `@1772366400` or with at least nine digits, as `log` prints them.
pub fn when(text: &str) -> Result<When, String> {
    if let Some(epoch) = text.strip_prefix('@') {
        return epoch.parse().map(When::At).map_err(|_| "expected seconds since the epoch after `@`".to_owned());
    }
    if let Ok(seconds) = text.parse::<f64>() {
        return match seconds >= 1e8 {
            true => Ok(When::At(seconds)),
            false => duration(text).map(When::Ago),
        };
    }
    if let Ok(ago) = duration(text) {
        return Ok(When::Ago(ago));
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(When::At(at.as_millisecond() as f64 / 1000.0));
    }
    let local = text.parse::<DateTime>().ok().and_then(|at| at.to_zoned(TimeZone::system()).ok());
    match local {
        Some(at) => Ok(When::At(at.timestamp().as_millisecond() as f64 / 1000.0)),
        None => Err("expected a time ago such as 10m, a date such as 2026-03-01 or 2026-03-01T12:00:00Z, \
                     or seconds since the epoch such as @1772366400"
            .to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_add_up_their_parts() {
        let check =
            |text: &str, seconds: f64| assert_eq!(duration(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        check("30s", 30.0);
        check("1.5", 1.5);
        check("250ms", 0.25);
        check("1h30m", 5400.0);
        check("30days", 2_592_000.0);
    }

    #[test]
    fn durations_refuse_what_is_no_time() {
        for text in ["", "s", "10x", "-3", "1h30", "nan", "1e300", "é5s", "5é"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_ago_or_absolute() {
        assert_eq!(when("10m"), Ok(When::Ago(Duration::from_secs(600))));
        assert_eq!(when("90"), Ok(When::Ago(Duration::from_secs(90))));
        assert_eq!(when("@1772366400"), Ok(When::At(1_772_366_400.0)));
        assert_eq!(when("1772366400.5"), Ok(When::At(1_772_366_400.5)));
        assert_eq!(when("2026-03-01T12:00:00Z"), Ok(When::At(1_772_366_400.0)));
        assert!(matches!(when("2026-03-01"), Ok(When::At(_))));
        assert!(matches!(when("2026-03-01 12:00"), Ok(When::At(_))));
        assert!(when("yesterday").is_err());
    }

    #[test]
    fn ago_counts_back_from_now() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        assert_eq!(When::Ago(Duration::from_secs(400)).seconds(now), 600.0);
    }
}
