//! What a logger wrote.

use super::registry::{Families, Labels};
use crate::logs::{FileRecords, LoggerCounters};

/// Zeek's counters of what a log writer left out because of its size: name and help.
const LEFT_OUT: [(&str, &str); 3] = [
    ("zeek_log_writer_discarded_writes_total", "Total number of log writes discarded due to size limitations."),
    ("zeek_log_writer_truncated_string_fields_total", "Total number of logged string fields limited by length"),
    ("zeek_log_writer_truncated_containers_total", "Total number of logged container fields limited by length"),
];

/// What each log's writer left out, as Zeek's loggers tell it: always nothing, as the senders cut before they send.
fn left_out(files: &[FileRecords], families: &mut Families) {
    let labels: Vec<[(&str, &str); 5]> = files
        .iter()
        .map(|file| {
            [
                ("filter_name", file.filter.as_str()),
                ("module", file.stream.split_once("::").map_or("GLOBAL", |(module, _)| module)),
                ("path", file.path.as_str()),
                ("stream", file.stream.as_str()),
                ("writer", "Log::WRITER_ASCII"),
            ]
        })
        .collect();
    for (name, help) in LEFT_OUT {
        families.counters(name, help, labels.iter().map(|labels| (labels as Labels<'_>, 0)));
    }
}

/// Records of each stream; a stream that stands still while its senders are up is worth a look.
pub fn files(files: &[FileRecords], families: &mut Families) {
    let labels: Vec<[(&str, &str); 2]> =
        files.iter().map(|file| [("path", file.path.as_str()), ("stream", file.stream.as_str())]).collect();
    families.counters(
        "zeek_cluster_logger_stream_records_total",
        "Number of log records of each stream that were added to a file",
        labels.iter().zip(files).map(|(labels, file)| (labels as Labels<'_>, file.records)),
    );
    left_out(files, families);
}

/// What the node itself logged: lines of cluster.log, wherever they are written. The metrics are Zeek's.
pub fn own_records(count: u64, families: &mut Families) {
    let stream: Labels<'_> = &[("module", "Cluster"), ("stream", "Cluster::LOG")];
    families.counters(
        "zeek_log_stream_writes_total",
        "Total number of log writes for the given stream.",
        [(stream, count)],
    );
    let writer: Labels<'_> = &[
        ("filter_name", "default"),
        ("module", "Cluster"),
        ("path", "cluster"),
        ("stream", "Cluster::LOG"),
        ("writer", "Log::WRITER_ASCII"),
    ];
    families.counters(
        "zeek_log_writer_writes_total",
        "Total number of log writes passed to a concrete log writer not vetoed by stream or filter policies.",
        [(writer, count)],
    );
}

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
        column_changes,
        batches_beside,
        files_taken_away,
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
        (
            "column_changes",
            "Number of times a log's file was rotated because its senders log other columns now",
            column_changes,
        ),
        (
            "batches_beside",
            "Number of log batches with other columns than their log's file, which went to a file beside it; rising means that senders of one log run different scripts",
            batches_beside,
        ),
        (
            "files_taken_away",
            "Number of log files that were removed or replaced while they were written",
            files_taken_away,
        ),
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
