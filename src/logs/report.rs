//! What a logger has to say about its work, in Zeek's words where Zeek has some.

use std::collections::HashMap;
use std::mem::Discriminant;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::options::ReportSink;

/// Something that an operator should know. One kind about one thing is told at most once in ten seconds; the callback of
/// [`LoggerOptions::report`](super::LoggerOptions::report) hears how often it happened in between.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Report {
    /// A batch was dropped because its format is unknown.
    #[error("log batch from {sender} has the unknown format '{format}', want 'zeek-bin-serializer'")]
    Format {
        /// The sender's node id.
        sender: String,
        /// The name that came.
        format: String,
    },
    /// A batch was dropped because it could not be read.
    #[error("log batch from {sender} dropped: {error}")]
    Undecodable {
        /// The sender's node id.
        sender: String,
        /// What is wrong, in Zeek's words.
        error: crate::wire::log_batch::BatchError,
    },
    /// A batch was dropped because its stream or writer is unknown here.
    #[error(
        "Failed to populate enum vals from stream_name='{stream}' writer_name='{writer}' (log batch from {sender})"
    )]
    UnknownWriter {
        /// The sender's node id.
        sender: String,
        /// The batch's stream.
        stream: String,
        /// The batch's writer.
        writer: String,
    },
    /// A batch was dropped because it has another number of columns than the first one of its filter.
    #[error(
        "Remote write failed: Local filter '{filter}' of stream '{stream}' has '{want}' fields, got {got} (log batch from {sender})"
    )]
    FieldCount {
        /// The sender's node id.
        sender: String,
        /// The batch's stream.
        stream: String,
        /// The batch's filter.
        filter: String,
        /// Columns of the first batch.
        want: usize,
        /// Columns of this batch.
        got: usize,
    },
    /// A batch was dropped because a column has another type than in the first one of its filter.
    #[error(
        "Remote write failed: fields[{field}] got type {got}, want {want} for stream '{stream}' and filter '{filter}' (log batch from {sender})"
    )]
    FieldType {
        /// The sender's node id.
        sender: String,
        /// The batch's stream.
        stream: String,
        /// The batch's filter.
        filter: String,
        /// Which column, from 0.
        field: usize,
        /// Type in the first batch.
        want: &'static str,
        /// Type in this batch.
        got: &'static str,
    },
    /// A batch was dropped because it has another writer than the first one of its filter.
    #[error(
        "Remote write failed: Local filter '{filter}' of stream '{stream}' has writer '{want}', got '{got}' (log batch from {sender})"
    )]
    Writer {
        /// The sender's node id.
        sender: String,
        /// The batch's stream.
        stream: String,
        /// The batch's filter.
        filter: String,
        /// Writer of the first batch.
        want: String,
        /// Writer of this batch.
        got: String,
    },
    /// A batch was dropped because its path cannot be a file's name, or another stream writes that file already.
    #[error(
        "Failed to create writer {writer} for filter '{filter}' of stream '{stream}': path '{path}' {reason} (log batch from {sender})"
    )]
    Path {
        /// The sender's node id.
        sender: String,
        /// The batch's stream.
        stream: String,
        /// The batch's filter.
        filter: String,
        /// The batch's writer.
        writer: String,
        /// The batch's path.
        path: String,
        /// Why.
        reason: String,
    },
    /// A file cannot be opened or written; what is to be written is kept and tried again every second, and senders wait.
    #[error("cannot write {}: {error}; {pending} octets wait", path.display())]
    Stalled {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: String,
        /// Octets that wait for this file.
        pending: usize,
    },
    /// A file can be written again.
    #[error("writing {} again", path.display())]
    Resumed {
        /// The file.
        path: PathBuf,
    },
    /// Records are lost, because the logger had to end while a file could not be written.
    #[error("{octets} octets for {} are lost: {error}", path.display())]
    Lost {
        /// The file.
        path: PathBuf,
        /// Octets that were never written.
        octets: usize,
        /// What the system says.
        error: String,
    },
    /// A rotated file could not be archived; it stays where it is and is tried again at the next rotation and start.
    #[error("cannot archive {}: {error}; the file stays there", path.display())]
    Archive {
        /// The rotated file.
        path: PathBuf,
        /// What the system says.
        error: String,
    },
    /// Files of a run that ended without closing them are archived now.
    #[error("archiving {count} files that an earlier run left")]
    Leftovers {
        /// How many.
        count: usize,
    },
    /// An expired day folder could not be removed.
    #[error("cannot remove the expired {}: {error}", path.display())]
    Expire {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        error: String,
    },
}

