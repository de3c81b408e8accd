//! Which batch goes to which file, and which batches are refused.
//!
//! Zeek compares a batch with its own table of streams and filters. Here is no such table: the first batch of a stream
//! and filter says which columns and which writer that filter has, as if it were configured so, and later ones are
//! compared with it as Zeek does (`protocol/cluster.md` 1.10). Column names are not compared: the first one's stand in the
//! file. Whatever has another writer than ASCII or NONE is refused, as by a Zeek without that writer.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::ascii::Formatter;
use super::options::LoggerOptions;
use super::output::Output;
use super::report::Report;
use crate::wire::log_batch::{BatchReader, Column, Field, Header, WRITER_ASCII, WRITER_NONE};

/// The most files that are open at a time; a sender that invents paths must not use up the descriptors.
const MAX_FILES: usize = 512;
/// The most different batch headers that are remembered.
const MAX_ROUTES: usize = 4096;
/// The longest path; a file name has 255 octets, and rotation appends to it.
const MAX_PATH: usize = 180;

/// All files of a logger.
#[derive(Debug)]
pub(super) struct Streams {
    options: LoggerOptions,
    /// What was decided about a batch's header and columns, by their octets.
    routes: HashMap<Vec<u8>, Route>,
    /// By stream and filter.
    filters: HashMap<(Vec<u8>, Vec<u8>), Filter>,
    /// By path: the stream that writes it, and its index in `files`.
    paths: HashMap<Vec<u8>, (Vec<u8>, usize)>,
    files: Vec<LogFile>,
    figures: FileFigures,
}

#[derive(Debug)]
struct LogFile {
    output: Output,
    formatter: Formatter,
    written: Arc<FileFigure>,
}

/// What was written to one file, for whoever asks from another thread.
#[derive(Debug)]
struct FileFigure {
    stream: String,
    path: String,
    records: AtomicU64,
}

/// What was written to each file so far; as many as there can be files. The lock is held for a moment only.
#[derive(Clone, Debug, Default)]
pub(super) struct FileFigures {
    files: Arc<Mutex<Vec<Arc<FileFigure>>>>,
}

/// Records of one stream that were added to one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRecords {
    /// Such as `Conn::LOG`; escaped where a sender put other octets there.
    pub stream: String,
    /// The path, such as `conn`.
    pub path: String,
    /// How many, over all rotations.
    pub records: u64,
}

impl FileFigures {
    /// By path, in the order in which the files were first written.
    pub(super) fn snapshot(&self) -> Vec<FileRecords> {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let records = |file: &FileFigure| file.records.load(Ordering::Relaxed);
        let of_file = |file: &Arc<FileFigure>| FileRecords {
            stream: file.stream.clone(),
            path: file.path.clone(),
            records: records(file),
        };
        files.iter().map(of_file).collect()
    }

    fn add(&self, stream: &[u8], path: &str) -> Arc<FileFigure> {
        let figure = Arc::new(FileFigure { stream: shown(stream), path: path.to_owned(), records: AtomicU64::new(0) });
        self.files.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&figure));
        figure
    }
}

/// What the first batch of a filter said.
#[derive(Debug)]
struct Filter {
    writer: Vec<u8>,
    fields: Vec<Field>,
}

