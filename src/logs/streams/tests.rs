use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

use super::super::rotation::Rotated;
use super::*;
use crate::wire::log_batch::{LogBatch, LogValue, TypeTag};

/// The files of a logger without its threads; time is what a test says.
struct Bench {
    folder: tempfile::TempDir,
    streams: Streams,
    began: Instant,
    second: u64,
}

impl Bench {
    fn new(change: impl FnOnce(&mut LoggerOptions)) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let mut options = LoggerOptions::new("logger", folder.path().join("current"), folder.path());
        options.time_zone = jiff::tz::TimeZone::UTC;
        change(&mut options);
        fs::create_dir_all(&options.current_dir).unwrap();
        let streams = Streams::new(options, FileFigures::default());
        Bench { folder, streams, began: Instant::now(), second: 0 }
    }

    fn now(&self) -> (Timestamp, Instant) {
        let now = Timestamp::from_second(1_767_225_600).unwrap() + Duration::from_secs(self.second);
        (now, self.began + Duration::from_secs(self.second))
    }

    fn send(&mut self, sender: &str, batch: &LogBatch) -> Result<Accepted, Box<Report>> {
        let (now, at) = self.now();
        let payload = batch.encode().unwrap();
        let incoming = Incoming { sender: sender.as_bytes(), payload: &payload, now, at };
        self.streams.batch(incoming, &mut |_: &mut Output| Ok(()))
    }

    /// Ends all files; the texts of all that there ever were, by name.
    fn files(&mut self) -> BTreeMap<String, String> {
        self.rotate();
        let names = fs::read_dir(self.folder.path().join("current")).unwrap().map(|entry| entry.unwrap());
        names
            .map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap()))
            .collect()
    }

    fn rotate(&mut self) {
        let (now, at) = self.now();
        for rotated in self.streams.rotate(now, now, at) {
            rotated.unwrap();
        }
    }

    fn notes(&mut self) -> Vec<String> {
        self.streams.notes.drain(..).map(|note| note.to_string()).collect()
    }

    fn open(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .streams
            .logs
            .values()
            .flat_map(|log| &log.files)
            .map(|file| file.output.file_path().file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    }
}

fn batch(path: &str, columns: &[&str], number: u64) -> LogBatch {
    LogBatch {
        stream: b"Test::LOG".to_vec(),
        writer: WRITER_ASCII.into(),
        filter: b"default".to_vec(),
        path: path.into(),
        fields: columns.iter().map(|name| Field::new(name, TypeTag::Count)).collect(),
        records: vec![columns.iter().map(|_| LogValue::Count(number)).collect()],
    }
}

/// The lines of a text that are no header.
fn lines(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.starts_with('#')).collect()
}

fn fields(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("#fields\t")).collect()
}

#[test]
fn another_list_of_columns_begins_another_file() {
    let mut bench = Bench::new(|_| {});
    bench.send("w", &batch("conn", &["a", "b"], 1)).unwrap();
    bench.second += 1;
    bench.send("w", &batch("conn", &["a", "b", "c"], 2)).unwrap();
    assert_eq!(bench.notes(), ["the columns of conn change from 2 to 3: its file is rotated (log batch from w)"]);
    let files = bench.files();
    let texts: Vec<&String> = files.values().collect();
    assert_eq!(files.len(), 2, "{files:?}");
    assert!(files.keys().all(|name| Rotated::from_queue_name(name).unwrap().path == "conn"));
    assert_eq!((fields(texts[0]), lines(texts[0])), (vec!["a\tb"], vec!["1\t1"]));
    assert_eq!((fields(texts[1]), lines(texts[1])), (vec!["a\tb\tc"], vec!["2\t2\t2"]));
    assert!(texts.iter().all(|text| text.contains("\n#close\t")));
}

#[test]
fn renamed_and_retyped_columns_are_other_columns() {
    let renamed = batch("conn", &["a", "z"], 2);
    let mut retyped = batch("conn", &["a", "b"], 2);
    retyped.fields[1] = Field::new("b", TypeTag::Int);
    retyped.records[0][1] = LogValue::Int(2);
    for other in [renamed, retyped] {
        let mut bench = Bench::new(|_| {});
        bench.send("w", &batch("conn", &["a", "b"], 1)).unwrap();
        bench.second += 1;
        bench.send("w", &other).unwrap();
        assert_eq!(bench.files().len(), 2);
    }
    // What the header does not show is no difference.
    let mut optional = batch("conn", &["a", "b"], 2);
    optional.fields[0].optional = true;
    let mut bench = Bench::new(|_| {});
    bench.send("w", &batch("conn", &["a", "b"], 1)).unwrap();
    bench.send("w", &optional).unwrap();
    assert_eq!(bench.files().len(), 1);
}

