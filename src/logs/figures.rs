//! How many records were added to each log, for readers on other threads.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::streams::shown;

/// The most logs that are counted apart. Beyond that those that are no longer written are forgotten, oldest first.
const MAX_FIGURES: usize = 1024;

/// Records of one stream that were added to one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRecords {
    /// Such as `Conn::LOG`; escaped where a sender put other octets there.
    pub stream: String,
    /// Name of the filter that wrote it first, mostly `default`; escaped likewise.
    pub filter: String,
    /// The path, such as `conn`.
    pub path: String,
    /// How many, over all rotations.
    pub records: u64,
}

/// What was written to one log.
#[derive(Debug)]
pub(super) struct FileFigure {
    stream: String,
    filter: String,
    path: String,
    records: AtomicU64,
    is_open: AtomicBool,
}

/// What was written to each log so far. The lock is held for a moment only.
#[derive(Clone, Debug, Default)]
pub(super) struct FileFigures {
    logs: Arc<Mutex<Vec<Arc<FileFigure>>>>,
}

impl FileFigure {
    pub(super) fn add_records(&self, count: usize) {
        self.records.fetch_add(count as u64, Ordering::Relaxed);
    }
}

impl FileFigures {
    /// In the order in which the logs were first written.
    pub(super) fn snapshot(&self) -> Vec<FileRecords> {
        let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        let of_log = |log: &Arc<FileFigure>| FileRecords {
            stream: log.stream.clone(),
            filter: log.filter.clone(),
            path: log.path.clone(),
            records: log.records.load(Ordering::Relaxed),
        };
        logs.iter().map(of_log).collect()
    }

    /// The figure of a log that is written from now on; one that was given up goes on where it was.
    pub(super) fn open(&self, stream: &[u8], filter: &[u8], path: &str) -> Arc<FileFigure> {
        let (stream, filter) = (shown(stream), shown(filter));
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |log: &&Arc<FileFigure>| log.path == path && log.stream == stream && log.filter == filter;
        if let Some(known) = logs.iter().find(same) {
            known.is_open.store(true, Ordering::Relaxed);
            return Arc::clone(known);
        }
        if logs.len() >= MAX_FIGURES
            && let Some(oldest) = logs.iter().position(|log| !log.is_open.load(Ordering::Relaxed))
        {
            logs.remove(oldest);
        }
        let path = path.to_owned();
        let log = FileFigure { stream, filter, path, records: AtomicU64::new(0), is_open: AtomicBool::new(true) };
        let log = Arc::new(log);
        logs.push(Arc::clone(&log));
        log
    }

    /// A log is given up.
    pub(super) fn close(&self, log: &FileFigure) {
        log.is_open.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_logs_that_are_given_up_are_bounded_and_go_on_when_they_come_back() {
        let figures = FileFigures::default();
        let conn = figures.open(b"Conn::LOG", b"default", "conn");
        conn.add_records(3);
        for number in 0..2 * MAX_FIGURES {
            figures.close(&figures.open(b"X::LOG", b"default", &number.to_string()));
        }
        assert_eq!(figures.snapshot().len(), MAX_FIGURES);
        figures.close(&conn);
        figures.open(b"Conn::LOG", b"default", "conn").add_records(2);
        assert_eq!(figures.snapshot()[0].records, 5);
    }
}
