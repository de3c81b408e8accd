//! Reads `cluster.log` of one host: current and archived, TSV and JSON, plain and compressed, of all its loggers.
//!
//! ```text
//! LogTail::open(logs: &Path, query: LogQuery, stop: Arc<AtomicBool>) -> io::Result<LogTail>
//! LogTail: Iterator<Item = io::Result<LogLine>> + Send
//! ```
//!
//! `logs` is the folder `logs/` of a cluster. The iterator blocks: on files, and with [`LogQuery::follow`] until something
//! is written; it ends within [`POLL`] after `stop` was set. Lines come oldest first, by their time stamp; those of one
//! logger keep the order of its file. With [`LogQuery::lines`] only as much is read, from the end, as is needed.
//!
//! Follows over rotations: a file stays open until its last line was read. Knows nothing of what writes the files but
//! their names: `current/LOGGER/cluster.log`, `current/LOGGER/cluster__OPENED__CLOSED__*.log` while they wait for the
//! archive, and `YYYY-MM-DD/cluster.HH:MM:SS-HH:MM:SS*.log[.gz]`; names have local time.

use std::cmp::Ordering as Order;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use regex::Regex;
use serde::Deserialize;

use crate::api::agent::LogLine;

/// How often a followed file is looked at.
pub const POLL: Duration = Duration::from_millis(100);
/// A record may be older than the file it is in, and a local time may be an hour off where the clock was set back.
const SLACK_S: f64 = 7200.0;
/// A record waits for its batch, so that a file begins with records from before it was opened.
const BATCH_S: f64 = 5.0;
/// How often finding the files is tried while they rotate.
const ATTEMPTS: usize = 10;
/// Octets read at a time from the end of a file.
const BLOCK: usize = 64 << 10;
/// A line that is longer is not a record.
const MAX_LINE: usize = 1 << 20;
/// The most lines that [`LogQuery::lines`] holds in memory.
const MAX_LINES: usize = 1_000_000;

/// Which records to show.
#[derive(Clone, Debug, Default)]
pub struct LogQuery {
    /// Only the last so many of those that the other fields let through; at most a million.
    pub lines: Option<usize>,
    /// Seconds since the epoch; records before it are left out.
    pub since: Option<f64>,
    /// Seconds since the epoch; records after it are left out.
    pub until: Option<f64>,
    /// Only records of these nodes; empty for all.
    pub nodes: Vec<String>,
    /// Only records whose message matches.
    pub grep: Option<Regex>,
    /// Go on with what is written from now on.
    pub follow: bool,
}

impl LogQuery {
    fn admits(&self, line: &LogLine) -> bool {
        self.since.is_none_or(|since| line.ts >= since)
            && self.until.is_none_or(|until| line.ts <= until)
            && (self.nodes.is_empty() || self.nodes.contains(&line.node))
            && self.grep.as_ref().is_none_or(|grep| grep.is_match(&line.message))
    }

    /// Whether a file that was written in that time can hold something.
    fn reaches(&self, opened: f64, closed: f64) -> bool {
        self.since.is_none_or(|since| closed + SLACK_S >= since)
            && self.until.is_none_or(|until| opened - SLACK_S <= until)
    }
}

/// The records of a query; see the module.
#[derive(Debug)]
pub struct LogTail {
    query: LogQuery,
    stop: Arc<AtomicBool>,
    history: History,
    follow: Option<Follow>,
}

impl LogTail {
    /// Finds the files and opens those that are being written. A folder that is not there is an empty one.
    pub fn open(logs: &Path, query: LogQuery, stop: Arc<AtomicBool>) -> io::Result<LogTail> {
        let current = logs.join("current");
        let (open, mut files) = find(logs, &current)?;
        files.retain(|file| query.reaches(file.opened, file.closed));
        let follow = query.follow.then(|| Follow::new(current, &open)).transpose()?;
        for file in open {
            // No name says when it was opened: its first record does, as soon as it is merged.
            files.push(Source { opened: f64::NEG_INFINITY, closed: f64::INFINITY, place: Place::Open(file) });
        }
        let history = match query.lines {
            Some(lines) => History::Last(last_lines(files, &query, lines.min(MAX_LINES), &stop)?),
            None => History::All(Merge::new(files)),
        };
        Ok(LogTail { query, stop, history, follow })
    }

