//! Which batch goes to which file, and which batches are refused.
//!
//! Zeek compares a batch with its own table of streams and filters, and refuses other columns. Here is no such table, and a
//! batch with other columns is written: what a sender's scripts log changes with each package. A JSON file takes any
//! columns. A TSV file has one list of them in its header, so
//!
//! - a list that is new makes the log's file rotate, and the new file has it;
//! - a list that was in use within the last hour comes from senders that are behind (half of the workers were restarted):
//!   its records go to a second file beside the first (`conn~2.log`), which is archived under the same name;
//! - so does one that comes within a minute of such a change. There are at most [`MAX_LISTS`] files of a log.
//!
//! Columns are compared by name and type. A path belongs to the first stream and filter that writes it; another one shares
//! it if it has the same stream and columns, and else gets `PATH-2`, `PATH-3` and so on, as in Zeek (`Manager.cc`,
//! `WriteToFilters`). Whatever has another writer than ASCII or NONE is refused, as by a Zeek without that writer.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::archive::is_rotated_name;
use super::ascii::Formatter;
use super::figures::{FileFigure, FileFigures};
use super::options::LoggerOptions;
use super::output::{Output, Sink, file_name};
use super::report::Report;
use crate::wire::log_batch::{BatchError, BatchReader, Column, Field, Header, WRITER_ASCII, WRITER_NONE};

/// The most files that are open at a time; a sender that invents paths must not use up the descriptors.
pub const MAX_FILES: usize = 512;
/// The most logs that one sender may have begun.
pub const MAX_LOGS_OF_SENDER: usize = 256;
/// The most files of one log: its own and those with other columns.
pub const MAX_LISTS: usize = 4;
/// The most different batch heads that are remembered.
pub const MAX_ROUTES: usize = 4096;
/// The most octets of memory for remembered heads.
pub const MAX_ROUTE_OCTETS: usize = 8 << 20;
/// The longest path; a file name has 255 octets, and rotation appends to it.
pub const MAX_PATH: usize = 180;
/// As much of a sender's id is kept.
const MAX_SENDER: usize = 256;
/// Filters or streams that may want the same path.
const MAX_SAME_PATH: usize = 64;
/// A batch's text is written in pieces of about this size.
pub const PIECE_OCTETS: usize = 1 << 20;
/// The columns of a log do not change twice within this time; files beside that rest so long may be replaced.
const CHANGE_PAUSE: Duration = Duration::from_secs(60);
/// A list of columns that comes back within this time is that of senders that are behind.
const FORMER_FOR: Duration = Duration::from_secs(3600);
/// When the first file of a log has not been written for so long, the one beside it takes its place.
const MAIN_IDLE: Duration = Duration::from_secs(900);
/// When all files are in use, one that has not been written for so long makes room.
const IDLE: Duration = Duration::from_secs(600);
/// How long the inode of a closed file keeps its number, so that no new file gets it at once: log shippers know files by it.
const KEEP_INODE: Duration = Duration::from_secs(10);
/// The most closed files that are kept open for that.
const MAX_KEPT: usize = 256;

/// All files of a logger.
#[derive(Debug)]
pub(super) struct Streams {
    options: LoggerOptions,
    /// What was decided about a batch's header and columns, by their octets.
    routes: HashMap<Vec<u8>, Route>,
    route_octets: usize,
    /// By number; numbers do not come back.
    logs: HashMap<u64, Log>,
    /// By the path that is written.
    names: HashMap<String, u64>,
    next: u64,
    closed: VecDeque<(Instant, Sink)>,
    figures: FileFigures,
    /// What happened beside.
    pub(super) notes: Vec<Report>,
}

/// What is written under one path.
#[derive(Debug)]
struct Log {
    name: String,
    stream: Vec<u8>,
    filter: Vec<u8>,
    sender: Vec<u8>,
    /// The first has the log's name; JSON has no other.
    files: Vec<LogFile>,
    /// Lists of columns whose file was rotated for another list, and when.
    former: VecDeque<(Arc<Schema>, Instant)>,
    changed: Option<Instant>,
    /// Whether anything was added since the last rotation.
    in_use: bool,
    figure: Arc<FileFigure>,
}

#[derive(Debug)]
struct LogFile {
    output: Output,
    schema: Arc<Schema>,
    /// Its number beside the log's first file, which has 0.
    beside: usize,
    used: Instant,
    in_use: bool,
}

/// A list of columns.
#[derive(Debug)]
struct Schema {
    fields: Vec<Field>,
    columns: Vec<Column>,
    formatter: Formatter,
}

