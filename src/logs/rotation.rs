//! When files rotate and what they are called then. Time and time zone are arguments.
//!
//! Source: `protocol/cluster.md` 2.5 and 2.6 (Zeek's `calc_next_rotate`, zeekctl's `make-archive-name`).

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// The longest name of a file on Linux, in octets.
const MAX_FILE_NAME: usize = 255;

/// How times look in `#open`, `#close` and rotated names.
const TIME_FORMAT: &str = "%Y-%m-%d-%H-%M-%S";

/// The first multiple of `interval` after `now`, counted from the start of the local day as Zeek does it; none if it
/// never comes (an interval of zero).
pub(super) fn next_rotation(now: Timestamp, interval: Duration, zone: &TimeZone) -> Option<Timestamp> {
    let interval = i128::try_from(interval.as_nanos()).ok().filter(|nanos| *nanos > 0)?;
    let midnight = now.to_zoned(zone.clone()).start_of_day().ok()?.timestamp();
    let since = now.as_nanosecond() - midnight.as_nanosecond();
    Timestamp::from_nanosecond(midnight.as_nanosecond() + (since / interval + 1) * interval).ok()
}

/// A time as `#open` has it.
pub(super) fn stamp(at: Timestamp, zone: &TimeZone) -> String {
    local(at, zone).strftime(TIME_FORMAT).to_string()
}

/// The local time without its fraction of a second.
pub(super) fn local(at: Timestamp, zone: &TimeZone) -> DateTime {
    let time = zone.to_datetime(at);
    time.saturating_sub(i64::from(time.subsec_nanosecond()).nanoseconds())
}

/// A closed file that waits for its place in the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rotated {
    /// The log's path, such as `conn`.
    pub path: String,
    /// Local time of opening.
    pub opened: DateTime,
    /// Local time of closing.
    pub closed: DateTime,
    /// `log` or `log.gz`.
    pub extension: String,
}

impl Rotated {
    /// The name in the logger's own folder, `conn__OPENED__CLOSED__.log`, as Zeek names files for its archiver; `attempt`
    /// counts from 1 and tells apart what would else have the same name.
    pub(super) fn queue_name(&self, attempt: u32) -> String {
        let Rotated { path, extension, .. } = self;
        let (opened, closed) = (self.opened.strftime(TIME_FORMAT), self.closed.strftime(TIME_FORMAT));
        match attempt {
            1 => format!("{path}__{opened}__{closed}__.{extension}"),
            _ => format!("{path}__{opened}__{closed}__{attempt}.{extension}"),
        }
    }

    /// Reads such a name back; none for other files.
    pub(super) fn from_queue_name(name: &str) -> Option<Rotated> {
        let (stem, extension) = name.rsplit_once("__")?.1.split_once('.').map(|(_, extension)| {
            let stem = &name[..name.len() - extension.len() - 1];
            (stem, extension)
        })?;
        let mut parts = stem.rsplitn(4, "__").skip(1);
        let closed = DateTime::strptime(TIME_FORMAT, parts.next()?).ok()?;
        let opened = DateTime::strptime(TIME_FORMAT, parts.next()?).ok()?;
        Some(Rotated { path: parts.next()?.to_owned(), opened, closed, extension: extension.to_owned() })
    }

    /// The folder in the archive: the day of opening.
    pub(super) fn day(&self) -> String {
        self.opened.strftime("%Y-%m-%d").to_string()
    }

    /// The name in that folder, `conn.13:00:00-14:00:00[-SUFFIX].log`, and what compression appends. A path that makes it
    /// longer than a file's name may be is cut, and a number tells it from others.
    pub(super) fn archive_name(&self, suffix: Option<&str>, attempt: u32, compression: &str) -> String {
        let (opened, closed) = (self.opened.strftime("%H:%M:%S"), self.closed.strftime("%H:%M:%S"));
        let mut rest = format!(".{opened}-{closed}");
        if let Some(suffix) = suffix {
            rest.push_str(&format!("-{suffix}"));
        }
        if attempt > 1 {
            rest.push_str(&format!("-{attempt}"));
        }
        rest.push_str(&format!(".{}{compression}", self.extension));
        if self.path.len() + rest.len() <= MAX_FILE_NAME {
            return format!("{}{rest}", self.path);
        }
        let mut hasher = DefaultHasher::new();
        self.path.hash(&mut hasher);
        let number = format!("-{:08x}", hasher.finish() as u32);
        let room = MAX_FILE_NAME.saturating_sub(rest.len() + number.len());
        format!("{}{number}{rest}", &self.path[..self.path.floor_char_boundary(room)])
    }
}