    fn next_of_history(&mut self) -> Option<io::Result<LogLine>> {
        match &mut self.history {
            History::Last(lines) => lines.pop_front().map(Ok),
            History::All(merge) => {
                while !self.stop.load(Ordering::Relaxed) {
                    match merge.next()? {
                        Ok(line) if !self.query.admits(&line) => {}
                        other => return Some(other),
                    }
                }
                None
            }
        }
    }
}

impl Iterator for LogTail {
    type Item = io::Result<LogLine>;

    fn next(&mut self) -> Option<io::Result<LogLine>> {
        if let Some(line) = self.next_of_history() {
            return Some(line);
        }
        let follow = self.follow.as_mut()?;
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return None;
            }
            match follow.ready.pop_front() {
                Some(line) if self.query.admits(&line) => return Some(Ok(line)),
                Some(_) => {}
                None => match follow.look() {
                    Ok(()) if follow.ready.is_empty() => std::thread::sleep(POLL),
                    Ok(()) => {}
                    Err(error) => return Some(Err(error)),
                },
            }
        }
    }
}

#[derive(Debug)]
enum History {
    Last(VecDeque<LogLine>),
    All(Merge),
}

/// A file of the log.
#[derive(Debug)]
struct Source {
    /// Seconds since the epoch, as far as the name says.
    opened: f64,
    closed: f64,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Closed(PathBuf),
    Open(OpenFile),
}

/// A file that is being written, held so that rotation cannot take it away.
#[derive(Debug)]
struct OpenFile {
    file: File,
    path: PathBuf,
    /// Device and inode.
    id: (u64, u64),
    /// Where the history ends: after the last whole line.
    end: u64,
}

impl Source {
    fn compressed(&self) -> bool {
        matches!(&self.place, Place::Closed(path) if is_compressed(path))
    }

    fn has_moved(&self) -> bool {
        match &self.place {
            Place::Closed(path) => !path.exists(),
            Place::Open(open) => open.has_moved(),
        }
    }

    fn reader(self) -> io::Result<Records> {
        let compressed = self.compressed();
        let text: Box<dyn Read + Send> = match self.place {
            Place::Closed(path) if compressed => Box::new(MultiGzDecoder::new(File::open(path)?)),
            Place::Closed(path) => Box::new(File::open(path)?),
            Place::Open(mut open) => {
                open.file.seek(SeekFrom::Start(0))?;
                Box::new(open.file.take(open.end))
            }
        };
        Ok(Records { text: BufReader::new(text), shape: Shape::default(), line: Vec::new() })
    }

    /// A plain file and how much of it counts.
    fn plain(&self) -> io::Result<(File, u64)> {
        match &self.place {
            Place::Closed(path) => {
                let file = File::open(path)?;
                let length = file.metadata()?.len();
                Ok((file, length))
            }
            Place::Open(open) => Ok((open.file.try_clone()?, open.end)),
        }
    }
}

