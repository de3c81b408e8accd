//! The archive: closed files are compressed into their day's folder, old folders are removed.
//!
//! One thread, woken by each rotation. It takes what lies in the queue (the files with a rotated name in the logger's own
//! folder), so that a crash or a full disk loses nothing: what could not be archived is still there the next time.
//! A file appears in the archive complete and durable, by a rename that never replaces; only then is its source removed.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use jiff::civil::DateTime;

use super::alive::Deaths;
use super::leftovers;
use super::logger::Figures;
use super::options::{LoggerOptions, Tuning};
use super::output::{BESIDE, enqueue, rename_new};
use super::report::{Report, Reporter};
use super::rotation::{Rotated, day_end, local};

/// How long a failed file rests before it is tried again, and how often expired days are looked for.
const AGAIN: Duration = Duration::from_secs(60);
/// Octets that are read and compared at a time.
const CHUNK: usize = 64 << 10;

/// The archiver's thread.
#[derive(Debug)]
pub(super) struct Archiver {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Archiver {
    /// Starts the thread, which begins with what earlier runs left in the queue.
    pub(super) fn start(archive: Archive, deaths: Deaths) -> io::Result<Archiver> {
        let (wake, woken) = sync_channel(1);
        let alive = deaths.watch("log-archiver");
        let thread = std::thread::Builder::new().name("log-archiver".into()).spawn(move || {
            archive.run(&woken);
            alive.ends_as_wanted();
        })?;
        Ok(Archiver { wake: Some(wake), thread: Some(thread) })
    }

    /// Tells the thread that there is something in the queue.
    pub(super) fn wake(&self) {
        if let Some(wake) = &self.wake {
            match wake.try_send(()) {
                // A message that waits already says the same.
                Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
            }
        }
    }

    /// Lets the thread take what is in the queue, and waits for it.
    pub(super) fn finish(&mut self) {
        self.wake();
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed when it happened; the files are still in the queue.
            let _ = thread.join();
        }
    }
}

/// What the thread works with.
pub(super) struct Archive {
    pub(super) options: LoggerOptions,
    /// What of them may change.
    pub(super) tuning: Arc<RwLock<Tuning>>,
    pub(super) reporter: Arc<Reporter>,
    pub(super) figures: Arc<Figures>,
}

impl Archive {
    /// For single files, without a thread.
    fn of(options: &LoggerOptions) -> Archive {
        let (options, tuning) = (options.clone(), Arc::new(RwLock::new(options.tuning())));
        Archive { options, tuning, reporter: Arc::new(Reporter::new(None)), figures: Arc::default() }
    }

