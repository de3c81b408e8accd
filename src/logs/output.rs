//! One log file while it is written.
//!
//! Text collects in memory and is written in large pieces. What cannot be written stays there until it can.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;

use super::ascii::{self, AsciiOptions};
use super::options::LoggerOptions;
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
    sink: Option<Sink>,
    /// The current file has its header, in memory or on disk.
    begun: bool,
    /// Opening time of the current file: the last rotation, or the first record ever.
    opened: Timestamp,
    pending: Vec<u8>,
    /// Octets of `pending` that are on disk already.
    written: usize,
    /// The last attempt to write failed.
    pub(super) stalled: bool,
}

#[derive(Debug)]
enum Sink {
    Plain(File),
    Gzip(Box<GzEncoder<File>>),
}

impl Sink {
    fn open(path: &Path, options: &AsciiOptions) -> io::Result<Sink> {
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        Ok(match options.gzip_level {
            0 => Sink::Plain(file),
            level => Sink::Gzip(Box::new(GzEncoder::new(file, Compression::new(level)))),
        })
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
    pub(super) fn new(name: &str, fields: Vec<Field>, options: &LoggerOptions, now: Timestamp) -> Output {
        let file_name = format!("{name}.{}", options.ascii.extension());
        Output {
            name: name.to_owned(),
            file_path: options.current_dir.join(file_name),
            fields,
            sink: None,
            begun: false,
            opened: now,
            pending: Vec::new(),
            written: 0,
            stalled: false,
        }
    }

    pub(super) fn file_path(&self) -> &Path {
        &self.file_path
    }

    /// Lets `add` append lines, after a header if the file has none yet. When `add` fails, nothing was added.
    pub(super) fn append<E>(
        &mut self,
        options: &LoggerOptions,
        now: Timestamp,
        add: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let before = self.pending.len();
        if !self.begun {
            let opened = stamp(now, &options.time_zone);
            let header = ascii::header(&options.ascii, self.name.as_bytes(), &self.fields, &opened);
            self.pending.extend_from_slice(&header);
        }
        let added = add(&mut self.pending);
        match added {
            Ok(()) => self.begun = true,
            Err(_) => self.pending.truncate(before),
        }
        added
    }

    /// Octets that are not on disk.
    pub(super) fn waiting(&self) -> usize {
        self.pending.len() - self.written
    }

    /// Whether it is time to write without waiting for more.
    pub(super) fn is_heavy(&self) -> bool {
        self.waiting() >= WRITE_OCTETS
    }

    /// Writes all that waits and says how much that was; after an error the rest still waits.
    pub(super) fn write(&mut self, options: &LoggerOptions) -> io::Result<usize> {
        let waiting = self.waiting();
        if waiting == 0 {
            return Ok(0);
        }
        if self.sink.is_none() {
            self.sink = Some(Sink::open(&self.file_path, &options.ascii)?);
        }
        let sink = self.sink.as_mut().expect("it was opened above");
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
        self.written = 0;
        Ok(waiting)
    }

    /// Ends the current file at `boundary`, and gives what is to be archived; none when there is no file. `now` is what
    /// `#close` says. After an error the file goes on and is as it was.
    pub(super) fn rotate(
        &mut self,
        options: &LoggerOptions,
        now: Timestamp,
        boundary: Timestamp,
    ) -> io::Result<Option<PathBuf>> {
        if !self.begun {
            self.opened = boundary;
            return Ok(None);
        }
        self.write(options)?;
        self.pending.extend_from_slice(&ascii::footer(&options.ascii, &stamp(now, &options.time_zone)));
        if let Err(error) = self.write(options) {
            // Without this, each attempt would add another last line.
            if self.written == 0 {
                self.pending.clear();
            }
            return Err(error);
        }
        if let Some(sink) = &mut self.sink {
            sink.finish()?;
        }
        let rotated = Rotated {
            path: self.name.clone(),
            opened: local(self.opened, &options.time_zone),
            closed: local(boundary, &options.time_zone),
            extension: options.ascii.extension(),
        };
        let queued = enqueue(&self.file_path, &options.current_dir, &rotated)?;
        self.sink = None;
        self.begun = false;
        self.opened = boundary;
        Ok(Some(queued))
    }
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
