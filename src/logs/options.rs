//! How a logger is set up, from a node's configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::ascii::{AsciiOptions, JsonStringEscapes, JsonTimestamps};
use super::batcher::FLUSH_INTERVAL;
use super::report::Report;
use crate::api::config::{Compress, LogFormat, NodeConfig, OptionValue};
use crate::api::paths::ClusterDir;
use crate::troubles::Troubles;

/// Who hears of what a logger has to say; called on the logger's threads, so it must not block. The number says how
/// many more of the kind were left out since the last one.
pub type ReportSink = Arc<dyn Fn(&Report, u64) + Send + Sync>;

/// How a [`Logger`](super::Logger) works.
#[derive(Clone)]
pub struct LoggerOptions {
    /// The logger's node name: its own records carry it.
    pub node: String,
    /// Where files are written, `logs/current/NAME/`; made when it is not there. It belongs to this logger alone.
    pub current_dir: PathBuf,
    /// Where rotated files go, `logs/`: into `YYYY-MM-DD/` folders.
    pub archive_dir: PathBuf,
    /// `LogAscii::…`.
    pub ascii: AsciiOptions,
    /// `Log::flush_interval`: how long a record may wait while more arrive; when none arrive it does not wait. Zero, as in
    /// Zeek 9: a file is written only when 1,000 records wait for it (`Log::write_buffer_size`) or 128 KiB, at rotation
    /// and at the end.
    pub flush_interval: Duration,
    /// `Log::default_rotation_interval`; zero never rotates.
    pub rotation_interval: Duration,
    /// Compress rotated files with gzip.
    pub compress: bool,
    /// Appended to archived names as `-SUFFIX`, so that several loggers never collide.
    pub suffix: Option<String>,
    /// Day folders whose day ended longer ago than this are removed; none keeps all.
    pub expire: Option<Duration>,
    /// Octets of batches that may wait; whoever brings more waits. As many again may be in work.
    pub queue_bytes: usize,
    /// The time zone of file names, `#open`, and of the local day.
    pub time_zone: TimeZone,
    /// Who hears of trouble; without one it goes to `tracing`.
    pub report: Option<ReportSink>,
    /// Where it is shown as long as it lasts.
    pub troubles: Troubles,
}

/// Octets of batches that may wait unless told otherwise.
pub const QUEUE_BYTES: usize = 4 << 20;

/// Why the options of a configuration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// The value does not have the option's type or range.
    #[error("option {name}: expected {expected}, found {found}")]
    Value {
        /// The option.
        name: String,
        /// What would have been right.
        expected: &'static str,
        /// What is there.
        found: String,
    },
}

impl LoggerOptions {
    /// Zeek's defaults: TSV, no rotation, no compression, the system's time zone.
    pub fn new(node: &str, current_dir: impl Into<PathBuf>, archive_dir: impl Into<PathBuf>) -> LoggerOptions {
        LoggerOptions {
            node: node.to_owned(),
            current_dir: current_dir.into(),
            archive_dir: archive_dir.into(),
            ascii: AsciiOptions::default(),
            flush_interval: FLUSH_INTERVAL,
            rotation_interval: Duration::ZERO,
            compress: false,
            suffix: None,
            expire: None,
            queue_bytes: QUEUE_BYTES,
            time_zone: TimeZone::system(),
            report: None,
            troubles: Troubles::default(),
        }
    }

    /// What a node's configuration says: `logging`, and the options `LogAscii::…` and `Log::…`, which win over it.
    ///
    /// # Errors
    /// [`OptionError`] as from [`LoggerOptions::redef`].
    pub fn from_config(config: &NodeConfig, dir: &ClusterDir) -> Result<LoggerOptions, OptionError> {
        let logging = &config.logging;
        let mut options = LoggerOptions::new(&config.name, dir.logs_current(&config.name), dir.logs());
        options.ascii.use_json = logging.format == LogFormat::Json;
        options.rotation_interval = Duration::from_secs(logging.rotation_interval_s);
        options.compress = logging.compress == Compress::Gzip;
        options.suffix.clone_from(&logging.suffix);
        options.expire = (logging.expire_s > 0).then(|| Duration::from_secs(logging.expire_s));
        options.redef(&config.options)?;
        Ok(options)
    }

    /// Takes the options that concern logs from a table of redefinitions; the others are left alone.
    /// `LogAscii::enable_leftover_log_rotation` is always on, whatever it says.
    ///
    /// # Errors
    /// [`OptionError`] for the first option whose value is of another type, or out of its range. Options that came
    /// before it have been taken.
    pub fn redef(&mut self, options: &BTreeMap<String, OptionValue>) -> Result<(), OptionError> {
        options.iter().try_for_each(|(name, value)| self.redef_one(name, value))
    }