#[derive(Clone, Debug)]
enum Route {
    /// `Log::WRITER_NONE`.
    Discard,
    Log {
        log: u64,
        schema: Arc<Schema>,
    },
}

/// What became of an accepted batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accepted {
    /// So many records were added to a file.
    Written(usize),
    /// So many records belong to `Log::WRITER_NONE`.
    Discarded(usize),
}

/// Writes what waits for a file in the middle of a batch; refuses when that cannot be done any more.
pub(super) type Flush<'a> = dyn FnMut(&mut Output) -> Result<(), Box<Report>> + 'a;

/// A batch and when it came.
#[derive(Clone, Copy)]
pub(super) struct Incoming<'a> {
    pub(super) sender: &'a [u8],
    pub(super) payload: &'a [u8],
    pub(super) now: Timestamp,
    pub(super) at: Instant,
}

/// How a file's rotation went.
pub(super) type RotationResult = Result<PathBuf, (PathBuf, io::Error)>;

impl Schema {
    fn new(fields: Vec<Field>, options: &LoggerOptions) -> Schema {
        let columns = fields.iter().map(|field| field.as_ref().column()).collect();
        let formatter = Formatter::new(&options.ascii, &fields);
        Schema { fields, columns, formatter }
    }

    /// Whether files of both have the same header.
    fn is(&self, fields: &[Field]) -> bool {
        let same = |(a, b): (&Field, &Field)| a.name == b.name && a.tag == b.tag && a.element() == b.element();
        self.fields.len() == fields.len() && self.fields.iter().zip(fields).all(same)
    }
}

impl Streams {
    pub(super) fn new(options: LoggerOptions, figures: FileFigures) -> Streams {
        Streams {
            options,
            routes: HashMap::new(),
            route_octets: 0,
            logs: HashMap::new(),
            names: HashMap::new(),
            next: 0,
            closed: VecDeque::new(),
            figures,
            notes: Vec::new(),
        }
    }

    /// Adds a batch's records to their file, all or none; `flush` is called when much of a batch waits.
    pub(super) fn batch(&mut self, incoming: Incoming<'_>, flush: &mut Flush<'_>) -> Result<Accepted, Box<Report>> {
        let batch = BatchReader::new(incoming.payload).map_err(|error| undecodable(incoming, error))?;
        let (log, schema) = match self.route(incoming, &batch)? {
            Route::Discard => return Ok(Accepted::Discarded(batch.records())),
            Route::Log { log, schema } => (log, schema),
        };
        let file = self.file(log, &schema, incoming, &batch)?;
        let log = self.logs.get_mut(&log).expect("a route leads to a log that is there");
        let file = &mut log.files[file];
        let records = add(&mut file.output, &schema, batch, (&self.options, incoming), flush)?;
        if records > 0 {
            (file.used, file.in_use, log.in_use) = (incoming.at, true, true);
            log.figure.add_records(records);
        }
        Ok(Accepted::Written(records))
    }

    /// Outputs that something waits for.
    pub(super) fn waiting(&mut self) -> impl Iterator<Item = &mut Output> {
        self.outputs().filter(|output| output.waiting() > 0)
    }

    /// All outputs.
    pub(super) fn outputs(&mut self) -> impl Iterator<Item = &mut Output> {
        self.logs.values_mut().flat_map(|log| &mut log.files).map(|file| &mut file.output)
    }

    /// Ends all files at `boundary`; one result for each file that there was. Logs that nothing was added to since the last
    /// time are forgotten, and so are files beside a log's first one.
    pub(super) fn rotate(&mut self, now: Timestamp, boundary: Timestamp, at: Instant) -> Vec<RotationResult> {
        let mut results = Vec::new();
        let mut given_up = Vec::new();
        let mut ids: Vec<(String, u64)> = self.logs.iter().map(|(id, log)| (log.name.clone(), *id)).collect();
        ids.sort_unstable();
        for (_, id) in ids {
            let log = self.logs.get_mut(&id).expect("it was there a moment ago");
            for file in &mut log.files {
                results.extend(end(file, &self.options, (now, boundary, at), &mut self.closed, &mut self.notes));
            }
            if let Some(schema) = log.tidy(at) {
                log.files = vec![LogFile::new(&log.name, 0, schema, &self.options, (boundary, at))];
            }
            if !std::mem::take(&mut log.in_use) && log.files.iter().all(|file| file.output.is_idle()) {
                given_up.push(id);
            }
        }
        given_up.into_iter().for_each(|id| self.forget(id));
        results
    }

