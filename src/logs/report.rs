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
    /// A batch was dropped because its log is sent with too many lists of columns at once.
    #[error(
        "log batch of stream '{stream}' dropped: {path} is sent with more than {limit} lists of columns within a minute, {fields} columns in this one (log batch from {sender})"
    )]
    Columns {
        /// The sender's node id.
        sender: String,
        /// The batch's stream.
        stream: String,
        /// The log's path.
        path: String,
        /// Number of the batch's columns.
        fields: usize,
        /// How many lists may be in use.
        limit: usize,
    },
    /// A log has other columns from now on; what was written before is archived.
    #[error("the columns of {path} change from {before} to {after}: its file is rotated (log batch from {sender})")]
    ColumnsChanged {
        /// The sender's node id.
        sender: String,
        /// The log's path.
        path: String,
        /// Number of columns before.
        before: usize,
        /// Number of columns from now on.
        after: usize,
    },
    /// A log is sent with two lists of columns at the same time.
    #[error(
        "{path} is sent with different columns at the same time ({main} and {other}): records with the {other} of {sender} go to {}", file.display()
    )]
    ColumnsBeside {
        /// The sender's node id of the other columns.
        sender: String,
        /// The log's path.
        path: String,
        /// Number of columns of the log's file.
        main: usize,
        /// Number of the other columns.
        other: usize,
        /// The file of the other columns.
        file: PathBuf,
    },
    /// Another filter or stream writes the path already; in Zeek's words.
    #[error(
        "Write using filter '{filter}' of stream '{stream}' on path '{path}' changed to use new path '{to}' to avoid conflict"
    )]
    PathChanged {
        /// The batch's stream.
        stream: String,
        /// The batch's filter.
        filter: String,
        /// The batch's path.
        path: String,
        /// The path that is written instead.
        to: String,
    },
    /// A file was removed or replaced while it was written; a new one is begun.
    #[error(
        "{} was {} while it was written, with {octets} octets in it; a new file is begun",
        path.display(),
        if *removed { "removed" } else { "moved away" }
    )]
    TakenAway {
        /// The file.
        path: PathBuf,
        /// Its length.
        octets: u64,
        /// Whether it has no name any more, and its records are lost.
        removed: bool,
    },
    /// Something that is none of the logger's files had the name of one.
    #[error("{} was not made by this logger; it is now {}", path.display(), to.display())]
    Foreign {
        /// The name.
        path: PathBuf,
        /// What it is called now.
        to: PathBuf,
    },
    /// A file that a killed logger left ended within a line.
    #[error("{} ended within a line, which was cut off: {octets} octets", path.display())]
    Torn {
        /// The file.
        path: PathBuf,
        /// How much was cut off.
        octets: u64,
    },
    /// A file cannot be rotated; it goes on, and is tried again at the next rotation.
    #[error("cannot rotate {}: {error}; the file goes on", path.display())]
    Rotation {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: String,
    },
    /// A batch was dropped because its path cannot be a file's name, or too many files are open.
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
            | Report::Columns { stream, .. }
            | Report::PathChanged { stream, .. } => stream.clone(),
            Report::Path { path, .. } | Report::ColumnsChanged { path, .. } | Report::ColumnsBeside { path, .. } => {
                path.clone()
            }
            Report::Stalled { path, .. }
            | Report::Resumed { path }
            | Report::Lost { path, .. }
            | Report::Archive { path, .. }
            | Report::TakenAway { path, .. }
            | Report::Foreign { path, .. }
            | Report::Torn { path, .. }
            | Report::Rotation { path, .. }
            | Report::Expire { path, .. } => path.display().to_string(),
            Report::Leftovers { .. } => String::new(),
        }
    }

    /// Whether nothing is wrong any more, or never was.
    fn is_good_news(&self) -> bool {
        matches!(self, Report::Resumed { .. } | Report::Leftovers { .. } | Report::ColumnsChanged { .. })
    }
}

/// How long a kind of report about one thing is kept back after it was told.
const QUIET: Duration = Duration::from_secs(10);
/// The most things that are remembered.
const MAX_SUBJECTS: usize = 1024;
/// The most new things that are told within [`QUIET`]: a sender may invent any number of paths.
const MAX_NEW: u32 = 50;

/// Tells reports, but not each repeat.
pub(super) struct Reporter {
    sink: Option<ReportSink>,
    told: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    subjects: HashMap<(Discriminant<Report>, String), Told>,
    /// How many new things were told since when.
    new: Option<(Instant, u32)>,
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
        Reporter { sink, told: Mutex::default() }
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
        let mut memory = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (std::mem::discriminant(report), report.subject());
        if let Some(last) = memory.subjects.get_mut(&key) {
            if now.saturating_duration_since(last.at) < QUIET {
                last.kept_back += 1;
                return None;
            }
            last.at = now;
            return Some(std::mem::take(&mut last.kept_back));
        }
        let (since, count) =
            memory.new.filter(|(since, _)| now.saturating_duration_since(*since) < QUIET).unwrap_or((now, 0));
        memory.new = Some((since, count + 1));
        if count >= MAX_NEW {
            return None;
        }
        if memory.subjects.len() >= MAX_SUBJECTS {
            memory.subjects.clear();
        }
        memory.subjects.insert(key, Told { at: now, kept_back: 0 });
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

    #[test]
    fn ever_new_subjects_are_not_all_told() {
        let reporter = Reporter::new(None);
        let of = |number: u32| Report::Format { sender: number.to_string(), format: "x".into() };
        let now = Instant::now();
        let told = (0..1000).filter(|number| reporter.admit(&of(*number), now).is_some()).count();
        assert_eq!(told, MAX_NEW as usize);
        assert_eq!(reporter.admit(&of(2000), now + QUIET), Some(0));
    }
}