impl Report {
    /// What the report is about: with its kind, what repeats are recognised by.
    fn subject(&self) -> String {
        match self {
            Report::Format { sender, .. } | Report::Undecodable { sender, .. } => sender.clone(),
            Report::UnknownWriter { stream, .. }
            | Report::FieldCount { stream, .. }
            | Report::FieldType { stream, .. }
            | Report::Writer { stream, .. } => stream.clone(),
            Report::Path { path, .. } => path.clone(),
            Report::Stalled { path, .. }
            | Report::Resumed { path }
            | Report::Lost { path, .. }
            | Report::Archive { path, .. }
            | Report::Expire { path, .. } => path.display().to_string(),
            Report::Leftovers { .. } => String::new(),
        }
    }

    /// Whether nothing is wrong any more, or never was.
    fn is_good_news(&self) -> bool {
        matches!(self, Report::Resumed { .. } | Report::Leftovers { .. })
    }
}

/// How long a kind of report about one thing is kept back after it was told.
const QUIET: Duration = Duration::from_secs(10);
/// The most things that are remembered.
const MAX_SUBJECTS: usize = 1024;

/// Tells reports, but not each repeat.
pub(super) struct Reporter {
    sink: Option<ReportSink>,
    told: Mutex<HashMap<(Discriminant<Report>, String), Told>>,
}

#[derive(Debug)]
struct Told {
    at: Instant,
    kept_back: u64,
}

impl std::fmt::Debug for Reporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reporter").finish_non_exhaustive()
    }
}

impl Reporter {
    pub(super) fn new(sink: Option<ReportSink>) -> Reporter {
        Reporter { sink, told: Mutex::new(HashMap::new()) }
    }

    /// Tells a report, unless the same was told a moment ago.
    pub(super) fn tell(&self, report: &Report, now: Instant) {
        if let Some(more) = self.admit(report, now) {
            match &self.sink {
                Some(sink) => sink(report, more),
                None if report.is_good_news() => tracing::info!(more, "{report}"),
                None => tracing::warn!(more, "{report}"),
            }
        }
    }

    /// How many were kept back since the last one; none if this one is kept back as well.
    fn admit(&self, report: &Report, now: Instant) -> Option<u64> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (std::mem::discriminant(report), report.subject());
        if let Some(last) = told.get_mut(&key) {
            if now.saturating_duration_since(last.at) < QUIET {
                last.kept_back += 1;
                return None;
            }
            last.at = now;
            return Some(std::mem::take(&mut last.kept_back));
        }
        if told.len() >= MAX_SUBJECTS {
            told.clear();
        }
        told.insert(key, Told { at: now, kept_back: 0 });
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_counted_instead_of_told() {
        let reporter = Reporter::new(None);
        let report = Report::Format { sender: "a".into(), format: "x".into() };
        let other = Report::Format { sender: "b".into(), format: "x".into() };
        let now = Instant::now();
        assert_eq!(reporter.admit(&report, now), Some(0));
        assert_eq!(reporter.admit(&report, now), None);
        assert_eq!(reporter.admit(&other, now), Some(0));
        assert_eq!(reporter.admit(&report, now + QUIET), Some(1));
        assert_eq!(reporter.admit(&report, now + QUIET + QUIET), Some(0));
    }
}