#[derive(Clone, Debug)]
enum Route {
    /// `Log::WRITER_NONE`.
    Discard,
    File {
        index: usize,
        columns: Arc<[Column]>,
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

impl Streams {
    pub(super) fn new(options: LoggerOptions, figures: FileFigures) -> Streams {
        Streams {
            options,
            routes: HashMap::new(),
            filters: HashMap::new(),
            paths: HashMap::new(),
            files: Vec::new(),
            figures,
        }
    }

    /// Adds a batch's records to their file, all or none.
    pub(super) fn batch(&mut self, sender: &[u8], payload: &[u8], now: Timestamp) -> Result<Accepted, Box<Report>> {
        let undecodable = |error| Box::new(Report::Undecodable { sender: shown(sender), error });
        let mut batch = BatchReader::new(payload).map_err(undecodable)?;
        let route = match self.routes.get(batch.head()) {
            Some(route) => route.clone(),
            None => self.new_route(sender, &batch, now)?,
        };
        let records = batch.records();
        let Route::File { index, columns } = route else { return Ok(Accepted::Discarded(records)) };
        let LogFile { output, formatter, written } = &mut self.files[index];
        let added = output.append(&self.options, now, |out| {
            (0..records).try_for_each(|_| formatter.record(out, &mut batch, &columns))?;
            batch.finish()
        });
        added.map_err(undecodable)?;
        written.records.fetch_add(records as u64, Ordering::Relaxed);
        Ok(Accepted::Written(records))
    }

    /// Outputs that something waits for.
    pub(super) fn waiting(&mut self) -> impl Iterator<Item = &mut Output> {
        self.outputs().filter(|output| output.waiting() > 0)
    }

    /// All outputs.
    pub(super) fn outputs(&mut self) -> impl Iterator<Item = &mut Output> {
        self.files.iter_mut().map(|file| &mut file.output)
    }

    /// Ends all files at `boundary`; one result for each file that there was.
    pub(super) fn rotate(
        &mut self,
        now: Timestamp,
        boundary: Timestamp,
    ) -> Vec<Result<PathBuf, (PathBuf, usize, io::Error)>> {
        let options = &self.options;
        let outputs = self.files.iter_mut().map(|file| &mut file.output);
        outputs
            .filter_map(|output| match output.rotate(options, now, boundary) {
                Ok(queued) => queued.map(Ok),
                Err(error) => Some(Err((output.file_path().to_owned(), output.waiting(), error))),
            })
            .collect()
    }

    fn new_route(&mut self, sender: &[u8], batch: &BatchReader<'_>, now: Timestamp) -> Result<Route, Box<Report>> {
        let header = batch.header();
        let fields: Vec<Field> = batch.fields().map(|field| field.to_owned()).collect();
        self.check_filter(sender, header, &fields)?;
        let route = if header.writer == WRITER_NONE.as_bytes() {
            Route::Discard
        } else {
            let columns = fields.iter().map(|field| field.as_ref().column()).collect();
            let refused = |reason| {
                Box::new(Report::Path {
                    sender: shown(sender),
                    stream: shown(header.stream),
                    filter: shown(header.filter),
                    writer: shown(header.writer),
                    path: shown(header.path),
                    reason,
                })
            };
            let index = self.file(header, now).map_err(refused)?;
            Route::File { index, columns }
        };
        if self.routes.len() >= MAX_ROUTES {
            self.routes.clear();
        }
        self.routes.insert(batch.head().to_vec(), route.clone());
        Ok(route)
    }

    fn check_filter(&mut self, sender: &[u8], header: Header<'_>, fields: &[Field]) -> Result<(), Box<Report>> {
        let known = [WRITER_ASCII, WRITER_NONE].iter().any(|writer| writer.as_bytes() == header.writer);
        if !known || header.stream.is_empty() {
            let (stream, writer) = (shown(header.stream), shown(header.writer));
            return Err(Box::new(Report::UnknownWriter { sender: shown(sender), stream, writer }));
        }
        let key = (header.stream.to_vec(), header.filter.to_vec());
        let Some(filter) = self.filters.get(&key) else {
            if self.filters.len() < MAX_ROUTES {
                self.filters.insert(key, Filter { writer: header.writer.to_vec(), fields: fields.to_vec() });
            }
            return Ok(());
        };
        filter.check(sender, header, fields)
    }

    /// The file of a path; says what is wrong with the path if there can be none.
    fn file(&mut self, header: Header<'_>, now: Timestamp) -> Result<usize, String> {
        if let Some((owner, index)) = self.paths.get(header.path) {
            if owner == header.stream {
                return Ok(*index);
            }
            return Err(format!("is written by stream '{}' already", shown(owner)));
        }
        let name = file_name(header.path)?;
        if self.files.len() >= MAX_FILES {
            return Err(format!("would be open beside {MAX_FILES} other files"));
        }
        let key = (header.stream.to_vec(), header.filter.to_vec());
        let filter = self.filters.get(&key).ok_or_else(|| format!("would be beside {MAX_ROUTES} other filters"))?;
        let formatter = Formatter::new(&self.options.ascii, &filter.fields);
        let output = Output::new(name, filter.fields.clone(), &self.options, now);
        let written = self.figures.add(header.stream, name);
        self.files.push(LogFile { output, formatter, written });
        let index = self.files.len() - 1;
        self.paths.insert(header.path.to_vec(), (header.stream.to_vec(), index));
        Ok(index)
    }
}

impl Filter {
    fn check(&self, sender: &[u8], header: Header<'_>, fields: &[Field]) -> Result<(), Box<Report>> {
        let (sender, stream, filter) = (shown(sender), shown(header.stream), shown(header.filter));
        if fields.len() != self.fields.len() {
            let (want, got) = (self.fields.len(), fields.len());
            return Err(Box::new(Report::FieldCount { sender, stream, filter, want, got }));
        }
        let pairs = self.fields.iter().zip(fields).enumerate();
        for (field, (want, got)) in pairs {
            if want.tag != got.tag {
                let (want, got) = (want.tag.zeek_name(), got.tag.zeek_name());
                return Err(Box::new(Report::FieldType { sender, stream, filter, field, want, got }));
            }
        }
        if self.writer != header.writer {
            let (want, got) = (shown(&self.writer), shown(header.writer));
            return Err(Box::new(Report::Writer { sender, stream, filter, want, got }));
        }
        Ok(())
    }
}

/// A path as a file's name. Zeek takes any; here a sender does not choose folders.
fn file_name(path: &[u8]) -> Result<&str, String> {
    let name = std::str::from_utf8(path).map_err(|_| "is not UTF-8".to_owned())?;
    if name.is_empty() || name.len() > MAX_PATH {
        return Err(format!("is not 1 to {MAX_PATH} octets long"));
    }
    if name.starts_with('.') || name.contains(|c: char| c == '/' || c.is_control()) {
        return Err("has a '/', a control character, or a '.' at its beginning".to_owned());
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