    fn redef_one(&mut self, name: &str, value: &OptionValue) -> Result<(), OptionError> {
        let option = Named { name, value };
        let ascii = &mut self.ascii;
        match name {
            "LogAscii::use_json" => ascii.use_json = option.bool()?,
            "LogAscii::json_timestamps" => ascii.json_timestamps = option.timestamps()?,
            "LogAscii::json_string_escape_policy" => ascii.json_string_escape_policy = option.string_escapes()?,
            "LogAscii::json_include_unset_fields" => ascii.json_include_unset_fields = option.bool()?,
            "LogAscii::include_meta" => ascii.include_meta = option.bool()?,
            "LogAscii::meta_prefix" => ascii.meta_prefix = option.text()?.into(),
            "LogAscii::separator" | "Log::separator" => ascii.separator = option.separator()?,
            "LogAscii::set_separator" | "Log::set_separator" => ascii.set_separator = option.separator()?,
            "LogAscii::empty_field" | "Log::empty_field" => ascii.empty_field = option.text()?.into(),
            "LogAscii::unset_field" | "Log::unset_field" => ascii.unset_field = option.text()?.into(),
            "LogAscii::enable_utf_8" => ascii.enable_utf_8 = option.bool()?,
            "LogAscii::gzip_level" => ascii.gzip_level = option.gzip_level()?,
            "LogAscii::gzip_file_extension" => ascii.gzip_file_extension = option.extension()?,
            "LogAscii::output_to_stdout" if option.bool()? => return Err(option.wrong("F: a logger writes files")),
            "LogAscii::tsv" => ascii.tsv = option.bool()?,
            "Log::flush_interval" => self.flush_interval = option.interval()?,
            "Log::default_rotation_interval" => self.rotation_interval = option.interval()?,
            _ => {}
        }
        Ok(())
    }
}

/// What of the options can change while a logger works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tuning {
    pub(super) flush_interval: Duration,
    pub(super) rotation_interval: Duration,
    pub(super) compress: bool,
    pub(super) expire: Option<Duration>,
}

impl LoggerOptions {
    pub(super) fn tuning(&self) -> Tuning {
        Tuning {
            flush_interval: self.flush_interval,
            rotation_interval: self.rotation_interval,
            compress: self.compress,
            expire: self.expire,
        }
    }
}

impl std::fmt::Debug for LoggerOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoggerOptions")
            .field("node", &self.node)
            .field("current_dir", &self.current_dir)
            .field("archive_dir", &self.archive_dir)
            .field("ascii", &self.ascii)
            .field("flush_interval", &self.flush_interval)
            .field("rotation_interval", &self.rotation_interval)
            .field("compress", &self.compress)
            .field("suffix", &self.suffix)
            .field("expire", &self.expire)
            .field("queue_bytes", &self.queue_bytes)
            .finish_non_exhaustive()
    }
}

/// An option and what the layout says about it.
struct Named<'a> {
    name: &'a str,
    value: &'a OptionValue,
}