fn open_current(current: &Path) -> io::Result<Vec<OpenFile>> {
    let mut open = Vec::new();
    for folder in entries(current)? {
        let path = folder.join("cluster.log");
        match File::open(&path) {
            Ok(file) => open.push(OpenFile::new(file, path)?),
            Err(error) if is_absence(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(open)
}

impl OpenFile {
    fn new(file: File, path: PathBuf) -> io::Result<OpenFile> {
        let metadata = file.metadata()?;
        let end = last_line_end(&file, metadata.len())?;
        Ok(OpenFile { file, path, id: (metadata.dev(), metadata.ino()), end })
    }

    /// Whether it was rotated or archived since it was opened.
    fn has_moved(&self) -> bool {
        fs::metadata(&self.path).map_or(true, |metadata| (metadata.dev(), metadata.ino()) != self.id)
    }
}

/// Where the last whole line of a file ends.
fn last_line_end(file: &File, length: u64) -> io::Result<u64> {
    let mut block = vec![0; BLOCK];
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(BLOCK as u64);
        let part = &mut block[..(end - start) as usize];
        file.read_exact_at(part, start)?;
        if let Some(at) = part.iter().rposition(|octet| *octet == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// The files that are being written, and all others.
fn find(logs: &Path, current: &Path) -> io::Result<(Vec<OpenFile>, Vec<Source>)> {
    for _ in 0..ATTEMPTS {
        let open = open_current(current)?;
        let mut files = queued_files(current)?;
        let queued = files.len();
        files.extend(archived_files(logs)?);
        // A file that moved on meanwhile would be found twice, or not at all.
        if !open.iter().any(OpenFile::has_moved) && !files[..queued].iter().any(Source::has_moved) {
            return Ok((open, files));
        }
    }
    Err(io::Error::other("the logs rotate faster than they can be found"))
}

/// Closed files that wait for the archive.
fn queued_files(current: &Path) -> io::Result<Vec<Source>> {
    let mut files = Vec::new();
    for folder in entries(current)? {
        for path in entries(&folder)? {
            let Some((opened, closed)) = file_name(&path).and_then(queued_times) else { continue };
            let place = if is_compressed(&path) {
                Place::Closed(path)
            } else {
                match File::open(&path) {
                    Ok(file) => Place::Open(OpenFile::new(file, path)?),
                    Err(error) if is_absence(&error) => continue,
                    Err(error) => return Err(error),
                }
            };
            files.push(Source { opened, closed, place });
        }
    }
    Ok(files)
}

fn archived_files(logs: &Path) -> io::Result<Vec<Source>> {
    let mut found = Vec::new();
    for day in entries(logs)? {
        let Some(date) = file_name(&day).filter(|name| is_date(name)).map(str::to_owned) else { continue };
        for path in entries(&day)? {
            if let Some((opened, closed)) = file_name(&path).and_then(|name| archived_times(&date, name)) {
                found.push(Source { opened, closed, place: Place::Closed(path) });
            }
        }
    }
    Ok(found)
}

fn is_compressed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "gz")
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
        Err(error) if is_absence(&error) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn file_name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

fn is_date(name: &str) -> bool {
    name.len() == 10 && name.parse::<jiff::civil::Date>().is_ok()
}

/// `cluster__2026-01-31-13-00-00__2026-01-31-14-00-00__.log` as seconds since the epoch.
fn queued_times(name: &str) -> Option<(f64, f64)> {
    let mut parts = name.strip_prefix("cluster__")?.split("__");
    let mut time = || seconds(DateTime::strptime("%Y-%m-%d-%H-%M-%S", parts.next()?).ok()?);
    Some((time()?, time()?))
}

/// `cluster.13:00:00-14:00:00.log.gz` of a day as seconds since the epoch; what closes earlier than it opens closes on
/// the next day.
fn archived_times(date: &str, name: &str) -> Option<(f64, f64)> {
    let times = name.strip_prefix("cluster.").filter(|_| name.contains(".log"))?;
    let (opened, closed) = (times.get(..8)?, times.get(8..)?.strip_prefix('-')?.get(..8)?);
    let time = |time: &str| DateTime::strptime("%Y-%m-%d %H:%M:%S", format!("{date} {time}")).ok();
    let (opened, mut closed) = (time(opened)?, time(closed)?);
    if closed < opened {
        closed = closed.date().tomorrow().ok()?.to_datetime(closed.time());
    }
    Some((seconds(opened)?, seconds(closed)?))
}

fn seconds(local: DateTime) -> Option<f64> {
    Some(local.to_zoned(TimeZone::system()).ok()?.timestamp().as_duration().as_secs_f64())
}

/// All records, oldest first: files are merged where their times overlap.
#[derive(Debug)]
struct Merge {
    /// Not opened yet, the oldest last.
    files: Vec<Source>,
    heads: Vec<Head>,
}

/// An open file and its next record.
#[derive(Debug)]
struct Head {
    line: LogLine,
    rest: Records,
}

impl Merge {
    fn new(mut files: Vec<Source>) -> Merge {
        files.sort_by(|a, b| b.opened.total_cmp(&a.opened));
        Merge { files, heads: Vec::new() }
    }

    fn next(&mut self) -> Option<io::Result<LogLine>> {
        loop {
            let first = self.heads.iter().enumerate().min_by(|(_, a), (_, b)| by_time(&a.line, &b.line));
            let first = first.map(|(index, head)| (index, head.line.ts));
            // Files of one logger follow each other, so that only what overlaps is open at a time.
            let opens = |file: &Source| first.is_none_or(|(_, ts)| file.opened - BATCH_S <= ts);
            if self.files.last().is_some_and(opens) {
                let file = self.files.pop()?;
                if let Err(error) = self.open(file) {
                    return Some(Err(error));
                }
                continue;
            }
            let (index, _) = first?;
            return Some(self.advance(index));
        }
    }

    fn open(&mut self, file: Source) -> io::Result<()> {
        let mut rest = match file.reader() {
            // It was archived or has expired in the meantime.
            Err(error) if is_absence(&error) => return Ok(()),
            other => other?,
        };
        if let Some(line) = rest.next_record()? {
            self.heads.push(Head { line, rest });
        }
        Ok(())
    }

    fn advance(&mut self, index: usize) -> io::Result<LogLine> {
        match self.heads[index].rest.next_record()? {
            Some(next) => Ok(std::mem::replace(&mut self.heads[index].line, next)),
            None => Ok(self.heads.remove(index).line),
        }
    }
}

fn by_time(a: &LogLine, b: &LogLine) -> Order {
    a.ts.total_cmp(&b.ts)
}

/// The last records, oldest first. Files are read from the newest back, plain ones from their end.
fn last_lines(
    mut files: Vec<Source>,
    query: &LogQuery,
    count: usize,
    stop: &AtomicBool,
) -> io::Result<VecDeque<LogLine>> {
    files.sort_by(|a, b| b.closed.total_cmp(&a.closed));
    let mut kept: Vec<LogLine> = Vec::new();
    for file in files {
        let oldest = kept.iter().map(|line| line.ts).min_by(f64::total_cmp);
        let complete = kept.len() >= count && oldest.is_none_or(|oldest| file.closed < oldest);
        if complete || stop.load(Ordering::Relaxed) {
            break;
        }
        let found =
            if file.compressed() { last_of_compressed(file, query, count) } else { last_of_plain(&file, query, count) };
        match found {
            Ok(mut lines) => {
                lines.append(&mut kept);
                kept = lines;
            }
            Err(error) if is_absence(&error) => {}
            Err(error) => return Err(error),
        }
        kept.sort_by(by_time);
        kept.drain(..kept.len().saturating_sub(count));
    }
    Ok(kept.into())
}

fn last_of_compressed(file: Source, query: &LogQuery, count: usize) -> io::Result<Vec<LogLine>> {
    let mut records = file.reader()?;
    let mut last = VecDeque::new();
    while let Some(line) = records.next_record()? {
        if query.admits(&line) {
            last.push_back(line);
            if last.len() > count {
                last.pop_front();
            }
        }
    }
    Ok(last.into())
}

fn last_of_plain(file: &Source, query: &LogQuery, count: usize) -> io::Result<Vec<LogLine>> {
    let (file, length) = file.plain()?;
    let shape = Shape::of_file(&file)?;
    let mut found = Vec::new();
    let mut end = length;
    // What stands before the first line end of the blocks read so far.
    let mut head: Vec<u8> = Vec::new();
    while end > 0 && found.len() < count && head.len() <= MAX_LINE {
        let start = end.saturating_sub(BLOCK as u64);
        let mut block = vec![0; (end - start) as usize];
        file.read_exact_at(&mut block, start)?;
        block.append(&mut head);
        let first = if start == 0 {
            0
        } else {
            block.iter().position(|octet| *octet == b'\n').map_or(block.len(), |at| at + 1)
        };
        for line in block[first..].split(|octet| *octet == b'\n').rev() {
            let record = shape.record(line).filter(|record| query.admits(record));
            found.extend(record);
            if found.len() >= count {
                break;
            }
        }
        block.truncate(first);
        head = block;
        end = start;
    }
    found.reverse();
    Ok(found)
}

/// Reads records forward.
struct Records {
    text: BufReader<Box<dyn Read + Send>>,
    shape: Shape,
    line: Vec<u8>,
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records").field("shape", &self.shape).finish_non_exhaustive()
    }
}

impl Records {
    /// The next record; what is none is passed over.
    fn next_record(&mut self) -> io::Result<Option<LogLine>> {
        loop {
            self.line.clear();
            let taken = (&mut self.text).take(MAX_LINE as u64).read_until(b'\n', &mut self.line)?;
            if taken == 0 {
                return Ok(None);
            }
            if self.shape.learn(&self.line) {
                continue;
            }
            if let Some(record) = self.shape.record(&self.line) {
                return Ok(Some(record));
            }
        }
    }
}

/// How the lines of a file are to be read: what its header says.
#[derive(Clone, Debug)]
struct Shape {
    separator: Vec<u8>,
    /// Columns of time, node and message.
    columns: [usize; 3],
}

impl Default for Shape {
    fn default() -> Shape {
        Shape { separator: b"\t".to_vec(), columns: [0, 1, 2] }
    }
}

/// A record of a JSON log; time is a number of seconds, of milliseconds, or ISO 8601.
#[derive(Deserialize)]
struct JsonRecord {
    ts: serde_json::Value,
    #[serde(default)]
    node: String,
    #[serde(default)]
    message: String,
}

impl Shape {
    fn of_file(file: &File) -> io::Result<Shape> {
        let mut shape = Shape::default();
        let mut head = vec![0; 4096];
        let length = file.read_at(&mut head, 0)?;
        for line in head[..length].split(|octet| *octet == b'\n') {
            shape.learn(line);
        }
        Ok(shape)
    }

    /// Takes what a header line says; whether it was one.
    fn learn(&mut self, line: &[u8]) -> bool {
        let Some(meta) = line.strip_prefix(b"#") else { return false };
        let meta = meta.trim_ascii_end();
        if let Some(separator) = meta.strip_prefix(b"separator ") {
            self.separator = unescape(separator);
        } else if let Some(names) = meta.strip_prefix(b"fields").and_then(|rest| rest.strip_prefix(&self.separator[..]))
        {
            let names: Vec<&[u8]> = split(names, &self.separator).collect();
            let column = |name: &[u8]| names.iter().position(|other| *other == name);
            if let (Some(ts), Some(node), Some(message)) = (column(b"ts"), column(b"node"), column(b"message")) {
                self.columns = [ts, node, message];
            }
        }
        true
    }

    fn record(&self, line: &[u8]) -> Option<LogLine> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        match line.first()? {
            b'#' => None,
            b'{' => json_record(line),
            _ => {
                let cells: Vec<&[u8]> = split(line, &self.separator).collect();
                let [ts, node, message] = self.columns.map(|column| cells.get(column).copied());
                let ts = std::str::from_utf8(ts?).ok()?.parse().ok()?;
                Some(LogLine { ts, node: cell(node?), message: cell(message?) })
            }
        }
    }
}

fn json_record(line: &[u8]) -> Option<LogLine> {
    let record: JsonRecord = serde_json::from_slice(line).ok()?;
    let ts = match &record.ts {
        // No cluster is as old as the year 5138, nor as young as April 1970.
        serde_json::Value::Number(number) => number.as_f64().map(|ts| if ts > 1e11 { ts / 1000.0 } else { ts }),
        serde_json::Value::String(text) => {
            text.parse::<jiff::Timestamp>().ok().map(|at| at.as_duration().as_secs_f64())
        }
        _ => None,
    };
    Some(LogLine { ts: ts?, node: record.node, message: record.message })
}

fn split<'a>(line: &'a [u8], separator: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let text = rest?;
        let at = text.windows(separator.len().max(1)).position(|window| window == separator);
        rest = at.map(|at| &text[at + separator.len()..]);
        Some(at.map_or(text, |at| &text[..at]))
    })
}

