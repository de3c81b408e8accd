//! Times and spans: 64-bit nanoseconds here and on the wire, doubles of seconds in Zeek's scripts and logs.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Data;

const NS_PER_SECOND: f64 = 1e9;

/// Nanoseconds of `seconds`, cut in double arithmetic as Zeek does it, so present times carry an error of up to 240 ns.
/// Out of range (NaN, infinities, ±292 years) it is `i64::MIN`, as on x86-64. Source: `formats.md` 4.4.
pub fn ns_from_seconds(seconds: f64) -> i64 {
    let ns = seconds * NS_PER_SECOND;
    // 2^63 as a double is one more than the greatest i64.
    if ns >= i64::MIN as f64 && ns < i64::MAX as f64 { ns as i64 } else { i64::MIN }
}

/// Seconds of `ns`, as Zeek's scripts see them.
pub fn seconds_from_ns(ns: i64) -> f64 {
    ns as f64 / NS_PER_SECOND
}

/// Nanoseconds since the epoch, negative before it; clamped to the years 1677 to 2262.
pub fn ns_from_system_time(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => clamped(after),
        Err(before) => -clamped(before.duration()),
    }
}

/// The time `ns` nanoseconds after the epoch, or before it when negative.
pub fn system_time_from_ns(ns: i64) -> SystemTime {
    let distance = Duration::from_nanos(ns.unsigned_abs());
    if ns < 0 { UNIX_EPOCH - distance } else { UNIX_EPOCH + distance }
}

fn clamped(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

impl From<SystemTime> for Data {
    fn from(time: SystemTime) -> Data {
        Data::Timestamp(ns_from_system_time(time))
    }
}

impl From<Duration> for Data {
    fn from(span: Duration) -> Data {
        Data::Timespan(clamped(span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_cut_to_nanoseconds_and_out_of_range_is_the_minimum() {
        assert_eq!(ns_from_seconds(1_700_000_000.5), 1_700_000_000_500_000_000);
        assert_eq!(ns_from_seconds(-1.0), -1_000_000_000);
        assert_eq!(ns_from_seconds(1.9e-9), 1);
        for beyond in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e10, -1e10] {
            assert_eq!(ns_from_seconds(beyond), i64::MIN);
        }
        assert_eq!(seconds_from_ns(1_500_000_000), 1.5);
    }

    #[test]
    fn system_times_go_both_ways_on_both_sides_of_the_epoch() {
        for ns in [0, 1, -1, 1_700_000_000_123_456_789, i64::MIN + 1, i64::MAX] {
            assert_eq!(ns_from_system_time(system_time_from_ns(ns)), ns);
        }
    }
}
