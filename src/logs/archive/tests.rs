use std::os::unix::fs::MetadataExt;
use std::sync::Mutex;

use super::super::small_disk::SmallDisk;
use super::*;

/// An archive in a folder of its own; nothing runs.
struct Bench {
    folder: tempfile::TempDir,
    archive: Archive,
    reports: Arc<Mutex<Vec<String>>>,
}

impl Bench {
    fn new(change: impl FnOnce(&mut LoggerOptions)) -> Bench {
        Bench::in_folder(tempfile::tempdir().unwrap(), change)
    }

    fn in_folder(folder: tempfile::TempDir, change: impl FnOnce(&mut LoggerOptions)) -> Bench {
        let logs = folder.path().join("logs");
        let mut options = LoggerOptions::new("logger-1", logs.join("current/logger-1"), &logs);
        options.time_zone = jiff::tz::TimeZone::UTC;
        options.compress = true;
        change(&mut options);
        fs::create_dir_all(&options.current_dir).unwrap();
        let reports = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&reports);
        let sink = Arc::new(move |report: &Report, _| told.lock().unwrap().push(report.to_string()));
        let reporter = Arc::new(Reporter::new(Some(sink)));
        let tuning = Arc::new(RwLock::new(options.tuning()));
        let archive = Archive { options, tuning, reporter, figures: Arc::default() };
        Bench { folder, archive, reports }
    }

    fn path(&self, below_logs: &str) -> PathBuf {
        self.folder.path().join("logs").join(below_logs)
    }

    fn put(&self, below_logs: &str, text: &str) {
        let path = self.path(below_logs);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn names(&self, below_logs: &str) -> Vec<String> {
        sorted_names(&self.path(below_logs)).unwrap()
    }
}

const QUEUED: &str = "current/logger-1/conn__2026-01-31-13-00-00__2026-01-31-14-00-00__.log";
const ARCHIVED: &str = "2026-01-31/conn.13:00:00-14:00:00.log.gz";

fn unzipped(path: &Path) -> String {
    io::read_to_string(MultiGzDecoder::new(File::open(path).unwrap())).unwrap()
}

#[test]
fn queued_files_appear_compressed_in_their_day() {
    let bench = Bench::new(|_| {});
    bench.put(QUEUED, "text\n");
    bench.archive.take_queue();
    assert_eq!(unzipped(&bench.path(ARCHIVED)), "text\n");
    assert_eq!(bench.names("2026-01-31"), ["conn.13:00:00-14:00:00.log.gz"]);
    assert!(bench.names("current/logger-1").is_empty());
}

#[test]
fn without_compression_the_file_itself_moves() {
    let bench = Bench::new(|options| options.compress = false);
    bench.put(QUEUED, "text\n");
    let inode = fs::metadata(bench.path(QUEUED)).unwrap().ino();
    bench.archive.take_queue();
    let archived = bench.path("2026-01-31/conn.13:00:00-14:00:00.log");
    assert_eq!(fs::metadata(&archived).unwrap().ino(), inode);
    assert_eq!(fs::read_to_string(archived).unwrap(), "text\n");
    assert!(bench.names("current/logger-1").is_empty());
}

#[test]
fn nothing_in_the_archive_is_overwritten() {
    for compress in [true, false] {
        let bench = Bench::new(|options| options.compress = compress);
        for text in ["one\n", "two\n", "three\n"] {
            bench.put(QUEUED, text);
            bench.archive.take_queue();
        }
        assert_eq!(bench.names("2026-01-31").len(), 3);
        assert!(bench.names("2026-01-31")[1].starts_with("conn.13:00:00-14:00:00-3.log"));
    }
}

#[test]
fn a_crash_before_the_source_was_removed_leaves_no_double() {
    let bench = Bench::new(|_| {});
    for _ in 0..2 {
        bench.put(QUEUED, "text\n");
        bench.archive.take_queue();
    }
    assert_eq!(bench.names("2026-01-31"), ["conn.13:00:00-14:00:00.log.gz"]);
    assert!(bench.names("current/logger-1").is_empty());
}

