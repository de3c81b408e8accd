//! One log file while it is written.
//!
//! Text collects in memory and is written in large pieces. What cannot be written stays there until it can. The folder
//! belongs to the logger, but somebody may still remove or replace what lies in it: each write looks whether the file of
//! that name is the one that is open, and otherwise begins a new one.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;

use super::ascii::{self, AsciiOptions};
use super::options::LoggerOptions;
use super::report::Report;
use super::rotation::{Rotated, local, stamp};
use crate::wire::log_batch::Field;

/// A file is written as soon as this much waits for it.
const WRITE_OCTETS: usize = 128 << 10;

#[derive(Debug)]
pub(super) struct Output {
    /// The log's path, such as `conn`.
    name: String,
    file_path: PathBuf,
    fields: Vec<Field>,
    sink: Option<Open>,
    /// The current file has its header, in memory or on disk.
    begun: bool,
    /// Opening time of the current file: the last rotation, or the first record ever.
    opened: Timestamp,
    pending: Vec<u8>,
    /// Octets of the header that stand at the beginning of `pending`.
    header: usize,
    /// Octets of `pending` that are on disk already.
    written: usize,
    /// Records of which something may wait.
    records: usize,
    /// Why the last attempt to write failed.
    stalled: Option<String>,
}

/// The file that is open.
#[derive(Debug)]
struct Open {
    sink: Sink,
    /// Device and inode.
    identity: (u64, u64),
}

/// What is written to; a closed one keeps its inode's number from coming back.
#[derive(Debug)]
pub(super) enum Sink {
    Plain(File),
    Gzip(Box<GzEncoder<File>>),
}

/// Where an [`Output`] was before a batch; see [`Output::begin`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pending: usize,
    header: usize,
    begun: bool,
}

/// A file that was ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// Its name in the archive's queue.
    pub(super) queued: PathBuf,
    /// Still open.
    pub(super) sink: Option<Sink>,
}

impl Sink {
    fn new(file: File, options: &AsciiOptions) -> Sink {
        match options.gzip_level {
            0 => Sink::Plain(file),
            level => Sink::Gzip(Box::new(GzEncoder::new(file, Compression::new(level)))),
        }
    }

    fn file(&self) -> &File {
        match self {
            Sink::Plain(file) => file,
            Sink::Gzip(file) => file.get_ref(),
        }
    }

    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        match self {
            Sink::Plain(file) => file.write(text),
            Sink::Gzip(file) => file.write(text),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        match self {
            Sink::Plain(_) => Ok(()),
            Sink::Gzip(file) => file.try_finish(),
        }
    }
}

impl Output {
    /// `beside` tells files of one log apart that are open at the same time; 0 is the one that bears the log's name.
    pub(super) fn new(
        name: &str,
        beside: usize,
        fields: Vec<Field>,
        options: &LoggerOptions,
        now: Timestamp,
    ) -> Output {
        Output {
            name: name.to_owned(),
            file_path: options.current_dir.join(file_name(name, beside, &options.ascii)),
            fields,
            sink: None,
            begun: false,
            opened: now,
            pending: Vec::new(),
            header: 0,
            written: 0,
            records: 0,
            stalled: None,
        }
    }

    pub(super) fn file_path(&self) -> &Path {
        &self.file_path
    }

    /// Why the last attempt to write failed; none when it did not.
    pub(super) fn stalled(&self) -> Option<&str> {
        self.stalled.as_deref()
    }

    pub(super) fn set_stalled(&mut self, why: Option<String>) {
        self.stalled = why;
    }

    /// Gets ready for lines: adds a header if the file has none yet. Lines go to [`Output::lines`]; after them comes
    /// [`Output::commit`] or, with what this gave, [`Output::undo`].
    pub(super) fn begin(&mut self, options: &LoggerOptions, now: Timestamp) -> Mark {
        let mark = Mark { pending: self.pending.len(), header: self.header, begun: self.begun };
        if !self.begun {
            let header = self.header(options, now);
            self.pending.extend_from_slice(&header);
            self.header = self.pending.len();
            self.begun = true;
        }
        mark
    }

    pub(super) fn lines(&mut self) -> &mut Vec<u8> {
        &mut self.pending
    }

    /// So many records have been added.
    pub(super) fn commit(&mut self, records: usize) {
        self.records += records;
    }

