//! What a logger wrote.

use super::registry::Families;
use crate::logs::LoggerCounters;

/// What the writer counted; only on nodes that write logs.
pub fn logger(counters: &LoggerCounters, families: &mut Families) {
    let LoggerCounters {
        batches,
        records,
        written_octets,
        rejected_batches,
        discarded_records,
        write_errors,
        rotated_files,
        archived_files,
        archive_errors,
        queue_waits,
        queued_octets,
    } = *counters;
    let counted = [
        ("batches", "Number of log batches whose records were added to a file", batches),
        ("records", "Number of log records that were added to a file", records),
        ("written_bytes", "Number of bytes written to log files, before compression", written_octets),
        (
            "rejected_batches",
            "Number of log batches that were refused; rising means that a sender and this logger disagree about a stream: see the logger's output",
            rejected_batches,
        ),
        ("discarded_records", "Number of log records for Log::WRITER_NONE, which go nowhere", discarded_records),
        (
            "write_errors",
            "Number of failed attempts to open, write or rotate a log file; rising means a full or broken disk, while records wait",
            write_errors,
        ),
        ("rotated_files", "Number of log files that were closed by rotation", rotated_files),
        ("archived_files", "Number of log files that were archived", archived_files),
        (
            "archive_errors",
            "Number of failed attempts to archive a log file; rising means that files stay in the queue folder",
            archive_errors,
        ),
        (
            "queue_waits",
            "Number of times a batch waited for room in the writer's queue; rising fast means that the disk is slower than the senders",
            queue_waits,
        ),
    ];
    for (what, help, count) in counted {
        families.counter(&format!("zeek_cluster_logger_{what}_total"), help, count);
    }
    families.gauge(
        "zeek_cluster_logger_queued_bytes",
        "Bytes of log batches that wait to be written; staying high means that the disk is slower than the senders",
        queued_octets,
    );
}