#[test]
fn files_that_a_crash_left_open_are_queued() {
    let bench = Bench::new(|_| {});
    bench.put("current/logger-1/conn.log", "whole\nhalf a li");
    bench.put("current/logger-1/conn~2.log", "beside\n");
    bench.put("current/logger-1/torn.log", "half a li");
    bench.put("current/logger-1/dns.log.gz", "x");
    bench.put("current/logger-1/empty.log", "");
    bench.put("current/logger-1/notes.txt", "not a log");
    bench.put(QUEUED, "text\n");
    assert_eq!(bench.archive.queue_leftovers().unwrap(), 4);
    bench.archive.take_queue();
    assert_eq!(bench.names("current/logger-1"), ["notes.txt"]);
    assert!(bench.reports.lock().unwrap()[0].contains("within a line, which was cut off: 9 octets"));
    let today = local(Timestamp::now(), &jiff::tz::TimeZone::UTC).strftime("%Y-%m-%d").to_string();
    let archived = bench.names(&today);
    assert!(
        archived[..2].iter().all(|name| name.starts_with("conn.")) && archived[2].starts_with("dns."),
        "{archived:?}"
    );
    assert!(archived[2].ends_with(".log.gz") && !archived[2].ends_with(".gz.gz"), "{archived:?}");
    let mut texts = [0, 1].map(|conn| unzipped(&bench.path(&today).join(&archived[conn])));
    texts.sort();
    assert_eq!(texts, ["beside\n", "whole\n"]);
}

#[test]
fn logs_with_long_names_are_archived_too() {
    let node = "n".repeat(60);
    let bench = Bench::new(|options| {
        options.node = node.clone();
        options.suffix = Some(node.clone());
    });
    for last in ["a", "b"] {
        let name = QUEUED.rsplit('/').next().unwrap().replace("conn", &format!("{}{last}", "x".repeat(179)));
        bench.put(&format!("current/logger-1/{name}"), "text\n");
    }
    bench.archive.take_queue();
    assert!(bench.names("current/logger-1").is_empty());
    let archived = bench.names("2026-01-31");
    assert_eq!(archived.len(), 2);
    assert!(archived.iter().all(|name| name.len() <= 255 && name.ends_with(".log.gz")), "{archived:?}");
}

#[test]
fn a_folder_that_was_taken_away_is_no_trouble_of_the_archive() {
    let bench = Bench::new(|_| {});
    fs::remove_dir_all(bench.path("current")).unwrap();
    bench.archive.take_queue();
    assert!(bench.reports.lock().unwrap().is_empty());
}

#[test]
fn what_was_being_compressed_at_a_crash_is_removed() {
    let bench = Bench::new(|_| {});
    bench.put("2026-01-31/.logger-1~conn.13:00:00-14:00:00.log.gz.tmp", "half");
    bench.put("2026-01-31/.logger-2~conn.13:00:00-14:00:00.log.gz.tmp", "another logger's");
    bench.archive.remove_unfinished();
    assert_eq!(bench.names("2026-01-31"), [".logger-2~conn.13:00:00-14:00:00.log.gz.tmp"]);
}

#[test]
fn what_cannot_be_archived_stays_in_the_queue() {
    let bench = Bench::new(|_| {});
    bench.put(QUEUED, "text\n");
    // A file where the day's folder should be.
    bench.put("2026-01-31", "");
    bench.archive.take_queue();
    assert!(bench.path(QUEUED).exists());
    assert!(bench.reports.lock().unwrap()[0].starts_with("cannot archive "));
    let troubles = &bench.archive.options.troubles;
    assert_eq!(troubles.list()[0].kind, "log-archive");
    fs::remove_file(bench.path("2026-01-31")).unwrap();
    bench.archive.take_queue();
    assert!(troubles.list().is_empty());
    assert!(!bench.path(QUEUED).exists());
    assert_eq!(unzipped(&bench.path(ARCHIVED)), "text\n");
}