    /// Lets go of the inodes of closed files that were kept long enough; all, when the disk needs the room.
    pub(super) fn release_inodes(&mut self, at: Instant, disk_is_full: bool) {
        while self.closed.len() > MAX_KEPT
            || self.closed.front().is_some_and(|(closed, _)| disk_is_full || at.duration_since(*closed) >= KEEP_INODE)
        {
            self.closed.pop_front();
        }
    }

    /// When [`Streams::release_inodes`] has something to do.
    pub(super) fn release_at(&self) -> Option<Instant> {
        self.closed.front().map(|(closed, _)| *closed + KEEP_INODE)
    }

    fn forget(&mut self, id: u64) {
        if let Some(log) = self.logs.remove(&id) {
            self.names.remove(&log.name);
            self.figures.close(&log.figure);
        }
    }

    fn route(&mut self, incoming: Incoming<'_>, batch: &BatchReader<'_>) -> Result<Route, Box<Report>> {
        match self.routes.get(batch.head()) {
            Some(Route::Log { log, .. }) if !self.logs.contains_key(log) => {}
            Some(route) => return Ok(route.clone()),
            None => {}
        }
        let header = batch.header();
        let known = [WRITER_ASCII, WRITER_NONE].iter().any(|writer| writer.as_bytes() == header.writer);
        if !known || header.stream.is_empty() {
            let (stream, writer) = (shown(header.stream), shown(header.writer));
            return Err(Box::new(Report::UnknownWriter { sender: shown(incoming.sender), stream, writer }));
        }
        let route = if header.writer == WRITER_NONE.as_bytes() {
            Route::Discard
        } else {
            let fields: Vec<Field> = batch.fields().map(|field| field.to_owned()).collect();
            let log = self.log(incoming, header, &fields).map_err(|reason| refused(incoming.sender, header, reason))?;
            let schema = self.logs[&log].schema(&fields);
            Route::Log { log, schema: schema.unwrap_or_else(|| Arc::new(Schema::new(fields, &self.options))) }
        };
        self.remember(batch, route.clone());
        Ok(route)
    }

    fn remember(&mut self, batch: &BatchReader<'_>, route: Route) {
        let octets = weight(batch);
        if self.routes.len() >= MAX_ROUTES || self.route_octets + octets > MAX_ROUTE_OCTETS {
            self.routes.clear();
            self.route_octets = 0;
        }
        if self.routes.insert(batch.head().to_vec(), route).is_none() {
            self.route_octets += octets;
        }
    }

    /// The log of a header: one that is there, or a new one. Says why there can be none.
    fn log(&mut self, incoming: Incoming<'_>, header: Header<'_>, fields: &[Field]) -> Result<u64, String> {
        let path = file_name_of(header.path, &self.options)?;
        let candidates = (1..=MAX_SAME_PATH).map(|number| match number {
            1 => path.to_owned(),
            _ => format!("{path}-{number}"),
        });
        let (mut shared, mut free) = (None, None);
        for name in candidates {
            let Some(id) = self.names.get(&name) else {
                free = Some(name);
                break;
            };
            let log = &self.logs[id];
            if log.stream == header.stream && log.filter == header.filter {
                return Ok(*id);
            }
            if shared.is_none() && log.stream == header.stream && log.schema(fields).is_some() {
                shared = Some(*id);
            }
        }
        match (shared, free) {
            (Some(id), _) => Ok(id),
            (None, Some(name)) => self.begin(incoming, header, fields, name),
            (None, None) => Err(format!("is written by {MAX_SAME_PATH} other streams or filters already")),
        }
    }

    fn begin(
        &mut self,
        incoming: Incoming<'_>,
        header: Header<'_>,
        fields: &[Field],
        name: String,
    ) -> Result<u64, String> {
        let name = file_name_of(name.as_bytes(), &self.options)?.to_owned();
        let sender = &incoming.sender[..incoming.sender.len().min(MAX_SENDER)];
        let of_sender = self.logs.values().filter(|log| log.sender == sender).count();
        if of_sender >= MAX_LOGS_OF_SENDER {
            return Err(format!("would be beside {MAX_LOGS_OF_SENDER} other logs of this sender"));
        }
        if !self.has_room(None, incoming) {
            return Err(format!("would be open beside {MAX_FILES} other files"));
        }
        if name.as_bytes() != header.path {
            self.notes.push(Report::PathChanged {
                stream: shown(header.stream),
                filter: shown(header.filter),
                path: shown(header.path),
                to: name.clone(),
            });
        }
        let schema = Arc::new(Schema::new(fields.to_vec(), &self.options));
        let log = Log {
            figure: self.figures.open(header.stream, header.filter, &name),
            files: vec![LogFile::new(&name, 0, schema, &self.options, (incoming.now, incoming.at))],
            stream: header.stream.to_vec(),
            filter: header.filter.to_vec(),
            sender: sender.to_vec(),
            former: VecDeque::new(),
            changed: None,
            in_use: true,
            name: name.clone(),
        };
        self.next += 1;
        self.names.insert(name, self.next);
        self.logs.insert(self.next, log);
        Ok(self.next)
    }