    /// Nothing was added; nothing may have been written since.
    pub(super) fn undo(&mut self, mark: Mark) {
        self.pending.truncate(mark.pending);
        (self.header, self.begun) = (mark.header, mark.begun);
    }

    /// Octets that are not on disk.
    pub(super) fn waiting(&self) -> usize {
        self.pending.len() - self.written
    }

    /// Records of which something is not on disk.
    pub(super) fn waiting_records(&self) -> usize {
        self.records
    }

    /// Whether it is time to write without waiting for more.
    pub(super) fn is_heavy(&self) -> bool {
        self.waiting() >= WRITE_OCTETS
    }

    /// Whether there is no file, and nothing waits for one.
    pub(super) fn is_idle(&self) -> bool {
        !self.begun && self.waiting() == 0
    }

    /// Writes all that waits and says how much that was; after an error the rest still waits. What is wrong with the file
    /// beside that comes into `notes`.
    pub(super) fn write(&mut self, options: &LoggerOptions, notes: &mut Vec<Report>) -> io::Result<usize> {
        let waiting = self.waiting();
        if waiting == 0 {
            return Ok(0);
        }
        self.look(options, notes);
        if self.sink.is_none() {
            self.sink = Some(self.open(options, notes)?);
        }
        let sink = &mut self.sink.as_mut().expect("it was opened above").sink;
        while self.written < self.pending.len() {
            match sink.write(&self.pending[self.written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.pending.clear();
        self.pending.shrink_to(2 * WRITE_OCTETS);
        (self.header, self.written, self.records) = (0, 0, 0);
        Ok(waiting)
    }

    /// Ends the current file at `boundary`; none when there is no file. `now` is what `#close` says. After an error the
    /// file goes on and is as it was.
    pub(super) fn rotate(
        &mut self,
        options: &LoggerOptions,
        now: Timestamp,
        boundary: Timestamp,
        notes: &mut Vec<Report>,
    ) -> io::Result<Option<Ended>> {
        if self.begun {
            self.write(options, notes)?;
            self.look(options, notes);
        }
        if !self.begun {
            self.opened = boundary;
            return Ok(None);
        }
        let before = self.length();
        let queued = self.close(options, now, boundary, notes).inspect_err(|_| self.take_back_close(before))?;
        self.begun = false;
        self.opened = boundary;
        Ok(Some(Ended { queued, sink: self.sink.take().map(|open| open.sink) }))
    }

    fn close(
        &mut self,
        options: &LoggerOptions,
        now: Timestamp,
        boundary: Timestamp,
        notes: &mut Vec<Report>,
    ) -> io::Result<PathBuf> {
        self.pending.extend_from_slice(&ascii::footer(&options.ascii, &stamp(now, &options.time_zone)));
        self.write(options, notes)?;
        if let Some(open) = &mut self.sink {
            open.sink.finish()?;
        }
        let rotated = Rotated {
            path: self.name.clone(),
            opened: local(self.opened, &options.time_zone),
            closed: local(boundary, &options.time_zone),
            extension: options.ascii.extension(),
        };
        enqueue(&self.file_path, &options.current_dir, &rotated)
    }

    /// The length of a file that is not compressed.
    fn length(&self) -> Option<u64> {
        match &self.sink.as_ref()?.sink {
            Sink::Plain(file) => file.metadata().ok().map(|metadata| metadata.len()),
            Sink::Gzip(_) => None,
        }
    }

    /// Each attempt to end the file would else add another last line.
    fn take_back_close(&mut self, length: Option<u64>) {
        match (&self.sink, length) {
            (Some(Open { sink: Sink::Plain(file), .. }), Some(length)) => {
                // If that fails too, the line stays.
                let _ = file.set_len(length);
                self.forget_pending();
            }
            _ if self.written == 0 => {
                self.forget_pending();
                // A file that was taken away meanwhile has no header either.
                self.begun = self.sink.is_some();
            }
            _ => {}
        }
    }

    fn forget_pending(&mut self) {
        self.pending.clear();
        (self.header, self.written, self.records) = (0, 0, 0);
    }

    fn header(&self, options: &LoggerOptions, now: Timestamp) -> Vec<u8> {
        ascii::header(&options.ascii, self.name.as_bytes(), &self.fields, &stamp(now, &options.time_zone))
    }

    /// Gives the open file up if it is no longer the one of that name.
    fn look(&mut self, options: &LoggerOptions, notes: &mut Vec<Report>) {
        let Some(open) = &self.sink else { return };
        match fs::symlink_metadata(&self.file_path) {
            Ok(there) if identity(&there) == open.identity => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // It may well be there.
            Err(_) => return,
        }
        let gone = open.sink.file().metadata();
        let (octets, links) = gone.map_or((0, 0), |gone| (gone.len(), gone.nlink()));
        notes.push(Report::TakenAway { path: self.file_path.clone(), octets, removed: links == 0 });
        self.begin_again(options, Timestamp::now());
    }

    /// What waits goes to a new file, from the beginning of its first line.
    fn begin_again(&mut self, options: &LoggerOptions, now: Timestamp) {
        let newline = self.pending[..self.written].iter().rposition(|octet| *octet == b'\n');
        let line = newline.map_or(0, |newline| newline + 1).max(self.header);
        let lines = self.pending.split_off(line.min(self.pending.len()));
        self.pending.clear();
        (self.sink, self.written, self.header) = (None, 0, 0);
        self.begun = !lines.is_empty();
        if self.begun {
            self.pending = self.header(options, now);
            self.header = self.pending.len();
            self.pending.extend_from_slice(&lines);
        }
        self.opened = now;
    }

    fn open(&self, options: &LoggerOptions, notes: &mut Vec<Report>) -> io::Result<Open> {
        let mut again = OpenOptions::new();
        // It must not be what somebody put there: neither written through a link nor mixed with other text.
        again.append(true).create_new(true).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
        let file = match again.open(&self.file_path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(&options.current_dir)?;
                again.open(&self.file_path)?
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.make_room(options, notes)?;
                again.open(&self.file_path)?
            }
            other => other?,
        };
        let identity = identity(&file.metadata()?);
        Ok(Open { sink: Sink::new(file, &options.ascii), identity })
    }

    /// What has the file's name and is none of ours makes room: logs go to the archive, the rest gets another name.
    fn make_room(&self, options: &LoggerOptions, notes: &mut Vec<Report>) -> io::Result<()> {
        let there = fs::symlink_metadata(&self.file_path)?;
        if there.is_dir() {
            return Err(rustix::io::Errno::ISDIR.into());
        }
        if there.is_file() && there.len() == 0 {
            return fs::remove_file(&self.file_path);
        }
        let to = if there.is_file() {
            let rotated = Rotated {
                path: self.name.clone(),
                opened: local(self.opened, &options.time_zone),
                closed: local(Timestamp::now(), &options.time_zone),
                extension: options.ascii.extension(),
            };
            enqueue(&self.file_path, &options.current_dir, &rotated)?
        } else {
            aside(&self.file_path)?
        };
        notes.push(Report::Foreign { path: self.file_path.clone(), to });
        Ok(())
    }
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// What stands between a log's path and the number of a file beside its first one; no path contains it.
pub(super) const BESIDE: char = '~';

/// `conn.log`, or `conn~2.log` for a second file of the same log.
pub(super) fn file_name(name: &str, beside: usize, options: &AsciiOptions) -> String {
    match beside {
        0 => format!("{name}.{}", options.extension()),
        _ => format!("{name}{BESIDE}{}.{}", beside + 1, options.extension()),
    }
}

/// Renames to `NAME.moved`, `NAME.moved2` and so on.
fn aside(path: &Path) -> io::Result<PathBuf> {
    for attempt in 1.. {
        let mut name = path.as_os_str().to_owned();
        name.push(if attempt == 1 { ".moved".to_owned() } else { format!(".moved{attempt}") });
        let to = PathBuf::from(name);
        match rename_new(path, &to) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => return other.map(|()| to),
        }
    }
    unreachable!("some number is free")
}

/// Moves a closed file into the archive's queue, in the same folder; nothing is overwritten.
pub(super) fn enqueue(file: &Path, folder: &Path, rotated: &Rotated) -> io::Result<PathBuf> {
    for attempt in 1.. {
        let queued = folder.join(rotated.queue_name(attempt));
        match rename_new(file, &queued) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => return other.map(|()| queued),
        }
    }
    unreachable!("some number is free")
}

/// Renames without ever replacing a file.
pub(super) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // A file system that does not know the flag; a hard link does not replace either.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
            std::fs::hard_link(from, to)?;
            std::fs::remove_file(from)
        }
        other => other.map_err(Into::into),
    }
}