#[test]
fn days_expire_as_a_whole_and_nothing_else_does() {
    let bench = Bench::new(|options| options.expire = Some(Duration::from_secs(86_400)));
    for day in ["2026-01-29", "2026-01-30", "2026-01-31", "important"] {
        bench.put(&format!("{day}/conn.log"), "text\n");
    }
    std::os::unix::fs::symlink(bench.path("important"), bench.path("2026-01-01")).unwrap();
    bench.archive.expire("2026-02-01T00:00:00Z".parse().unwrap());
    assert_eq!(bench.names(""), ["2026-01-01", "2026-01-31", "current", "important"]);
}

#[test]
fn a_full_disk_keeps_the_source_and_removes_the_half_copy() {
    let Some(disk) = SmallDisk::new("1m") else { return };
    let bench = Bench::new(|options| options.archive_dir = disk.path().join("logs"));
    // It does not compress to less than the disk has.
    let mut state = 1u64;
    let noise: String = (0..4 << 20)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b' ' + (state >> 58) as u8)
        })
        .collect();
    bench.put(QUEUED, &noise);
    bench.archive.take_queue();
    assert!(bench.reports.lock().unwrap()[0].contains("No space left on device"));
    assert!(bench.path(QUEUED).exists());
    assert!(sorted_names(&disk.path().join("logs/2026-01-31")).unwrap().is_empty());
}

#[test]
fn what_a_real_zeek_rotated_gets_its_name_in_the_archive() {
    let folder = tempfile::tempdir().unwrap();
    let current = folder.path().join("logs/current/logger");
    fs::create_dir_all(&current).unwrap();
    let mut options = LoggerOptions::new("logger", &current, folder.path().join("logs"));
    options.compress = true;
    options.suffix = Some("logger".into());
    let file = current.join("conn.2026-01-31-13-00-00.log");
    fs::write(&file, "a line\n").unwrap();
    let rotated = ZeekRotated { file: &file, base: "conn", opened: "26-01-31_13.00.00", closed: "26-01-31_14.00.00" };
    archive_rotated(&options, rotated).unwrap();
    assert!(folder.path().join("logs/2026-01-31/conn.13:00:00-14:00:00-logger.log.gz").exists());
    assert!(!file.exists());

    fs::write(&file, "left behind\n").unwrap();
    fs::write(current.join("conn.log"), "still open\n").unwrap();
    let nonsense = ZeekRotated { closed: "later", ..rotated };
    assert!(archive_rotated(&options, nonsense).unwrap_err().to_string().starts_with("later is no time"));
    assert_eq!(archive_zeek_leftovers(&options).unwrap(), 1);
    assert!(!file.exists() && current.join("conn.log").exists());
}

#[test]
fn what_a_killed_node_left_open_or_rotated_is_archived_together() {
    let folder = tempfile::tempdir().unwrap();
    let current = folder.path().join("logs/current/logger");
    fs::create_dir_all(&current).unwrap();
    let options = LoggerOptions::new("logger", &current, folder.path().join("logs"));
    let queued = QUEUED.rsplit('/').next().unwrap();
    for name in ["conn.log", "dns.log.gz", "conn.2026-01-31-13-00-00.log", queued] {
        fs::write(current.join(name), format!("{name}\n")).unwrap();
    }
    fs::write(current.join("empty.log"), "").unwrap();
    fs::write(current.join("notes.txt"), "no log").unwrap();
    assert_eq!(archive_leftovers(&options).unwrap(), 4);
    assert_eq!(sorted_names(&current).unwrap(), ["notes.txt"]);
    assert_eq!(archive_leftovers(&options).unwrap(), 0);
}
