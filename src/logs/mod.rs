//! Logs: what a node sends to the loggers, and what a logger makes of it.
//!
//! - [`Batcher`] collects a node's own records into batches (the sender's side).
//! - [`Logger`] owns one thread that turns batches into files exactly as Zeek's ASCII writer does, and rotates them;
//!   a second thread compresses, archives and expires.
//!
//! Locking: every file under `logs/current/NAME/` belongs to the one [`Logger`] of that name.
//! Compatibility: the bytes of the files are those of Zeek 9.0 (`protocol/cluster.md` 2.3 and 2.4); the names of
//! archived files are zeekctl's (2.6).
//! Performance: a batch is formatted straight out of the received payload; nothing is allocated for a value.
//! Failure: what could not be written is kept, reported and tried again; senders wait meanwhile. All of it is a trouble of
//! the node as long as it lasts, and so is each batch that is refused, for five minutes.

mod alive;
mod archive;
mod ascii;
mod batcher;
mod figures;
mod grisu;
#[cfg(test)]
mod hostile;
mod json;
mod leftovers;
mod logger;
mod number;
mod options;
mod output;
mod queue;
mod report;
mod rotation;
#[cfg(test)]
mod small_disk;
mod streams;
mod tsv;

pub use archive::{ZeekRotated, archive_leftovers, archive_rotated, archive_zeek_leftovers};
pub use ascii::{AsciiOptions, JsonStringEscapes, JsonTimestamps};
pub use batcher::{
    Batcher, FLUSH_INTERVAL, LogRecord, LogStream, WRITE_BUFFER_SIZE, cluster_log_record, cluster_log_stream,
};
pub use figures::FileRecords;
pub use logger::{Logger, LoggerClosed, LoggerCounters, RecordError};
pub use options::{LoggerOptions, OptionError, ReportSink};
pub use report::Report;
