use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

const HEADER: &str = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tcluster\n\
                      #open\t2026-01-31-13-00-00\n#fields\tts\tnode\tmessage\n#types\ttime\tstring\tstring\n";

struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Bench {
        Bench(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let octets = if is_compressed(&path) {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(text.as_bytes()).unwrap();
            encoder.finish().unwrap()
        } else {
            text.as_bytes().to_vec()
        };
        fs::write(&path, octets).unwrap();
        path
    }

    fn open(&self, query: LogQuery) -> LogTail {
        LogTail::open(self.0.path(), query, Arc::default()).unwrap()
    }

    fn messages(&self, query: LogQuery) -> Vec<String> {
        self.open(query).map(|line| line.unwrap().message).collect()
    }
}

fn tsv(lines: &[(f64, &str, &str)]) -> String {
    let lines = lines.iter().map(|(ts, node, message)| format!("{ts:.6}\t{node}\t{message}\n"));
    format!("{HEADER}{}", lines.collect::<String>())
}

/// Seconds since the epoch of a local time on 2026-01-31.
fn at(time: &str) -> f64 {
    seconds(format!("2026-01-31T{time}").parse().unwrap()).unwrap()
}

/// Two loggers, three hours: archived, waiting for the archive, being written.
fn three_hours() -> Bench {
    let bench = Bench::new();
    bench.put(
        "2026-01-31/cluster.13:00:00-14:00:00-logger-1.log.gz",
        &tsv(&[(at("13:10:00"), "manager", "a"), (at("13:30:00"), "worker-1", "c")]),
    );
    bench.put(
        "2026-01-31/cluster.13:00:00-14:00:00-logger-2.log",
        &format!("{{\"ts\":{},\"node\":\"worker-1\",\"message\":\"b\"}}\n", at("13:20:00")),
    );
    bench.put("2026-01-31/conn.13:00:00-14:00:00.log.gz", "not ours");
    bench.put(
        "current/logger-1/cluster__2026-01-31-14-00-00__2026-01-31-15-00-00__.log",
        &tsv(&[(at("14:10:00"), "manager", "d"), (at("14:20:00"), "manager", "e")]),
    );
    bench.put("current/logger-1/cluster.log", &tsv(&[(at("15:10:00"), "worker-2", "f")]));
    bench.put(
        "current/logger-2/cluster.log",
        &tsv(&[(at("15:05:00"), "worker-1", "say \\x09 and \\\\"), (at("15:20:00"), "-", "h")]),
    );
    bench
}

#[test]
fn everything_comes_oldest_first() {
    let bench = three_hours();
    let all = ["a", "b", "c", "d", "e", "say \t and \\", "f", "h"];
    assert_eq!(bench.messages(LogQuery::default()), all);
    for count in 0..=all.len() {
        let query = LogQuery { lines: Some(count), ..LogQuery::default() };
        assert_eq!(bench.messages(query), all[all.len() - count..], "the last {count}");
    }
}

#[test]
fn filters_choose_records() {
    let bench = three_hours();
    let nodes = LogQuery { nodes: vec!["manager".into()], ..LogQuery::default() };
    assert_eq!(bench.messages(nodes.clone()), ["a", "d", "e"]);
    assert_eq!(bench.messages(LogQuery { lines: Some(2), ..nodes }), ["d", "e"]);
    let between = LogQuery { since: Some(at("13:15:00")), until: Some(at("14:10:00")), ..LogQuery::default() };
    assert_eq!(bench.messages(between), ["b", "c", "d"]);
    let grep = LogQuery { grep: Some(Regex::new("^[a-c]$").unwrap()), ..LogQuery::default() };
    assert_eq!(bench.messages(grep), ["a", "b", "c"]);
}

#[test]
fn the_end_of_a_long_file_is_enough() {
    let bench = Bench::new();
    let numbers: Vec<String> = (0..20_000).map(|number| format!("line {number}")).collect();
    let lines: Vec<_> = numbers.iter().enumerate().map(|(n, text)| (n as f64, "manager", text.as_str())).collect();
    bench.put("current/logger-1/cluster.log", &tsv(&lines));
    for count in [1, 3000, 30_000] {
        let query = LogQuery { lines: Some(count), ..LogQuery::default() };
        assert_eq!(bench.messages(query), numbers[numbers.len().saturating_sub(count)..]);
    }
}

#[test]
fn a_line_without_an_end_is_not_shown_yet() {
    let bench = Bench::new();
    bench.put("current/logger-1/cluster.log", &format!("{}2.0\tmanager\thal", tsv(&[(1.0, "manager", "a")])));
    assert_eq!(bench.messages(LogQuery::default()), ["a"]);
    assert_eq!(bench.messages(LogQuery { lines: Some(5), ..LogQuery::default() }), ["a"]);
}

#[test]
fn times_of_json_may_be_milliseconds_or_iso_8601() {
    let bench = Bench::new();
    bench.put(
        "current/logger-1/cluster.log",
        "{\"ts\":1769864722104,\"node\":\"a\",\"message\":\"m\"}\n\
         {\"ts\":\"2026-01-31T13:05:22.104518Z\",\"node\":\"a\",\"message\":\"i\"}\n{broken\n",
    );
    let times: Vec<f64> = bench.open(LogQuery::default()).map(|line| line.unwrap().ts).collect();
    assert_eq!(times, [1_769_864_722.104, 1_769_864_722.104_518]);
}

#[test]
fn nothing_there_is_no_error() {
    assert!(Bench::new().messages(LogQuery::default()).is_empty());
}

#[test]
fn following_goes_on_over_a_rotation() {
    let bench = Bench::new();
    let path = bench.put("current/logger-1/cluster.log", &tsv(&[(1.0, "manager", "old")]));
    let stop = Arc::new(AtomicBool::new(false));
    let query = LogQuery { lines: Some(0), follow: true, ..LogQuery::default() };
    let mut tail = LogTail::open(bench.0.path(), query, Arc::clone(&stop)).unwrap();
    let mut next = || tail.next().map(|line| line.unwrap().message);

    let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"2.0\tmanager\tfir").unwrap();
    file.write_all(b"st\n3.0\tmanager\tsecond\n").unwrap();
    assert_eq!(next().as_deref(), Some("first"));
    assert_eq!(next().as_deref(), Some("second"));

    file.write_all(b"4.0\tmanager\tlast of the old\n#close\t2026-01-31-14-00-00\n").unwrap();
    fs::rename(&path, path.with_file_name("cluster__2026-01-31-13-00-00__2026-01-31-14-00-00__.log")).unwrap();
    bench.put("current/logger-1/cluster.log", &tsv(&[(5.0, "manager", "first of the new")]));
    bench.put("current/logger-2/cluster.log", &tsv(&[(6.0, "manager", "another logger")]));
    assert_eq!(next().as_deref(), Some("last of the old"));
    assert_eq!(next().as_deref(), Some("first of the new"));
    assert_eq!(next().as_deref(), Some("another logger"));

    stop.store(true, Ordering::Relaxed);
    assert_eq!(next(), None);
}
