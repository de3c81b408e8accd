use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc;

use super::super::small_disk::SmallDisk;
use super::super::{AsciiOptions, cluster_log_record};
use super::*;
use crate::api::node::Trouble;
use crate::troubles::{Troubles, TroublesWatch};
use crate::wire::log_batch::{BatchReader, Field, LogBatch, LogValue, TypeTag, WRITER_ASCII, WRITER_NONE};

/// A logger in a folder of its own, and what it reports.
struct Bench {
    folder: tempfile::TempDir,
    reports: Mutex<mpsc::Receiver<Report>>,
    troubles: Troubles,
    logger: Logger,
}

impl Bench {
    fn new(change: impl FnOnce(&mut LoggerOptions)) -> Bench {
        Bench::in_folder(tempfile::tempdir().unwrap(), change)
    }

    fn in_folder(folder: tempfile::TempDir, change: impl FnOnce(&mut LoggerOptions)) -> Bench {
        let (told, reports) = mpsc::channel();
        let logs = folder.path().join("logs");
        let mut options = LoggerOptions::new("logger-1", logs.join("current/logger-1"), &logs);
        options.time_zone = jiff::tz::TimeZone::UTC;
        options.report = Some(Arc::new(move |report, _| told.send(report.clone()).unwrap_or_default()));
        change(&mut options);
        let troubles = options.troubles.clone();
        Bench { folder, reports: Mutex::new(reports), troubles, logger: Logger::start(options).unwrap() }
    }

    fn write(&self, batch: &LogBatch) {
        self.payload(batch.encode().unwrap());
    }

    fn payload(&self, payload: Vec<u8>) {
        self.logger.write_batch(Bytes::from_static(b"zeromq_worker-1_host_1_x"), payload.into()).unwrap();
    }

    fn report(&self) -> String {
        self.reports.lock().unwrap().recv_timeout(Duration::from_secs(10)).unwrap().to_string()
    }

    /// The text of `logs/current/logger-1/NAME` as soon as it has so many lines.
    fn wait_for(&self, name: &str, lines: usize) -> String {
        let path = self.folder.path().join("logs/current/logger-1").join(name);
        for _ in 0..2000 {
            let text = fs::read_to_string(&path).unwrap_or_default();
            if text.lines().count() >= lines {
                return text;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("{} has not got {lines} lines", path.display());
    }

    /// Waits until the troubles are as wanted.
    fn until_troubles(&self, watch: &mut TroublesWatch, wanted: impl Fn(&[Trouble]) -> bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let as_wanted = async {
            while !wanted(&watch.list()) {
                watch.changed().await;
            }
        };
        let waited = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(10), as_wanted).await });
        assert!(waited.is_ok(), "{:?}", self.troubles.list());
    }

    /// Closes the logger and reads the archive: all names below the day folders with their texts.
    fn archived(self) -> BTreeMap<String, String> {
        self.logger.close();
        read_archive(&self.folder.path().join("logs"))
    }
}

fn read_archive(logs: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for day in fs::read_dir(logs).unwrap().map(|entry| entry.unwrap()) {
        if day.file_name() == "current" {
            continue;
        }
        for file in fs::read_dir(day.path()).unwrap().map(|entry| entry.unwrap()) {
            let octets = fs::read(file.path()).unwrap();
            let name = file.file_name().into_string().unwrap();
            let text = if name.ends_with(".gz") {
                io::read_to_string(flate2::read::GzDecoder::new(octets.as_slice())).unwrap()
            } else {
                String::from_utf8(octets).unwrap()
            };
            files.insert(name, text);
        }
    }
    files
}

fn batch(fields: Vec<Field>, values: Vec<LogValue>) -> LogBatch {
    LogBatch {
        stream: b"Test::LOG".to_vec(),
        writer: WRITER_ASCII.into(),
        filter: b"default".to_vec(),
        path: b"test".to_vec(),
        fields,
        records: vec![values],
    }
}

fn count(value: u64) -> LogBatch {
    batch(vec![Field::new("n", TypeTag::Count)], vec![LogValue::Count(value)])
}