    fn tuning(&self) -> Tuning {
        *self.tuning.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, woken: &Receiver<()>) {
        self.remove_unfinished();
        loop {
            self.take_queue();
            self.expire(Timestamp::now());
            match woken.recv_timeout(AGAIN) {
                Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Moves what a crash left open into the queue; gives the number of files that wait there.
    pub(super) fn queue_leftovers(&self) -> io::Result<usize> {
        let extension = format!(".{}", self.options.ascii.extension());
        let mut waiting = 0;
        for entry in fs::read_dir(&self.options.current_dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
            if Rotated::from_queue_name(name).is_some() {
                waiting += 1;
            } else if let Some((path, extension)) = split_log_name(name, &extension) {
                waiting += usize::from(self.queue_leftover(&entry.path(), path, extension)?);
            }
        }
        Ok(waiting)
    }

    fn queue_leftover(&self, file: &Path, path: &str, extension: &str) -> io::Result<bool> {
        let metadata = fs::symlink_metadata(file)?;
        if !metadata.is_file() {
            return Ok(false);
        }
        self.mend(file);
        if fs::symlink_metadata(file)?.len() == 0 {
            fs::remove_file(file)?;
            return Ok(false);
        }
        let closed = metadata.modified()?;
        let opened = metadata.created().unwrap_or(closed).min(closed);
        let at = |time| Timestamp::try_from(time).map(|at| local(at, &self.options.time_zone));
        let rotated = Rotated {
            path: path.to_owned(),
            opened: at(opened).map_err(io::Error::other)?,
            closed: at(closed).map_err(io::Error::other)?,
            extension: extension.to_owned(),
        };
        enqueue(file, &self.options.current_dir, &rotated)?;
        Ok(true)
    }

    /// Cuts off what a killed logger left of its last line. What cannot be mended, such as on a full disk, stays as it is.
    fn mend(&self, file: &Path) {
        let unfinished = self.options.current_dir.join(format!("{}mended.tmp", self.unfinished_prefix()));
        match leftovers::mend(file, &unfinished) {
            Ok(0) => {}
            Ok(octets) => {
                self.reporter.tell(&Report::Torn { path: file.to_owned(), octets }, Instant::now());
            }
            Err(error) => self.failed(file, &error),
        }
    }

    /// Archives each file of the queue; what fails stays there.
    pub(super) fn take_queue(&self) {
        let folder = &self.options.current_dir;
        let names = match sorted_names(folder) {
            Ok(names) => names,
            // Somebody took it away; the logger makes it again.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                self.failed(folder, &error);
                return self.show(Some(format!("cannot read {}: {error}", folder.display())), 1);
            }
        };
        let (mut failed, mut example) = (0, None);
        for name in names {
            let Some(rotated) = Rotated::from_queue_name(&name) else { continue };
            let source = folder.join(name);
            match self.archive(&source, &rotated) {
                Ok(()) => self.figures.archived(),
                Err(error) => {
                    self.failed(&source, &error);
                    failed += 1;
                    example.get_or_insert_with(|| format!("cannot archive {}: {error}", source.display()));
                }
            }
        }
        self.show(example, failed);
    }

    /// Raises the trouble of files that cannot be archived, or ends it.
    fn show(&self, example: Option<String>, failed: usize) {
        let troubles = &self.options.troubles;
        match example {
            Some(example) if failed > 1 => {
                troubles.raise("log-archive", "", format!("{example} and {} more", failed - 1))
            }
            Some(example) => troubles.raise("log-archive", "", example),
            None => troubles.clear("log-archive", ""),
        }
    }

    fn failed(&self, path: &Path, error: &io::Error) {
        self.figures.archive_failed();
        self.reporter.tell(&Report::Archive { path: path.to_owned(), error: error.to_string() }, Instant::now());
    }

    fn archive(&self, source: &Path, rotated: &Rotated) -> io::Result<()> {
        let day = self.options.archive_dir.join(rotated.day());
        fs::create_dir_all(&day)?;
        let compress = self.tuning().compress && !rotated.extension.ends_with(".gz");
        let suffix = self.options.suffix.as_deref();
        let name = |attempt| rotated.archive_name(suffix, attempt, if compress { ".gz" } else { "" });
        // A crash may have come between the appearance of an archived file and the removal of its source.
        for attempt in (1..).take_while(|attempt| day.join(name(*attempt)).exists()) {
            if same_content(source, &day.join(name(attempt)), compress)? {
                return fs::remove_file(source);
            }
        }
        // A short name, however long the log's is, and one of its own for each file.
        let mut hasher = DefaultHasher::new();
        name(1).hash(&mut hasher);
        let unfinished = day.join(format!("{}{:016x}.tmp", self.unfinished_prefix(), hasher.finish()));
        let stored = store(source, &unfinished, compress).and_then(|()| {
            for attempt in 1.. {
                match rename_new(&unfinished, &day.join(name(attempt))) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    other => return other,
                }
            }
            unreachable!("some number is free")
        });
        if let Err(error) = stored {
            // It holds disk space that somebody needs; the next start looks for it as well.
            let _ = fs::remove_file(&unfinished);
            return Err(error);
        }
        File::open(&day)?.sync_all()?;
        fs::remove_file(source)
    }

    fn unfinished_prefix(&self) -> String {
        format!(".{}~", self.options.node)
    }

    /// Removes what this logger was compressing when it was killed.
    fn remove_unfinished(&self) {
        let prefix = self.unfinished_prefix();
        for day in self.days().into_iter().chain([self.options.current_dir.clone()]) {
            for name in sorted_names(&day).unwrap_or_default() {
                if name.starts_with(&prefix) && name.ends_with(".tmp") {
                    let path = day.join(name);
                    if let Err(error) = fs::remove_file(&path) {
                        self.failed(&path, &error);
                    }
                }
            }
        }
    }

    /// Removes day folders whose day ended too long ago.
    pub(super) fn expire(&self, now: Timestamp) {
        let Some(keep) = self.tuning().expire.and_then(|keep| now.checked_sub(keep).ok()) else { return };
        for day in self.days() {
            let end = day.file_name().and_then(|name| day_end(name.to_str()?, &self.options.time_zone));
            if end.is_none_or(|end| end > keep) {
                continue;
            }
            match fs::remove_dir_all(&day) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    self.reporter.tell(&Report::Expire { path: day, error: error.to_string() }, Instant::now());
                }
                // Several loggers of a host share the folder.
                _ => tracing::info!(folder = %day.display(), "removed an expired day of logs"),
            }
        }
    }

    /// The day folders, oldest first; symbolic links are none.
    fn days(&self) -> Vec<PathBuf> {
        let names = sorted_names(&self.options.archive_dir).unwrap_or_default();
        let days = names.into_iter().filter(|name| day_end(name, &self.options.time_zone).is_some());
        let folders = days.map(|name| self.options.archive_dir.join(name));
        folders.filter(|path| fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())).collect()
    }
}