    /// Whether another file may be opened, if need be after the log that rested longest was archived, but for `kept`.
    fn has_room(&mut self, kept: Option<u64>, incoming: Incoming<'_>) -> bool {
        if self.logs.values().map(|log| log.files.len()).sum::<usize>() < MAX_FILES {
            return true;
        }
        let rests = |log: &Log| log.files.iter().map(|file| file.used).max();
        let others = self.logs.iter().filter(|(id, _)| Some(**id) != kept);
        let oldest = others.filter_map(|(id, log)| Some((rests(log)?, *id))).min();
        let Some((_, id)) = oldest.filter(|(used, _)| incoming.at.duration_since(*used) >= IDLE) else { return false };
        let when = (incoming.now, incoming.now, incoming.at);
        let log = self.logs.get_mut(&id).expect("it was found a moment ago");
        for file in &mut log.files {
            let ended = end(file, &self.options, when, &mut self.closed, &mut self.notes);
            if matches!(ended, Some(Err(_))) {
                return false;
            }
        }
        self.forget(id);
        true
    }

    /// The file of a log that takes these columns, by its place among the log's.
    fn file(
        &mut self,
        id: u64,
        schema: &Arc<Schema>,
        incoming: Incoming<'_>,
        batch: &BatchReader<'_>,
    ) -> Result<usize, Box<Report>> {
        let log = self.logs.get_mut(&id).expect("a route leads to a log that is there");
        let there =
            log.files.iter().position(|file| Arc::ptr_eq(&file.schema, schema) || file.schema.is(&schema.fields));
        let place = match there {
            _ if self.options.ascii.use_json => 0,
            // Without records nothing needs the columns.
            None if batch.records() == 0 => 0,
            Some(0) => 0,
            Some(place) if log.main_rests(incoming.at) => self.promote(id, place, incoming),
            Some(place) => self.beside(id, place, incoming),
            None => {
                // What cannot be read must not change anything.
                let checked = batch.clone().check_rest(&schema.columns);
                checked.map_err(|error| undecodable(incoming, error))?;
                self.other_columns(id, schema, incoming)?
            }
        };
        Ok(place)
    }

    fn other_columns(&mut self, id: u64, schema: &Arc<Schema>, incoming: Incoming<'_>) -> Result<usize, Box<Report>> {
        let log = self.logs.get_mut(&id).expect("a route leads to a log that is there");
        if log.may_change(schema, incoming.at) && self.change(id, schema, incoming) {
            return Ok(0);
        }
        let log = &self.logs[&id];
        let too_many = Report::Columns {
            sender: shown(incoming.sender),
            stream: shown(&log.stream),
            path: log.name.clone(),
            fields: schema.fields.len(),
            limit: MAX_LISTS,
        };
        if log.files.len() >= MAX_LISTS && !self.drop_oldest_beside(id, incoming) {
            return Err(Box::new(too_many));
        }
        if !self.has_room(Some(id), incoming) {
            return Err(Box::new(too_many));
        }
        let log = self.logs.get_mut(&id).expect("no room was made of it");
        let beside = (1..).find(|number| log.files.iter().all(|file| file.beside != *number)).unwrap_or(MAX_LISTS);
        log.files.push(LogFile::new(&log.name, beside, Arc::clone(schema), &self.options, (incoming.now, incoming.at)));
        let place = log.files.len() - 1;
        Ok(self.beside(id, place, incoming))
    }