#[test]
fn two_lists_of_columns_at_once_do_not_thrash() {
    let mut bench = Bench::new(|_| {});
    // One half of the workers was restarted, and each logs every ten seconds for an hour.
    for number in 0..360 {
        let (sender, columns): (&str, &[&str]) = if number % 2 == 0 { ("old", &["a"]) } else { ("new", &["a", "b"]) };
        bench.send(sender, &batch("conn", columns, number)).unwrap();
        bench.second += 10;
    }
    assert_eq!(bench.open(), ["conn.log", "conn~2.log"]);
    let notes = bench.notes();
    assert_eq!(notes.iter().filter(|note| note.contains("is rotated")).count(), 1);
    let beside = "conn is sent with different columns at the same time (2 and 1): records with the 1 of old go to ";
    assert!(notes.last().unwrap().starts_with(beside), "{notes:?}");
    let files = bench.files();
    assert_eq!(files.len(), 3);
    let mut all: Vec<u64> = files
        .values()
        .flat_map(|text| lines(text))
        .map(|line| line.split('\t').next().unwrap().parse().unwrap())
        .collect();
    all.sort_unstable();
    assert_eq!(all, (0..360).collect::<Vec<u64>>(), "each record once");
    for text in files.values() {
        let columns = fields(text)[0].split('\t').count();
        assert!(lines(text).iter().all(|line| line.split('\t').count() == columns), "{text}");
    }
    // They are one log in the archive.
    assert!(files.keys().all(|name| Rotated::from_queue_name(name).unwrap().path == "conn"));
}

#[test]
fn a_list_that_is_out_of_use_is_given_up_at_rotation() {
    let mut bench = Bench::new(|_| {});
    bench.send("old", &batch("conn", &["a"], 1)).unwrap();
    bench.send("new", &batch("conn", &["a", "b"], 2)).unwrap();
    bench.send("old", &batch("conn", &["a"], 3)).unwrap();
    assert_eq!(bench.open(), ["conn.log", "conn~2.log"]);
    bench.rotate();
    bench.second += 3600;
    bench.send("new", &batch("conn", &["a", "b"], 4)).unwrap();
    bench.rotate();
    assert_eq!(bench.open(), ["conn.log"]);
}

#[test]
fn the_list_that_stays_in_use_gets_the_logs_own_file() {
    let mut bench = Bench::new(|_| {});
    bench.send("w", &batch("conn", &["a"], 1)).unwrap();
    bench.send("w", &batch("conn", &["a", "b"], 2)).unwrap();
    // It was a mistake and is taken back.
    for _ in 0..60 {
        bench.second += 30;
        bench.send("w", &batch("conn", &["a"], 3)).unwrap();
    }
    assert_eq!(bench.open(), ["conn.log"]);
    let rotated = bench.notes().iter().filter(|note| note.contains("is rotated")).count();
    assert_eq!(rotated, 2);
    let records: usize = bench.files().values().map(|text| lines(text).len()).sum();
    assert_eq!(records, 62);
}

#[test]
fn invented_lists_of_columns_are_bounded() {
    let mut bench = Bench::new(|_| {});
    bench.send("w", &batch("conn", &["a"], 1)).unwrap();
    let mut refused = 0;
    for number in 0..300 {
        bench.second += 1;
        let column = format!("c{number}");
        if let Err(report) = bench.send("stranger", &batch("conn", &[&column], 1)) {
            assert!(report.to_string().contains("more than 4 lists of columns"), "{report}");
            refused += 1;
        }
        bench.send("w", &batch("conn", &["a"], 2)).unwrap();
    }
    assert!(refused > 200, "{refused}");
    assert!(bench.open().len() <= MAX_LISTS);
    assert!(bench.streams.logs.values().all(|log| log.former.len() <= 2 * MAX_LISTS));
    let files = bench.files();
    assert!(files.len() < 40, "{}", files.len());
    let own = files.values().filter(|text| fields(text) == ["a"]).flat_map(|text| lines(text)).count();
    assert_eq!(own, 301, "whoever logs in order loses nothing");
}