/// The text of a cell; unset and empty ones are empty.
fn cell(text: &[u8]) -> String {
    match text {
        b"-" | b"(empty)" => String::new(),
        text => String::from_utf8_lossy(&unescape(text)).into_owned(),
    }
}

/// Undoes `\xNN` and `\\`.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let hex = after.strip_prefix(b"x").and_then(|digits| std::str::from_utf8(digits.get(..2)?).ok());
        let octet = hex.filter(|_| *first == b'\\').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let (octet, used) = match (octet, first, after.first()) {
            (Some(octet), ..) => (octet, 4),
            (None, b'\\', Some(b'\\')) => (b'\\', 2),
            _ => (*first, 1),
        };
        out.push(octet);
        rest = &rest[used..];
    }
    out
}

/// What is being written.
#[derive(Debug)]
struct Follow {
    current: PathBuf,
    files: Vec<Followed>,
    ready: VecDeque<LogLine>,
}

#[derive(Debug)]
struct Followed {
    file: File,
    path: PathBuf,
    id: (u64, u64),
    at: u64,
    shape: Shape,
    /// A line without its end yet.
    partial: Vec<u8>,
}

impl Follow {
    fn new(current: PathBuf, open: &[OpenFile]) -> io::Result<Follow> {
        let files = open.iter().map(|open| {
            let file = open.file.try_clone()?;
            let shape = Shape::of_file(&file)?;
            Ok(Followed { file, path: open.path.clone(), id: open.id, at: open.end, shape, partial: Vec::new() })
        });
        let files = files.collect::<io::Result<Vec<_>>>()?;
        Ok(Follow { current, files, ready: VecDeque::new() })
    }