    /// Ends the log's first file and begins one with other columns; false when it cannot be ended.
    fn change(&mut self, id: u64, schema: &Arc<Schema>, incoming: Incoming<'_>) -> bool {
        let log = self.logs.get_mut(&id).expect("a route leads to a log that is there");
        let when = (incoming.now, incoming.now, incoming.at);
        let main = &mut log.files[0];
        if let Some(Err(_)) = end(main, &self.options, when, &mut self.closed, &mut self.notes) {
            return false;
        }
        self.notes.push(Report::ColumnsChanged {
            sender: shown(incoming.sender),
            path: log.name.clone(),
            before: main.schema.fields.len(),
            after: schema.fields.len(),
        });
        let new = LogFile::new(&log.name, 0, Arc::clone(schema), &self.options, (incoming.now, incoming.at));
        let old = std::mem::replace(main, new);
        log.former.push_back((old.schema, incoming.at));
        if log.former.len() > 2 * MAX_LISTS {
            log.former.pop_front();
        }
        log.changed = Some(incoming.at);
        true
    }

    /// A file beside takes the place of the first, which rests: both are ended.
    fn promote(&mut self, id: u64, place: usize, incoming: Incoming<'_>) -> usize {
        let log = self.logs.get_mut(&id).expect("a route leads to a log that is there");
        let when = (incoming.now, incoming.now, incoming.at);
        let schema = Arc::clone(&log.files[place].schema);
        if let Some(Err(_)) = end(&mut log.files[place], &self.options, when, &mut self.closed, &mut self.notes) {
            return place;
        }
        if !self.change(id, &schema, incoming) {
            return place;
        }
        let log = self.logs.get_mut(&id).expect("a route leads to a log that is there");
        log.files.remove(place);
        0
    }

    fn beside(&mut self, id: u64, place: usize, incoming: Incoming<'_>) -> usize {
        let log = &self.logs[&id];
        self.notes.push(Report::ColumnsBeside {
            sender: shown(incoming.sender),
            path: log.name.clone(),
            main: log.files[0].schema.fields.len(),
            other: log.files[place].schema.fields.len(),
            file: log.files[place].output.file_path().to_owned(),
        });
        place
    }

    /// Ends the file beside that rested longest; false when none rested long enough.
    fn drop_oldest_beside(&mut self, id: u64, incoming: Incoming<'_>) -> bool {
        let log = self.logs.get_mut(&id).expect("a route leads to a log that is there");
        let oldest = log.files.iter().enumerate().skip(1).min_by_key(|(_, file)| file.used);
        let Some((place, used)) = oldest.map(|(place, file)| (place, file.used)) else { return false };
        if incoming.at.duration_since(used) < CHANGE_PAUSE {
            return false;
        }
        let when = (incoming.now, incoming.now, incoming.at);
        let ended = end(&mut log.files[place], &self.options, when, &mut self.closed, &mut self.notes);
        if matches!(ended, Some(Err(_))) {
            return false;
        }
        log.files.remove(place);
        true
    }
}

impl Log {
    /// A list of columns that is in use, such as to share what it takes.
    fn schema(&self, fields: &[Field]) -> Option<Arc<Schema>> {
        self.files.iter().map(|file| &file.schema).find(|schema| schema.is(fields)).cloned()
    }

    fn may_change(&mut self, schema: &Schema, at: Instant) -> bool {
        self.former.retain(|(_, since)| at.duration_since(*since) < FORMER_FOR);
        let is_former = self.former.iter().any(|(former, _)| former.is(&schema.fields));
        let rests = self.changed.is_none_or(|changed| at.duration_since(changed) >= CHANGE_PAUSE);
        rests && (!is_former || self.main_rests(at))
    }

    fn main_rests(&self, at: Instant) -> bool {
        self.files.first().is_none_or(|main| at.duration_since(main.used) >= MAIN_IDLE)
    }

    /// After a rotation: forgets files beside that were not in use. Gives the columns of the one that is to take the place
    /// of the first, if that was not in use.
    fn tidy(&mut self, at: Instant) -> Option<Arc<Schema>> {
        let first_rests = self.files.first().is_some_and(|main| at.duration_since(main.used) >= CHANGE_PAUSE);
        let mut place = 0;
        self.files.retain_mut(|file| {
            let keep = place == 0 || std::mem::take(&mut file.in_use) || !file.output.is_idle();
            place += 1;
            keep
        });
        let newest = self.files.iter().max_by_key(|file| file.used)?;
        let all_ended = self.files.iter().all(|file| file.output.is_idle());
        (newest.beside > 0 && first_rests && all_ended).then(|| Arc::clone(&newest.schema))
    }
}