#[test]
fn a_broken_batch_with_other_columns_changes_nothing() {
    let mut bench = Bench::new(|_| {});
    bench.send("w", &batch("conn", &["a"], 1)).unwrap();
    let mut broken = batch("conn", &["a", "b"], 2).encode().unwrap();
    broken.pop();
    let (now, at) = bench.now();
    let incoming = Incoming { sender: b"s", payload: &broken, now, at };
    assert!(bench.streams.batch(incoming, &mut |_: &mut Output| Ok(())).is_err());
    bench.send("s", &LogBatch { records: Vec::new(), ..batch("conn", &["a", "b"], 2) }).unwrap();
    assert!(bench.notes().is_empty());
    assert_eq!(bench.files().len(), 1);
}

#[test]
fn json_takes_any_columns_into_one_file() {
    let mut bench = Bench::new(|options| options.ascii.use_json = true);
    bench.send("w", &batch("conn", &["a"], 1)).unwrap();
    bench.send("w", &batch("conn", &["a", "b"], 2)).unwrap();
    bench.send("w", &batch("conn", &["z"], 3)).unwrap();
    let files = bench.files();
    let texts: Vec<&String> = files.values().collect();
    assert_eq!(texts, ["{\"a\":1}\n{\"a\":2,\"b\":2}\n{\"z\":3}\n"]);
}

#[test]
fn other_filters_and_streams_get_paths_of_their_own() {
    for use_json in [false, true] {
        let mut bench = Bench::new(|options| options.ascii.use_json = use_json);
        let other_filter = LogBatch { filter: b"other".to_vec(), ..batch("x", &["a", "b", "c"], 2) };
        let other_stream = LogBatch { stream: b"Other::LOG".to_vec(), ..batch("x", &["a"], 3) };
        let same_columns = LogBatch { filter: b"third".to_vec(), ..batch("x", &["a"], 4) };
        for batch in [&batch("x", &["a"], 1), &other_filter, &other_stream, &same_columns, &other_filter] {
            bench.send("w", batch).unwrap();
        }
        let notes = bench.notes();
        assert_eq!(
            notes[0],
            "Write using filter 'other' of stream 'Test::LOG' on path 'x' changed to use new path 'x-2' to avoid conflict"
        );
        assert_eq!(notes.len(), 2);
        let records: BTreeMap<String, usize> = bench
            .files()
            .into_iter()
            .map(|(name, text)| (Rotated::from_queue_name(&name).unwrap().path, lines(&text).len()))
            .collect();
        let expected = [("x", 2), ("x-2", 2), ("x-3", 1)].map(|(name, count)| (name.to_owned(), count));
        assert_eq!(records, BTreeMap::from(expected));
    }
}

#[test]
fn paths_are_names_that_nothing_trips_over() {
    let mut bench = Bench::new(|_| {});
    let long = "x".repeat(MAX_PATH);
    for good in ["conn", "a.b", "con.13:00:00-14:00:00", "x_1", "user@host", "1+1", &long] {
        bench.send("w", &batch(good, &["a"], 1)).unwrap_or_else(|report| panic!("{good}: {report}"));
    }
    let too_long = "x".repeat(MAX_PATH + 1);
    let bad = [
        "",
        &too_long,
        "../../x",
        "/tmp/abs",
        "..",
        ".",
        ".hidden",
        "-rf",
        "a\0b",
        "a\nb",
        "sp ace",
        "\u{202e}gnp",
        "$(id)",
        "it's",
        "*",
        "%s%n",
        "a~2",
        "zoë",
        "a/../../b",
        "q__2026-01-01-00-00-00__2026-01-01-01-00-00__",
        "q__1970-01-01-00-00-00__1970-01-01-01-00-00__7",
        "conn.2026-01-01-00-00-00",
    ];
    for bad in bad {
        let report = bench.send("w", &batch(bad, &["a"], 1)).unwrap_err();
        assert!(matches!(*report, Report::Path { .. }), "{bad}: {report}");
    }
    let not_utf8 = LogBatch { path: b"\xff\xfe".to_vec(), ..batch("x", &["a"], 1) };
    assert!(bench.send("w", &not_utf8).is_err());
    assert_eq!(bench.files().len(), 7);
}