/// The end of a day folder's day, in local time; none for other names.
pub(super) fn day_end(name: &str, zone: &TimeZone) -> Option<Timestamp> {
    let shape: Vec<usize> = name.split('-').map(str::len).collect();
    if shape != [4, 2, 2] {
        return None;
    }
    let date: jiff::civil::Date = name.parse().ok()?;
    Some(date.tomorrow().ok()?.to_zoned(zone.clone()).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[track_caller]
    fn check_next(now: &str, seconds: u64, zone: &str, expected: &str) {
        let zone = TimeZone::posix(zone).unwrap();
        assert_eq!(next_rotation(at(now), Duration::from_secs(seconds), &zone), Some(at(expected)));
    }

    #[test]
    fn rotation_comes_at_multiples_of_the_local_day() {
        check_next("2026-01-31T13:05:22.5Z", 3600, "UTC0", "2026-01-31T14:00:00Z");
        check_next("2026-01-31T14:00:00Z", 3600, "UTC0", "2026-01-31T15:00:00Z");
        check_next("2026-01-31T13:05:22Z", 3, "UTC0", "2026-01-31T13:05:24Z");
        // India is half an hour off.
        check_next("2026-01-31T13:05:22Z", 3600, "IST-5:30", "2026-01-31T13:30:00Z");
        check_next("2026-01-31T13:05:22Z", 86_400, "IST-5:30", "2026-01-31T18:30:00Z");
        // An interval that does not divide the day runs over midnight and is counted anew after it.
        check_next("2026-01-31T21:00:00Z", 7 * 3600, "UTC0", "2026-02-01T04:00:00Z");
        check_next("2026-02-01T04:00:00Z", 7 * 3600, "UTC0", "2026-02-01T07:00:00Z");
    }

    #[test]
    fn without_an_interval_nothing_rotates() {
        assert_eq!(next_rotation(at("2026-01-31T13:05:22Z"), Duration::ZERO, &TimeZone::UTC), None);
    }

    fn conn() -> Rotated {
        Rotated {
            path: "conn".into(),
            opened: local(at("2026-01-31T13:00:00.9Z"), &TimeZone::UTC),
            closed: local(at("2026-01-31T14:00:00Z"), &TimeZone::UTC),
            extension: "log".into(),
        }
    }

    #[test]
    fn names_are_those_of_zeek_and_zeekctl() {
        assert_eq!(conn().queue_name(1), "conn__2026-01-31-13-00-00__2026-01-31-14-00-00__.log");
        assert_eq!(conn().day(), "2026-01-31");
        assert_eq!(conn().archive_name(None, 1, ""), "conn.13:00:00-14:00:00.log");
        assert_eq!(conn().archive_name(Some("logger-2"), 3, ".gz"), "conn.13:00:00-14:00:00-logger-2-3.log.gz");
    }

    #[test]
    fn names_are_never_longer_than_a_file_may_have() {
        let long = |last: &str| Rotated { path: format!("{}{last}", "x".repeat(180)), ..conn() };
        let suffix = "s".repeat(100);
        let name = |last| long(last).archive_name(Some(&suffix), 12, ".gz");
        assert_eq!(name("a").len(), MAX_FILE_NAME);
        assert!(name("a").ends_with("-12.log.gz"));
        assert_ne!(name("a"), name("b"));
    }

    #[test]
    fn queue_names_read_back() {
        for attempt in [1, 2] {
            for path in ["conn", "a__b", "x.y"] {
                let rotated = Rotated { path: path.into(), extension: "log.gz".into(), ..conn() };
                assert_eq!(Rotated::from_queue_name(&rotated.queue_name(attempt)), Some(rotated));
            }
        }
        for name in ["conn.log", "conn__x__y__.log", "__", ""] {
            assert_eq!(Rotated::from_queue_name(name), None, "{name}");
        }
    }

    #[test]
    fn only_dates_are_day_folders() {
        assert_eq!(day_end("2026-01-31", &TimeZone::UTC), Some(at("2026-02-01T00:00:00Z")));
        for name in ["current", "2026-02-31", "20260131", "2026-1-31", "+02026-01-31"] {
            assert_eq!(day_end(name, &TimeZone::UTC), None, "{name}");
        }
    }
}