impl Named<'_> {
    fn wrong(&self, expected: &'static str) -> OptionError {
        let found = match self.value {
            OptionValue::Bool(v) => v.to_string(),
            OptionValue::Int(v) => v.to_string(),
            OptionValue::Real(v) => v.to_string(),
            OptionValue::Text(v) => format!("'{v}'"),
            OptionValue::List(_) => "a list".to_owned(),
        };
        OptionError::Value { name: self.name.to_owned(), expected, found }
    }

    fn bool(&self) -> Result<bool, OptionError> {
        match self.value {
            OptionValue::Bool(v) => Ok(*v),
            OptionValue::Text(v) if v == "T" => Ok(true),
            OptionValue::Text(v) if v == "F" => Ok(false),
            _ => Err(self.wrong("T or F")),
        }
    }

    fn text(&self) -> Result<&str, OptionError> {
        match self.value {
            OptionValue::Text(v) => Ok(v),
            _ => Err(self.wrong("a string")),
        }
    }

    /// A separator, where `\xNN` may stand for an octet as in a script.
    fn separator(&self) -> Result<Vec<u8>, OptionError> {
        let octets = unescape(self.text()?);
        if octets.is_empty() { Err(self.wrong("a separator of at least one character")) } else { Ok(octets) }
    }

    fn extension(&self) -> Result<String, OptionError> {
        let text = self.text()?;
        let fits = text.bytes().all(|octet| octet.is_ascii_alphanumeric());
        if fits { Ok(text.to_owned()) } else { Err(self.wrong("letters and digits")) }
    }

    fn gzip_level(&self) -> Result<u32, OptionError> {
        match self.value {
            OptionValue::Int(v @ 0..=9) => Ok(*v as u32),
            _ => Err(self.wrong("a number between 0 and 9")),
        }
    }

    fn timestamps(&self) -> Result<JsonTimestamps, OptionError> {
        Ok(match self.text()? {
            "JSON::TS_EPOCH" => JsonTimestamps::Epoch,
            "JSON::TS_MILLIS" => JsonTimestamps::Millis,
            "JSON::TS_MILLIS_UNSIGNED" => JsonTimestamps::MillisUnsigned,
            "JSON::TS_ISO8601" => JsonTimestamps::Iso8601,
            _ => {
                let known = "JSON::TS_EPOCH, JSON::TS_MILLIS, JSON::TS_MILLIS_UNSIGNED or JSON::TS_ISO8601";
                return Err(self.wrong(known));
            }
        })
    }

    fn string_escapes(&self) -> Result<JsonStringEscapes, OptionError> {
        Ok(match self.text()? {
            "JSON::STRING_ESCAPE_POLICY_HEX" => JsonStringEscapes::Hex,
            "JSON::STRING_ESCAPE_POLICY_PUA" => JsonStringEscapes::Pua,
            "JSON::STRING_ESCAPE_POLICY_TSV" => JsonStringEscapes::Tsv,
            _ => {
                return Err(self.wrong(
                    "JSON::STRING_ESCAPE_POLICY_HEX, JSON::STRING_ESCAPE_POLICY_PUA or JSON::STRING_ESCAPE_POLICY_TSV",
                ));
            }
        })
    }

    /// An interval as Zeek writes it (`1sec`, `1.5 min`, `1hr`, `30days`), or a number of seconds.
    fn interval(&self) -> Result<Duration, OptionError> {
        let seconds = match self.value {
            OptionValue::Int(v) => Some(*v as f64),
            OptionValue::Real(v) => Some(*v),
            OptionValue::Text(v) => interval_seconds(v),
            _ => None,
        };
        let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        duration.ok_or_else(|| self.wrong("an interval such as 1sec, 5min or 1hr"))
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.strip_prefix(b"x").and_then(|digits| digits.get(..2)).and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 16).ok()
        });
        let (octet, used) = match (first, hex, after.first()) {
            (b'\\', Some(octet), _) => (octet, 4),
            (b'\\', None, Some(b't')) => (b'\t', 2),
            (b'\\', None, Some(b'\\')) => (b'\\', 2),
            _ => (*first, 1),
        };
        octets.push(octet);
        rest = &rest[used..];
    }
    octets
}

fn interval_seconds(text: &str) -> Option<f64> {
    let text = text.trim();
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let number: f64 = text[..unit_at].trim().parse().ok()?;
    let unit = &text[unit_at..];
    let seconds = match unit.strip_suffix('s').unwrap_or(unit) {
        "day" => 86_400.0,
        "hr" => 3_600.0,
        "min" => 60.0,
        "sec" | "" => 1.0,
        "msec" => 1e-3,
        "usec" => 1e-6,
        _ => return None,
    };
    Some(number * seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redef(name: &str, value: OptionValue) -> Result<LoggerOptions, OptionError> {
        let mut options = LoggerOptions::new("logger", "current", "logs");
        options.redef(&BTreeMap::from([(name.to_owned(), value)]))?;
        Ok(options)
    }

    fn text(value: &str) -> OptionValue {
        OptionValue::Text(value.to_owned())
    }

    #[test]
    fn intervals_are_read_as_zeek_writes_them() {
        for (given, seconds) in [("1sec", 1.0), ("5 mins", 300.0), ("1.5hr", 5400.0), ("30days", 2_592_000.0)] {
            let options = redef("Log::default_rotation_interval", text(given)).unwrap();
            assert_eq!(options.rotation_interval.as_secs_f64(), seconds, "{given}");
        }
        assert!(redef("Log::flush_interval", text("soon")).is_err());
        assert!(redef("Log::flush_interval", OptionValue::Int(-1)).is_err());
    }

    #[test]
    fn ascii_options_have_zeeks_names() {
        assert!(redef("LogAscii::use_json", text("T")).unwrap().ascii.use_json);
        assert_eq!(redef("LogAscii::separator", text("\\x7c")).unwrap().ascii.separator, b"|");
        assert_eq!(redef("LogAscii::gzip_level", OptionValue::Int(6)).unwrap().ascii.extension(), "log.gz");
        let error = redef("LogAscii::gzip_level", OptionValue::Int(10)).unwrap_err();
        assert_eq!(error.to_string(), "option LogAscii::gzip_level: expected a number between 0 and 9, found 10");
        assert!(redef("LogAscii::gzip_file_extension", text("../x")).is_err());
        let policy = |policy| redef("LogAscii::json_string_escape_policy", text(policy));
        let pua = policy("JSON::STRING_ESCAPE_POLICY_PUA").unwrap().ascii.json_string_escape_policy;
        assert_eq!(pua, JsonStringEscapes::Pua);
        assert!(policy("JSON::STRING_ESCAPE_POLICY_XML").is_err());
        assert!(redef("Cluster::retry_interval", text("1sec")).is_ok());
    }
}