impl LogFile {
    fn new(
        name: &str,
        beside: usize,
        schema: Arc<Schema>,
        options: &LoggerOptions,
        (now, at): (Timestamp, Instant),
    ) -> LogFile {
        let output = Output::new(name, beside, schema.fields.clone(), options, now);
        LogFile { output, schema, beside, used: at, in_use: true }
    }
}

/// Ends a file; none when there was none. What was open of it goes to `closed`.
fn end(
    file: &mut LogFile,
    options: &LoggerOptions,
    (now, boundary, at): (Timestamp, Timestamp, Instant),
    closed: &mut VecDeque<(Instant, Sink)>,
    notes: &mut Vec<Report>,
) -> Option<RotationResult> {
    let path = file.output.file_path().to_owned();
    match file.output.rotate(options, now, boundary, notes) {
        Ok(ended) => {
            let ended = ended?;
            closed.extend(ended.sink.map(|sink| (at, sink)));
            Some(Ok(ended.queued))
        }
        Err(error) => {
            notes.push(Report::Rotation { path: path.clone(), error: error.to_string() });
            Some(Err((path, error)))
        }
    }
}

/// Adds all records of a batch to a file, or none. Text of a large batch is written in between, after the rest of the batch
/// was found right.
fn add(
    output: &mut Output,
    schema: &Schema,
    mut batch: BatchReader<'_>,
    (options, incoming): (&LoggerOptions, Incoming<'_>),
    flush: &mut Flush<'_>,
) -> Result<usize, Box<Report>> {
    let records = batch.records();
    if records == 0 {
        return batch.finish().map(|()| 0).map_err(|error| undecodable(incoming, error));
    }
    let mark = output.begin(options, incoming.now);
    let (mut checked, mut committed) = (false, 0);
    for record in 1..=records {
        let read = schema.formatter.record(output.lines(), &mut batch, &schema.columns);
        let heavy = output.waiting() >= PIECE_OCTETS;
        let fault = match read {
            Ok(()) if heavy && !checked => batch.clone().check_rest(&schema.columns).err(),
            other => other.err(),
        };
        if let Some(error) = fault {
            output.undo(mark);
            return Err(undecodable(incoming, error));
        }
        if heavy {
            checked = true;
            output.commit(record - committed);
            committed = record;
            flush(output)?;
        }
    }
    match batch.finish() {
        Ok(()) => output.commit(records - committed),
        Err(error) => {
            output.undo(mark);
            return Err(undecodable(incoming, error));
        }
    }
    Ok(records)
}

fn undecodable(incoming: Incoming<'_>, error: BatchError) -> Box<Report> {
    Box::new(Report::Undecodable { sender: shown(incoming.sender), error })
}

fn refused(sender: &[u8], header: Header<'_>, reason: String) -> Box<Report> {
    Box::new(Report::Path {
        sender: shown(sender),
        stream: shown(header.stream),
        filter: shown(header.filter),
        writer: shown(header.writer),
        path: shown(header.path),
        reason,
    })
}

/// About what a remembered head takes in memory.
fn weight(batch: &BatchReader<'_>) -> usize {
    let column = size_of::<Field>() + size_of::<Column>() + 3 * size_of::<Vec<u8>>();
    3 * batch.head().len() + column * batch.fields().len() + size_of::<Schema>()
}

/// A path as a file's name. Zeek takes any; here a sender does not choose folders, nor what a shell, a terminal or the
/// archive would take for something else.
fn file_name_of<'a>(path: &'a [u8], options: &LoggerOptions) -> Result<&'a str, String> {
    if path.is_empty() || path.len() > MAX_PATH {
        return Err(format!("is not 1 to {MAX_PATH} octets long"));
    }
    let allowed = |octet: &u8| octet.is_ascii_alphanumeric() || b"_.:+@-".contains(octet);
    let name = std::str::from_utf8(path).ok().filter(|_| path.iter().all(allowed) && !b".-".contains(&path[0]));
    let name = name.ok_or("has other characters than A-Z a-z 0-9 _ . : + @ -, or begins with . or -")?;
    if is_rotated_name(&file_name(name, 0, &options.ascii)) {
        return Err("reads like the name of a rotated file".to_owned());
    }
    Ok(name)
}

/// What a peer sent, as text of bounded length without control characters.
pub(super) fn shown(octets: &[u8]) -> String {
    const LIMIT: usize = 128;
    let cut = &octets[..octets.len().min(LIMIT)];
    let more = if octets.len() > LIMIT { "…" } else { "" };
    format!("{}{more}", cut.escape_ascii())
}

#[cfg(test)]
mod tests;