/// A file that a real Zeek rotated, named as Zeek tells `archive-log` (`zeekctl.md` 15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZeekRotated<'a> {
    /// The file; it is removed when it is in the archive.
    pub file: &'a Path,
    /// The log's path, such as `conn`.
    pub base: &'a str,
    /// Local time of opening, `YY-MM-DD_HH.MM.SS`.
    pub opened: &'a str,
    /// Local time of closing, likewise.
    pub closed: &'a str,
}

/// Archives what a real Zeek rotated, by the rules of our own logger: name, compression, durability, expiry.
///
/// # Errors
/// Times that are none, and whatever the disk says; the file stays where it is then.
pub fn archive_rotated(options: &LoggerOptions, rotated: ZeekRotated<'_>) -> io::Result<()> {
    let time = |text: &str| {
        DateTime::strptime("%y-%m-%d_%H.%M.%S", text).map_err(|error| {
            let what = format!("{text} is no time such as 26-01-31_13.05.00: {error}");
            io::Error::new(io::ErrorKind::InvalidInput, what)
        })
    };
    let rotated_file = Rotated {
        path: rotated.base.to_owned(),
        opened: time(rotated.opened)?,
        closed: time(rotated.closed)?,
        extension: if rotated.file.extension().is_some_and(|ext| ext == "gz") { "log.gz" } else { "log" }.to_owned(),
    };
    let archive = Archive::of(options);
    archive.archive(rotated.file, &rotated_file)?;
    archive.expire(Timestamp::now());
    Ok(())
}