/// The recorded log messages of a folder: sender and payload.
fn recorded(folder: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let path = format!("{}/tests/vectors/{folder}/frames.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(path).unwrap();
    let unhex = |value: &serde_json::Value| -> Vec<u8> {
        let digits = value.as_str().unwrap().as_bytes();
        digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    };
    let frames = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let logs = frames.filter(|frame| frame["kind"] == "log");
    logs.map(|frame| (unhex(&frame["frames"][1]), unhex(&frame["frames"][3]))).collect()
}

/// Lines without times of opening and closing, and without what Zeek's logger itself wrote.
fn comparable(name: &str, text: &str) -> Vec<String> {
    let own = |line: &str| {
        let node = if line.starts_with('{') { "\"node\":\"logger-1\"" } else { "\tlogger-1\t" };
        matches!(name, "cluster" | "packet_filter") && line.contains(node)
    };
    let mut lines: Vec<String> = text
        .lines()
        .filter(|line| !line.starts_with("#open") && !line.starts_with("#close") && !own(line))
        .map(str::to_owned)
        .collect();
    // Batches of different senders may interleave otherwise.
    if matches!(name, "cluster" | "reporter" | "packet_filter") {
        lines.sort();
    }
    lines
}

fn check_recorded(folder: &str, use_json: bool) {
    let bench = Bench::new(|options| options.ascii.use_json = use_json);
    for (sender, payload) in recorded(folder) {
        bench.logger.write_batch(sender.into(), payload.into()).unwrap();
    }
    let written: BTreeMap<String, String> =
        bench.archived().into_iter().map(|(name, text)| (name.split('.').next().unwrap().to_owned(), text)).collect();
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(folder);
    let mut compared = 0;
    for entry in fs::read_dir(vectors).unwrap().map(|entry| entry.unwrap()) {
        let file = entry.file_name().into_string().unwrap();
        let Some(name) = file.strip_suffix(".log") else { continue };
        let expected = comparable(name, &fs::read_to_string(entry.path()).unwrap());
        let got = comparable(name, &written[name]);
        if name == "reporter" {
            // The last line is of the logger, and nothing in it says so.
            assert_eq!(got.len() + 1, expected.len(), "{folder}/{file}");
            assert!(got.iter().all(|line| expected.contains(line)), "{folder}/{file}");
        } else {
            assert_eq!(got, expected, "{folder}/{file}");
        }
        compared += 1;
    }
    assert!(compared >= 10);
    assert_eq!(compared, written.len());
}

#[test]
fn recorded_batches_become_zeeks_own_tsv_files() {
    check_recorded("logs-tsv", false);
}

#[test]
fn recorded_batches_become_zeeks_own_json_files() {
    check_recorded("logs-json", true);
}

#[test]
fn a_line_is_there_at_once_when_the_logger_is_idle() {
    let bench = Bench::new(|options| options.flush_interval = Duration::from_secs(3600));
    bench.logger.write_record(&cluster_log_record(1.5, "logger-1", "hello")).unwrap();
    let text = bench.wait_for("cluster.log", 9);
    assert!(text.starts_with("#separator \\x09\n#set_separator\t,\n"), "{text}");
    assert!(text.ends_with("#types\ttime\tstring\tstring\n1.500000\tlogger-1\thello\n"), "{text}");
}

#[test]
fn closing_ends_rotates_and_archives_files() {
    let bench = Bench::new(|options| {
        options.compress = true;
        options.suffix = Some("logger-1".into());
    });
    bench.write(&count(7));
    let archived = bench.archived();
    let (name, text) = archived.iter().next().unwrap();
    let (opened, closed) = ("\n#open\t", "\n#close\t");
    assert!(name.starts_with("test.") && name.ends_with("-logger-1.log.gz"), "{name}");
    assert!(text.contains(opened) && text.contains(closed) && text.contains("\n7\n"), "{text}");
}

#[test]
fn files_rotate_while_batches_arrive() {
    let bench = Bench::new(|options| options.rotation_interval = Duration::from_secs(1));
    for number in 0..3 {
        bench.write(&count(number));
        let before = bench.logger.counters().archived_files;
        while bench.logger.counters().archived_files == before {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    let archived = bench.archived();
    let lines: Vec<&str> = archived.values().flat_map(|text| text.lines()).filter(|l| !l.starts_with('#')).collect();
    assert_eq!(lines, ["0", "1", "2"], "{archived:?}");
}

#[test]
fn a_logger_that_works_takes_over_how_files_are_rotated_and_compressed() {
    let bench = Bench::new(|options| options.flush_interval = Duration::from_secs(3600));
    bench.write(&count(1));
    bench.wait_for("test.log", 9);
    let options = LoggerOptions::new("logger-1", bench.folder.path(), bench.folder.path());
    bench.logger.tune(&LoggerOptions { rotation_interval: Duration::from_secs(1), compress: true, ..options });
    while bench.logger.counters().archived_files == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let archived = bench.archived();
    let (name, text) = archived.first_key_value().expect("a file");
    assert!(name.ends_with(".log.gz") && text.contains("\n1\n"), "{archived:?}");
}

#[test]
fn unknown_writers_formats_and_bytes_are_refused() {
    let bench = Bench::new(|_| {});
    bench.write(&LogBatch { writer: b"Log::WRITER_SQLITE".to_vec(), ..count(1) });
    assert!(bench.report().contains("writer_name='Log::WRITER_SQLITE'"));
    bench.payload(b"nonsense".to_vec());
    assert!(bench.report().contains("data underflow"));
    bench.logger.write_frame(Bytes::from_static(b"x"), b"xml", Bytes::new()).unwrap();
    assert!(bench.report().contains("unknown format 'xml'"));
    let mut cut = count(1).encode().unwrap();
    cut.pop();
    bench.payload(cut);
    // It is kept back: the same sender has sent nonsense a moment ago.
    bench.write(&LogBatch { path: b"../../etc/passwd".to_vec(), ..count(1) });
    assert!(bench.report().contains("path '../../etc/passwd' has other characters"));
    assert_eq!(bench.logger.counters().rejected_batches, 5);
    let trouble = &bench.troubles.list()[0];
    assert_eq!((trouble.kind.as_str(), trouble.subject.as_str()), ("log-rejected", ""));
    assert!(trouble.text.starts_with("5 log batches were refused, the last: Failed to create writer"), "{trouble:?}");
}

/// The recorded fault: a core logger ended a log for good when the workers' scripts added a column.
#[test]
fn a_stream_whose_columns_change_goes_on() {
    let bench = Bench::new(|_| {});
    let wide = |number| {
        let fields = vec![Field::new("n", TypeTag::Count), Field::new("m", TypeTag::Count)];
        batch(fields, vec![LogValue::Count(number), LogValue::Count(number)])
    };
    (0..100).for_each(|number| bench.write(&count(number)));
    (100..200).for_each(|number| bench.write(&wide(number)));
    assert!(bench.report().starts_with("the columns of test change from 1 to 2"));
    let text = bench.wait_for("test.log", 108);
    assert!(text.contains("\n#fields\tn\tm\n#types\tcount\tcount\n100\t100\n"), "{text}");
    let counters = bench.logger.counters();
    assert_eq!((counters.batches, counters.rejected_batches, counters.column_changes), (200, 0, 1));
    // It does not wait for the next rotation.
    while bench.logger.counters().archived_files == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(bench.troubles.list().is_empty(), "a change is no trouble");
    let archived = bench.archived();
    let lines = archived.values().flat_map(|text| text.lines()).filter(|line| !line.starts_with('#')).count();
    assert_eq!((archived.len(), lines), (2, 200));
}

#[test]
fn senders_that_are_behind_are_shown() {
    let bench = Bench::new(|_| {});
    bench.write(&count(1));
    bench.write(&batch(vec![Field::new("m", TypeTag::Count)], vec![LogValue::Count(2)]));
    bench.write(&count(3));
    bench.wait_for("test~2.log", 9);
    let trouble = &bench.troubles.list()[0];
    assert_eq!(trouble.kind, "log-columns");
    assert!(trouble.text.contains("different columns at the same time (1 and 1)"), "{trouble:?}");
    assert_eq!(bench.logger.counters().batches_beside, 1);
}

/// The recorded attack: the formatter indexed the columns of another filter, and the thread ended.
#[test]
fn filters_with_one_path_and_other_columns_end_nothing() {
    let bench = Bench::new(|options| options.ascii.use_json = true);
    bench.write(&count(1));
    let fields = ["a", "b", "c"].map(|name| Field::new(name, TypeTag::Bool)).to_vec();
    bench.write(&LogBatch { filter: b"other".to_vec(), ..batch(fields, vec![LogValue::Bool(true); 3]) });
    bench.write(&LogBatch { stream: b"Y::LOG".to_vec(), path: b"y".to_vec(), ..count(2) });
    assert_eq!(bench.wait_for("test-2.log", 1), "{\"a\":true,\"b\":true,\"c\":true}\n");
    assert_eq!(bench.wait_for("y.log", 1), "{\"n\":2}\n");
}

#[test]
fn without_a_flush_interval_a_file_is_written_a_thousand_records_at_a_time() {
    let bench = Bench::new(|options| options.flush_interval = Duration::ZERO);
    (0..999).for_each(|number| bench.write(&count(number)));
    while bench.logger.counters().records < 999 {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(bench.logger.counters().written_octets, 0);
    bench.write(&count(999));
    assert_eq!(bench.wait_for("test.log", 1008).lines().count(), 1008);
    bench.write(&count(1000));
    let archived = bench.archived();
    assert!(archived.values().next().unwrap().contains("\n1000\n#close"));
}

/// What an operator or a cleanup job does to the folder while it is written.
#[test]
fn files_taken_away_are_noticed_told_once_and_begun_again() {
    let bench = Bench::new(|_| {});
    let current = bench.folder.path().join("logs/current/logger-1");
    let file = current.join("test.log");
    bench.write(&count(1));
    bench.wait_for("test.log", 9);

    fs::remove_file(&file).unwrap();
    bench.write(&count(2));
    let text = bench.wait_for("test.log", 9);
    assert!(text.ends_with("#types\tcount\n2\n") && text.starts_with("#separator"), "{text}");
    let report = bench.report();
    assert!(report.contains("test.log was removed while it was written, with 1"), "{report}");
    assert_eq!(bench.troubles.list()[0].kind, "log-taken-away");

    // Replaced by another file, as `sed -i` does: nothing is mixed.
    fs::write(current.join("other"), "what somebody wrote\n").unwrap();
    fs::rename(current.join("other"), &file).unwrap();
    bench.write(&count(3));
    let text = bench.wait_for("test.log", 9);
    assert!(text.ends_with("#types\tcount\n3\n") && text.starts_with("#separator"), "{text}");

    fs::rename(&file, current.join("test.log.1")).unwrap();
    bench.write(&count(4));
    bench.wait_for("test.log", 9);

    fs::remove_dir_all(&current).unwrap();
    bench.write(&count(5));
    let text = bench.wait_for("test.log", 9);
    assert!(text.ends_with("#types\tcount\n5\n"), "{text}");
    assert_eq!(bench.logger.counters().files_taken_away, 4);
    let archived = bench.archived();
    assert!(archived.values().any(|text| text.contains("\n5\n#close")), "{archived:?}");
}

#[test]
fn nothing_is_written_through_a_symbolic_link() {
    let folder = tempfile::tempdir().unwrap();
    let current = folder.path().join("logs/current/logger-1");
    fs::create_dir_all(&current).unwrap();
    let target = folder.path().join("target");
    fs::write(&target, "precious\n").unwrap();
    let bench = Bench::in_folder(folder, |_| {});
    std::os::unix::fs::symlink(&target, current.join("test.log")).unwrap();
    bench.write(&count(1));
    bench.wait_for("test.log", 9);
    assert_eq!(fs::read_to_string(&target).unwrap(), "precious\n");
    assert!(bench.report().contains("was not made by this logger; it is now "));
    assert_eq!(fs::read_link(current.join("test.log.moved")).unwrap(), target);
    assert_eq!(bench.troubles.list()[0].kind, "log-foreign-file");
}

#[test]
fn a_file_removed_before_its_rotation_stops_no_later_one() {
    let bench = Bench::new(|options| options.rotation_interval = Duration::from_secs(1));
    let file = bench.folder.path().join("logs/current/logger-1/test.log");
    bench.write(&count(1));
    bench.wait_for("test.log", 9);
    // It may have been rotated already.
    let _ = fs::remove_file(&file);
    while bench.logger.counters().files_taken_away + bench.logger.counters().archived_files == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let before = bench.logger.counters().archived_files;
    bench.write(&count(2));
    while bench.logger.counters().archived_files == before {
        std::thread::sleep(Duration::from_millis(5));
    }
    let archived = bench.archived();
    assert!(archived.values().any(|text| text.contains("\n2\n#close")), "{archived:?}");
}

/// A thread that dies must not leave a logger that takes batches and writes none.
#[tokio::test]
async fn the_end_of_a_thread_is_known() {
    let bench = Bench::new(|options| options.report = Some(Arc::new(|_, _| panic!("as this test wants it"))));
    bench.payload(b"nonsense".to_vec());
    assert_eq!(bench.logger.died().await, "logger");
    while bench.logger.write_batch(Bytes::new(), Bytes::new()).is_ok() {
        std::thread::sleep(Duration::from_millis(1));
    }
    bench.logger.close();
}

#[test]
fn a_broken_batch_leaves_no_part_of_itself_behind() {
    let bench = Bench::new(|_| {});
    let two = LogBatch { records: vec![vec![LogValue::Count(1)], vec![LogValue::Count(2)]], ..count(0) };
    let mut broken = two.encode().unwrap();
    let last_value = broken.len() - 17;
    broken[last_value + 3] = TypeTag::Int as u8;
    bench.payload(broken);
    assert!(bench.report().contains("Failed to read record 1 field 0: value of type 2 in a column of type count"));
    bench.write(&count(3));
    let text = bench.wait_for("test.log", 9);
    assert!(text.ends_with("#types\tcount\n3\n"), "{text}");
}

#[test]
fn writer_none_throws_records_away() {
    let bench = Bench::new(|_| {});
    bench.write(&LogBatch { writer: WRITER_NONE.into(), ..count(1) });
    bench.logger.close();
    assert_eq!(bench.logger.counters().discarded_records, 1);
    assert!(bench.archived().is_empty());
}

#[test]
fn each_senders_order_is_kept() {
    let bench = Bench::new(|options| options.queue_bytes = 1000);
    std::thread::scope(|scope| {
        for sender in 0..4u64 {
            let bench = &bench;
            scope.spawn(move || (0..200).for_each(|number| bench.write(&count(sender * 1000 + number))));
        }
    });
    assert!(bench.logger.counters().queue_waits > 0);
    let archived = bench.archived();
    let numbers: Vec<u64> = archived.values().flat_map(|text| text.lines()).filter_map(|l| l.parse().ok()).collect();
    assert_eq!(numbers.len(), 800);
    for sender in 0..4 {
        let own: Vec<u64> = numbers.iter().copied().filter(|number| number / 1000 == sender).collect();
        assert!(own.is_sorted(), "{own:?}");
    }
}

#[test]
fn a_closed_logger_takes_no_more() {
    let bench = Bench::new(|_| {});
    bench.logger.close();
    bench.logger.close();
    assert_eq!(bench.logger.write_batch(Bytes::new(), Bytes::new()), Err(LoggerClosed));
}

#[test]
fn header_options_are_those_of_zeek() {
    let ascii = AsciiOptions { tsv: true, separator: b"|".to_vec(), ..AsciiOptions::default() };
    let bench = Bench::new(|options| options.ascii = ascii);
    let fields = vec![Field::new("n", TypeTag::Count), Field::new("s", TypeTag::String)];
    bench.write(&batch(fields, vec![LogValue::Count(1), LogValue::String(b"a|b".to_vec())]));
    let texts: Vec<String> = bench.archived().into_values().collect();
    assert_eq!(texts, ["n|s\n1|a\\x7cb\n"]);
}

#[test]
fn compressed_files_are_whole_when_they_are_closed() {
    let bench = Bench::new(|options| {
        options.ascii.gzip_level = 3;
        options.compress = true;
    });
    bench.write(&count(1));
    let archived = bench.archived();
    let (name, text) = archived.first_key_value().unwrap();
    assert!(name.ends_with(".log.gz") && !name.ends_with(".gz.gz"), "{name}");
    assert!(text.contains("\n1\n#close\t"), "{text}");
}

/// A file that cannot be opened stands for a disk that cannot be written: a folder has its name.
#[test]
fn what_cannot_be_written_waits_and_holds_senders_up() {
    let folder = tempfile::tempdir().unwrap();
    let blocked = folder.path().join("logs/current/logger-1/test.log");
    fs::create_dir_all(&blocked).unwrap();
    let bench = Bench::in_folder(folder, |options| options.queue_bytes = 100_000);
    let long = LogValue::String(vec![b'x'; 1_000_000]);
    let wide = batch(vec![Field::new("s", TypeTag::String)], vec![long]);
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| (0..8).for_each(|_| bench.write(&wide)));
        assert!(bench.report().starts_with(&format!("cannot write {}: Is a directory", blocked.display())));
        while bench.logger.counters().queue_waits < 2 {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(!sending.is_finished());
        fs::remove_dir(&blocked).unwrap();
        assert_eq!(bench.report(), format!("writing {} again", blocked.display()));
        sending.join().unwrap();
    });
    let archived = bench.archived();
    let text = archived.values().next().unwrap();
    assert_eq!(text.lines().filter(|line| line.len() == 1_000_000).count(), 8);
}

#[test]
fn a_full_disk_keeps_what_was_not_written() {
    let Some(disk) = SmallDisk::new("4m") else { return };
    let filler = disk.path().join("filler");
    fs::write(&filler, vec![0; 3_500_000]).unwrap();
    let current = disk.path().join("current");
    let bench = Bench::new(|options| options.current_dir = current.clone());
    let long = |number: u8| LogValue::String(vec![b'a' + number; 100_000]);
    let fields = vec![Field::new("s", TypeTag::String)];
    for number in 0..15 {
        bench.write(&batch(fields.clone(), vec![long(number)]));
    }
    let report = bench.report();
    assert!(report.starts_with("cannot write ") && report.contains("No space left on device"), "{report}");
    let mut watch = bench.troubles.watch();
    bench.until_troubles(&mut watch, |troubles| {
        troubles.iter().any(|trouble| trouble.kind == "log-stalled" && trouble.text.contains("No space left on device"))
    });
    fs::remove_file(filler).unwrap();
    assert!(bench.report().starts_with("writing "));
    bench.until_troubles(&mut watch, <[_]>::is_empty);
    let archived = bench.archived();
    let lines: Vec<&str> =
        archived.values().flat_map(|text| text.lines()).filter(|line| line.len() == 100_000).collect();
    let firsts: Vec<u8> = lines.iter().map(|line| line.as_bytes()[0] - b'a').collect();
    assert_eq!(firsts, (0..15).collect::<Vec<u8>>());
}

#[test]
fn a_disk_that_becomes_read_only_keeps_what_was_not_written() {
    let Some(disk) = SmallDisk::new("4m") else { return };
    let current = disk.path().join("current");
    let bench = Bench::new(|options| options.current_dir = current.clone());
    disk.remount("ro,size=4m");
    bench.write(&LogBatch { path: b"late".to_vec(), stream: b"Late::LOG".to_vec(), ..count(2) });
    let report = bench.report();
    assert!(report.contains("late.log: Read-only file system"), "{report}");
    disk.remount("rw,size=4m");
    assert!(bench.report().starts_with("writing "));
    let archived = bench.archived();
    assert!(archived.iter().any(|(name, text)| name.starts_with("late.") && text.contains("\n2\n")), "{archived:?}");
}

#[test]
fn headers_of_batches_need_not_be_read_twice() {
    let payload = count(1).encode().unwrap();
    let other = count(2).encode().unwrap();
    let head = |payload| BatchReader::new(payload).unwrap().head();
    assert_eq!(head(&payload), head(&other));
}