    /// Reads what came since the last time.
    fn look(&mut self) -> io::Result<()> {
        let mut index = 0;
        while index < self.files.len() {
            let followed = &mut self.files[index];
            // Whether it was rotated is asked first: afterwards nothing more is written to it.
            let rotated = fs::metadata(&followed.path).map_or(true, |now| (now.dev(), now.ino()) != followed.id);
            followed.read(&mut self.ready)?;
            if rotated {
                self.files.remove(index);
            } else {
                index += 1;
            }
        }
        for folder in entries(&self.current)? {
            let path = folder.join("cluster.log");
            if self.files.iter().all(|followed| followed.path != path) {
                self.begin(path)?;
            }
        }
        self.ready.make_contiguous().sort_by(by_time);
        Ok(())
    }

    fn begin(&mut self, path: PathBuf) -> io::Result<()> {
        let file = match File::open(&path) {
            Err(error) if is_absence(&error) => return Ok(()),
            other => other?,
        };
        let metadata = file.metadata()?;
        let id = (metadata.dev(), metadata.ino());
        let mut followed = Followed { file, path, id, at: 0, shape: Shape::default(), partial: Vec::new() };
        followed.read(&mut self.ready)?;
        self.files.push(followed);
        Ok(())
    }
}

impl Followed {
    fn read(&mut self, ready: &mut VecDeque<LogLine>) -> io::Result<()> {
        let mut block = vec![0; BLOCK];
        loop {
            let count = self.file.read_at(&mut block, self.at)?;
            if count == 0 {
                return Ok(());
            }
            self.at += count as u64;
            self.partial.extend_from_slice(&block[..count]);
            let whole = self.partial.iter().rposition(|octet| *octet == b'\n').map_or(0, |at| at + 1);
            for line in self.partial[..whole].split_inclusive(|octet| *octet == b'\n') {
                if !self.shape.learn(line) {
                    ready.extend(self.shape.record(line));
                }
            }
            self.partial.drain(..whole);
            if self.partial.len() > MAX_LINE {
                self.partial.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests;