#[test]
fn only_so_many_files_are_open_and_what_is_out_of_use_makes_room() {
    let mut bench = Bench::new(|_| {});
    for number in 0..MAX_FILES {
        let sender = if number < MAX_LOGS_OF_SENDER { "a" } else { "b" };
        bench.send(sender, &batch(&format!("x{number}"), &["a"], 1)).unwrap();
    }
    let refused = bench.send("a", &batch("more", &["a"], 1)).unwrap_err().to_string();
    assert!(refused.contains("would be beside 256 other logs of this sender"), "{refused}");
    let refused = bench.send("c", &batch("ssl", &["a"], 1)).unwrap_err().to_string();
    assert!(refused.contains("would be open beside 512 other files"), "{refused}");

    // One that rested for long makes room at once.
    bench.second += IDLE.as_secs();
    bench.send("c", &batch("ssl", &["a"], 1)).unwrap();
    assert_eq!(bench.open().len(), MAX_FILES);

    // At the second rotation those that nobody wrote are forgotten.
    bench.rotate();
    bench.second += 3600;
    bench.send("c", &batch("ssl", &["a"], 2)).unwrap();
    bench.rotate();
    assert_eq!(bench.open(), ["ssl.log"]);
    bench.send("a", &batch("x1", &["a"], 2)).unwrap();
    assert_eq!(bench.streams.figures.snapshot().iter().find(|file| file.path == "x1").unwrap().records, 2);
}

#[test]
fn remembered_heads_are_bounded_in_octets() {
    let mut bench = Bench::new(|options| options.ascii.use_json = true);
    for number in 0..500 {
        let mut many = batch("r", &["a"], 1);
        many.fields.extend((0..500).map(|column| Field::new(&format!("{number}-{column}"), TypeTag::Bool)));
        many.records.clear();
        bench.send("w", &many).unwrap();
        assert!(bench.streams.route_octets <= MAX_ROUTE_OCTETS);
    }
    assert!(bench.streams.routes.len() < 500, "they were cleared");
}

#[test]
fn a_large_batch_is_written_in_pieces() {
    let mut bench = Bench::new(|options| options.ascii.use_json = true);
    let name = "n".repeat(256);
    let mut bomb = batch("bomb", &[&name], 1);
    bomb.records = vec![vec![LogValue::Count(1)]; 20_000];
    let payload = bomb.encode().unwrap();
    let (now, at) = bench.now();
    let incoming = Incoming { sender: b"s", payload: &payload, now, at };
    let options = bench.streams.options.clone();
    let (mut pieces, mut largest) = (0, 0);
    let mut flush = |output: &mut Output| {
        (pieces, largest) = (pieces + 1, largest.max(output.waiting()));
        output.write(&options, &mut Vec::new()).map(drop).unwrap();
        Ok(())
    };
    bench.streams.batch(incoming, &mut flush).unwrap();
    assert!(pieces >= 4 && largest < PIECE_OCTETS + 1000, "{pieces} pieces of {largest}");

    // What is wrong in its last octet leaves nothing of it, though it is large.
    let mut broken = payload.clone();
    broken.push(0);
    let mut never = |_: &mut Output| panic!("nothing of it may be written");
    let incoming = Incoming { sender: b"s", payload: &broken, now, at };
    assert!(bench.streams.batch(incoming, &mut never).is_err());
    let records: usize = bench.files().values().map(|text| text.lines().count()).sum();
    assert_eq!(records, 20_000);
}

#[test]
fn the_inode_of_a_live_file_does_not_come_back_at_once() {
    let mut bench = Bench::new(|_| {});
    let options = bench.streams.options.clone();
    let live = bench.folder.path().join("current/conn.log");
    let mut last = None;
    for number in 0..30 {
        bench.send("w", &batch("conn", &["a"], number)).unwrap();
        for output in bench.streams.waiting() {
            output.write(&options, &mut Vec::new()).unwrap();
        }
        let inode = fs::metadata(&live).unwrap().ino();
        assert_ne!(Some(inode), last, "in round {number}");
        last = Some(inode);
        let (now, at) = bench.now();
        // As the archive does, once it has a compressed copy.
        bench.streams.rotate(now, now, at).into_iter().for_each(|queued| fs::remove_file(queued.unwrap()).unwrap());
        bench.second += 1;
        let (_, at) = bench.now();
        bench.streams.release_inodes(at, false);
    }
    assert!(bench.streams.closed.len() <= 10, "they are kept for ten seconds");
    let (_, at) = bench.now();
    bench.streams.release_inodes(at, true);
    assert!(bench.streams.closed.is_empty(), "a full disk needs their room");
}