/// Archives what an earlier Zeek had rotated into `current_dir` (`BASE.YYYY-MM-DD-HH-MM-SS.log`) and did not bring into
/// the archive any more. What cannot be archived stays for the next time. Gives the number of archived files.
///
/// # Errors
/// When the folder cannot be read, and the first file that could not be archived.
pub fn archive_zeek_leftovers(options: &LoggerOptions) -> io::Result<usize> {
    let archive = Archive::of(options);
    let (mut archived, mut failed) = (0, None);
    for name in sorted_names(&options.current_dir)? {
        let Some((base, opened, extension)) = zeek_rotated_name(&name) else { continue };
        let file = options.current_dir.join(&name);
        let done = closing_time(&file, options).and_then(|closed| {
            let (path, extension) = (base.to_owned(), extension.to_owned());
            archive.archive(&file, &Rotated { path, opened, closed: closed.max(opened), extension })
        });
        match done {
            Ok(()) => archived += 1,
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(archived), Err)
}

/// Archives everything that whoever wrote into `current_dir` left there: files that were rotated, and those that were open
/// when it was killed. Nobody may be writing there. Gives the number of archived files.
///
/// # Errors
/// When the folder cannot be read, and the first file that could not be archived; it stays for the next time.
pub fn archive_leftovers(options: &LoggerOptions) -> io::Result<usize> {
    let (mut archived, mut failed) = match archive_zeek_leftovers(options) {
        Ok(archived) => (archived, None),
        Err(error) => (0, Some(error)),
    };
    let archive = Archive::of(options);
    archive.remove_unfinished();
    archive.queue_leftovers()?;
    for name in sorted_names(&options.current_dir)? {
        let Some(rotated) = Rotated::from_queue_name(&name) else { continue };
        match archive.archive(&options.current_dir.join(name), &rotated) {
            Ok(()) => archived += 1,
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(archived), Err)
}

fn closing_time(file: &Path, options: &LoggerOptions) -> io::Result<DateTime> {
    let modified = Timestamp::try_from(fs::metadata(file)?.modified()?).map_err(io::Error::other)?;
    Ok(local(modified, &options.time_zone))
}

/// Whether a file of that name would be taken for one that was rotated, by our logger or by Zeek's.
pub(super) fn is_rotated_name(name: &str) -> bool {
    Rotated::from_queue_name(name).is_some() || zeek_rotated_name(name).is_some()
}

/// `conn.2026-01-31-13-00-00.log` as path, opening time and extension.
fn zeek_rotated_name(name: &str) -> Option<(&str, DateTime, &str)> {
    let (stem, extension) = match name.strip_suffix(".log.gz") {
        Some(stem) => (stem, "log.gz"),
        None => (name.strip_suffix(".log")?, "log"),
    };
    let (base, opened) = stem.rsplit_once('.')?;
    Some((base, DateTime::strptime("%Y-%m-%d-%H-%M-%S", opened).ok()?, extension))
}

/// `conn.log` of an earlier run as path and extension; it may have been written with other options, and may be a file beside
/// the log's first (`conn~2.log`).
fn split_log_name<'a>(name: &'a str, extension: &str) -> Option<(&'a str, &'a str)> {
    [extension, ".log", ".log.gz"].into_iter().find_map(|extension| {
        let stem = name.strip_suffix(extension).filter(|path| !path.is_empty())?;
        let path = stem.split_once(BESIDE).map_or(stem, |(path, _)| path);
        Some((path, &name[stem.len() + 1..])).filter(|(path, _)| !path.is_empty())
    })
}

fn sorted_names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.extend(entry?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

/// Writes a durable copy, or moves the file if it can stay as it is.
fn store(source: &Path, target: &Path, compress: bool) -> io::Result<()> {
    let mut from = File::open(source)?;
    if !compress {
        from.sync_all()?;
        // A second name for the same file: nothing is copied, and the source stays until the archive is complete.
        match fs::hard_link(source, target) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
            Err(_) => tracing::debug!(source = %source.display(), "copying, as no hard link can be made"),
        }
    }
    let to = File::create(target)?;
    let to = if compress {
        let mut encoder = GzEncoder::new(to, Compression::default());
        copy(&mut from, &mut encoder)?;
        encoder.finish()?
    } else {
        let mut to = to;
        copy(&mut from, &mut to)?;
        to
    };
    to.sync_all()
}

fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        match from.read(&mut chunk)? {
            0 => return Ok(()),
            count => to.write_all(&chunk[..count])?,
        }
    }
}

/// Whether an archived file holds what its source does; a damaged one does not.
fn same_content(source: &Path, archived: &Path, compressed: bool) -> io::Result<bool> {
    let mut left = File::open(source)?;
    let archived = File::open(archived)?;
    let mut right: Box<dyn Read> =
        if compressed { Box::new(MultiGzDecoder::new(archived)) } else { Box::new(archived) };
    let (mut a, mut b) = (vec![0; CHUNK], vec![0; CHUNK]);
    loop {
        let count = read_full(&mut left, &mut a)?;
        let Ok(other) = read_full(&mut right, &mut b) else { return Ok(false) };
        if a[..count] != b[..other] {
            return Ok(false);
        }
        if count == 0 {
            return Ok(true);
        }
    }
}

fn read_full(from: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < into.len() {
        match from.read(&mut into[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests;
