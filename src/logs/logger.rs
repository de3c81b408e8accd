//! The receiver's side: one thread that writes what senders send.

use std::fs;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;

use super::alive::{Alive, Deaths};
use super::archive::{Archive, Archiver};
use super::batcher::{LogRecord, WRITE_BUFFER_SIZE};
use super::figures::{FileFigures, FileRecords};
use super::options::{LoggerOptions, Tuning};
use super::output::Output;
use super::queue::{Closed, Queue, Taken, Weight};
use super::report::{Report, Reporter};
use super::rotation::next_rotation;
use super::streams::{Accepted, Incoming, Streams, shown};
use crate::troubles::Troubles;
use crate::wire::log_batch::{EncodeError, FORMAT};

/// More than this may not wait for files that cannot be written, all together.
const STALLED_LIMIT: usize = 2 << 20;

/// How long a file that cannot be written rests before it is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// How long something that happened once remains a trouble.
const NEWS: Duration = Duration::from_secs(300);

/// Writes log files. Batches go in from any thread; [`close`](Logger::close) ends it, as does dropping it.
///
/// Order: batches that one caller brings one after the other are written in that order.
/// Back-pressure: bringing a batch waits while [`LoggerOptions::queue_bytes`] wait already, or while a file that cannot be
/// written has too much waiting for it.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// use zeek_cluster::logs::{Logger, LoggerOptions, cluster_log_record};
///
/// let logs = folder.path().join("logs");
/// let mut options = LoggerOptions::new("logger", logs.join("current/logger"), &logs);
/// options.ascii.use_json = true;
/// let logger = Logger::start(options)?;
/// logger.write_record(&cluster_log_record(1.5, "worker-1", "hello"))?;
/// logger.close();
/// let counters = logger.counters();
/// assert_eq!((counters.records, counters.archived_files), (1, 1));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Logger {
    node: String,
    queue: Arc<Queue<Received>>,
    figures: Arc<Figures>,
    files: FileFigures,
    reporter: Arc<Reporter>,
    tuning: Arc<RwLock<Tuning>>,
    troubles: Troubles,
    deaths: Deaths,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The logger has been closed; the batch was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the logger is closed")]
pub struct LoggerClosed;

/// Why an own record was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The record does not fit its stream.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The logger has been closed.
    #[error(transparent)]
    Closed(#[from] LoggerClosed),
}

/// Figures of a logger since its start. All but `queued_octets` only rise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoggerCounters {
    /// Batches whose records were added to a file.
    pub batches: u64,
    /// Records that were added to a file.
    pub records: u64,
    /// Octets that were written to files, headers included, before compression.
    pub written_octets: u64,
    /// Batches that were refused; a report says why.
    pub rejected_batches: u64,
    /// Records of `Log::WRITER_NONE`.
    pub discarded_records: u64,
    /// Attempts to write, open or rotate a file that failed.
    pub write_errors: u64,
    /// Files that were closed by rotation.
    pub rotated_files: u64,
    /// How often a file was rotated because its log has other columns now.
    pub column_changes: u64,
    /// Batches with other columns than their log's first file has, which went to a file beside it.
    pub batches_beside: u64,
    /// Files that somebody removed or replaced while they were written.
    pub files_taken_away: u64,
    /// Files that were archived.
    pub archived_files: u64,
    /// Attempts to archive a file that failed.
    pub archive_errors: u64,
    /// How often somebody had to wait for room in the queue.
    pub queue_waits: u64,
    /// Octets of batches in the queue right now.
    pub queued_octets: u64,
}

/// A batch on its way to the thread.
#[derive(Debug)]
struct Received {
    sender: Bytes,
    payload: Bytes,
}

impl Weight for Received {
    fn weight(&self) -> usize {
        self.payload.len() + self.sender.len() + size_of::<Received>()
    }
}

impl Logger {
    /// Makes the folders, moves what an earlier run left open into the archive's queue, and starts the threads.
    ///
    /// # Errors
    /// When a folder cannot be made or read, or a thread cannot be started.
    pub fn start(options: LoggerOptions) -> io::Result<Logger> {
        fs::create_dir_all(&options.current_dir)?;
        fs::create_dir_all(&options.archive_dir)?;
        let reporter = Arc::new(Reporter::new(options.report.clone()));
        let figures = Arc::new(Figures::default());
        let tuning = Arc::new(RwLock::new(options.tuning()));
        let archive = Archive {
            options: options.clone(),
            tuning: Arc::clone(&tuning),
            reporter: Arc::clone(&reporter),
            figures: Arc::clone(&figures),
        };
        let leftovers = archive.queue_leftovers()?;
        if leftovers > 0 {
            reporter.tell(&Report::Leftovers { count: leftovers }, Instant::now());
        }
        let (deaths, troubles) = (Deaths::default(), options.troubles.clone());
        let queue = Arc::new(Queue::new(options.queue_bytes));
        let archiver = Archiver::start(archive, deaths.clone())?;
        let node = options.node.clone();
        let files = FileFigures::default();
        let writing = Writing {
            queue: Arc::clone(&queue),
            figures: Arc::clone(&figures),
            next_rotation: next_rotation(Timestamp::now(), options.rotation_interval, &options.time_zone),
            tuning: Arc::clone(&tuning),
            obeyed: options.tuning(),
            streams: Streams::new(options.clone(), files.clone()),
            options,
            reporter: Arc::clone(&reporter),
            archiver,
            last_write: Instant::now(),
            stalled: false,
        };
        let (alive, closing) = (deaths.watch("logger"), Arc::clone(&queue));
        let thread = std::thread::Builder::new().name("logger".into()).spawn(move || {
            let _closed = CloseAtEnd(closing);
            writing.run(alive);
        })?;
        let thread = Mutex::new(Some(thread));
        Ok(Logger { node, queue, figures, files, reporter, tuning, troubles, deaths, thread })
    }

    /// Takes over what can change while it works: how often files are flushed and rotated, whether rotated ones are
    /// compressed, and when they expire. The rest of the options is not looked at.
    pub fn tune(&self, options: &LoggerOptions) {
        *self.tuning.write().unwrap_or_else(PoisonError::into_inner) = options.tuning();
        self.queue.nudge();
    }

    /// Brings a batch; blocks while the queue is full. `sender` is the node id that the frame came with.
    ///
    /// # Errors
    /// [`LoggerClosed`] when [`Logger::close`] was called; the batch was not taken. What is wrong with the batch is
    /// reported later.
    pub fn write_batch(&self, sender: Bytes, payload: Bytes) -> Result<(), LoggerClosed> {
        self.queue.push(Received { sender, payload }).map_err(closed)
    }

    /// Brings a batch; waits while the queue is full. A dropped future leaves the batch out.
    ///
    /// # Errors
    /// As [`Logger::write_batch`].
    pub async fn write_batch_async(&self, sender: Bytes, payload: Bytes) -> Result<(), LoggerClosed> {
        self.queue.push_async(Received { sender, payload }).await.map_err(closed)
    }

    /// Brings a frame as it was received: like [`write_batch`](Self::write_batch), but a frame of another format than
    /// `zeek-bin-serializer` is refused and reported.
    ///
    /// # Errors
    /// As [`Logger::write_batch`]; a frame of another format is no error here.
    pub fn write_frame(&self, sender: Bytes, format: &[u8], payload: Bytes) -> Result<(), LoggerClosed> {
        if format == FORMAT.as_bytes() { self.write_batch(sender, payload) } else { self.refuse(sender, format) }
    }

    /// The same for async callers.
    ///
    /// # Errors
    /// As [`Logger::write_frame`].
    pub async fn write_frame_async(&self, sender: Bytes, format: &[u8], payload: Bytes) -> Result<(), LoggerClosed> {
        if format == FORMAT.as_bytes() {
            self.write_batch_async(sender, payload).await
        } else {
            self.refuse(sender, format)
        }
    }

    /// Writes a record of the logger's own node, such as
    /// [`cluster_log_record`](super::cluster_log_record); blocks while the queue is full.
    ///
    /// # Errors
    /// [`RecordError::Encode`] when the values do not fit the columns, [`RecordError::Closed`] when [`Logger::close`]
    /// was called.
    pub fn write_record(&self, record: &LogRecord) -> Result<(), RecordError> {
        let payload = record.encode()?.into();
        Ok(self.write_batch(Bytes::copy_from_slice(self.node.as_bytes()), payload)?)
    }

    /// The same for async callers.
    ///
    /// # Errors
    /// As [`Logger::write_record`].
    pub async fn write_record_async(&self, record: &LogRecord) -> Result<(), RecordError> {
        let payload = record.encode()?.into();
        Ok(self.write_batch_async(Bytes::copy_from_slice(self.node.as_bytes()), payload).await?)
    }

    /// Waits until one of the logger's threads ends although [`Logger::close`] was not called, and says which: nothing is
    /// written, or archived, from then on.
    pub async fn died(&self) -> &'static str {
        self.deaths.first().await
    }

    /// Figures so far.
    pub fn counters(&self) -> LoggerCounters {
        let (queued, queue_waits) = self.queue.figures();
        LoggerCounters { queued_octets: queued as u64, queue_waits, ..self.figures.snapshot() }
    }

    /// What was added to each file so far, those of earlier rotations included.
    pub fn files(&self) -> Vec<FileRecords> {
        self.files.snapshot()
    }

    /// Writes what is in the queue, ends and rotates all files, archives them, and waits for all that. Later calls wait
    /// for the first and do nothing.
    pub fn close(&self) {
        self.queue.close();
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            // A panic of the thread was printed when it happened.
            let _ = thread.join();
        }
    }

    fn refuse(&self, sender: Bytes, format: &[u8]) -> Result<(), LoggerClosed> {
        let report = Report::Format { sender: shown(&sender), format: shown(format) };
        reject(&report, self.figures.rejected(), &self.reporter, &self.troubles);
        Ok(())
    }
}

impl Drop for Logger {
    fn drop(&mut self) {
        self.close();
    }
}

/// Closes the queue when its thread ends, however it does: nobody must wait for a thread that is gone.
struct CloseAtEnd(Arc<Queue<Received>>);

impl Drop for CloseAtEnd {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Tells of a batch that is refused, the `count`th.
fn reject(report: &Report, count: u64, reporter: &Reporter, troubles: &Troubles) {
    let what =
        if count == 1 { "a log batch was refused".to_owned() } else { format!("{count} log batches were refused") };
    troubles.raise_for(NEWS, "log-rejected", "", format!("{what}, the last: {report}"));
    reporter.tell(report, Instant::now());
}

fn closed(_: Closed<Received>) -> LoggerClosed {
    LoggerClosed
}

/// Counters that the threads share.
#[derive(Debug, Default)]
pub(super) struct Figures {
    batches: AtomicU64,
    records: AtomicU64,
    written_octets: AtomicU64,
    rejected_batches: AtomicU64,
    discarded_records: AtomicU64,
    write_errors: AtomicU64,
    rotated_files: AtomicU64,
    column_changes: AtomicU64,
    batches_beside: AtomicU64,
    files_taken_away: AtomicU64,
    archived_files: AtomicU64,
    archive_errors: AtomicU64,
}

impl Figures {
    pub(super) fn archived(&self) {
        add(&self.archived_files, 1);
    }

    pub(super) fn archive_failed(&self) {
        add(&self.archive_errors, 1);
    }

    /// How many that makes.
    fn rejected(&self) -> u64 {
        self.rejected_batches.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn snapshot(&self) -> LoggerCounters {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LoggerCounters {
            batches: get(&self.batches),
            records: get(&self.records),
            written_octets: get(&self.written_octets),
            rejected_batches: get(&self.rejected_batches),
            discarded_records: get(&self.discarded_records),
            write_errors: get(&self.write_errors),
            rotated_files: get(&self.rotated_files),
            column_changes: get(&self.column_changes),
            batches_beside: get(&self.batches_beside),
            files_taken_away: get(&self.files_taken_away),
            archived_files: get(&self.archived_files),
            archive_errors: get(&self.archive_errors),
            queue_waits: 0,
            queued_octets: 0,
        }
    }
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

/// What the thread owns.
struct Writing {
    options: LoggerOptions,
    queue: Arc<Queue<Received>>,
    streams: Streams,
    reporter: Arc<Reporter>,
    figures: Arc<Figures>,
    archiver: Archiver,
    next_rotation: Option<Timestamp>,
    tuning: Arc<RwLock<Tuning>>,
    /// What of it `next_rotation` was made with.
    obeyed: Tuning,
    last_write: Instant,
    /// Whether the trouble of files that cannot be written is raised.
    stalled: bool,
}

impl Writing {
    fn run(mut self, alive: Alive) {
        let mut received = Vec::new();
        loop {
            let until = self.wake_at();
            let taken = self.queue.take(&mut received, until);
            for batch in received.drain(..) {
                self.batch(&batch);
            }
            if taken == Taken::Closed {
                break;
            }
            self.obey_tuning();
            self.rotate_if_due(Timestamp::now());
            self.write_due();
            self.wait_while_blocked();
            self.show_stalled();
        }
        self.end();
        alive.ends_as_wanted();
    }

    fn obey_tuning(&mut self) {
        let tuning = *self.tuning.read().unwrap_or_else(PoisonError::into_inner);
        if tuning != self.obeyed {
            self.obeyed = tuning;
            self.next_rotation = next_rotation(Timestamp::now(), tuning.rotation_interval, &self.options.time_zone);
            // It may have something to expire.
            self.archiver.wake();
        }
    }

    /// When to look again although nothing came.
    fn wake_at(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let rotation = self.next_rotation.map(|at| {
            let left = Duration::try_from(Timestamp::now().duration_until(at)).unwrap_or_default();
            // Clocks jump: look at least once a minute.
            now + left.min(Duration::from_secs(60))
        });
        let waits = match self.obeyed.flush_interval.is_zero() {
            true => self.streams.outputs().any(|output| output.stalled().is_some()),
            false => self.streams.waiting().next().is_some(),
        };
        rotation.into_iter().chain(waits.then(|| now + RETRY)).chain(self.streams.release_at()).min()
    }

    fn batch(&mut self, batch: &Received) {
        let incoming =
            Incoming { sender: &batch.sender, payload: &batch.payload, now: Timestamp::now(), at: Instant::now() };
        let Writing { streams, options, reporter, figures, queue, .. } = self;
        let accepted =
            streams.batch(incoming, &mut |output: &mut Output| write_piece(output, options, reporter, figures, queue));
        match accepted {
            Ok(Accepted::Written(records)) => {
                add(&self.figures.batches, 1);
                add(&self.figures.records, records as u64);
                self.write_heavy();
            }
            Ok(Accepted::Discarded(records)) => add(&self.figures.discarded_records, records as u64),
            Err(report) => reject(&report, self.figures.rejected(), &self.reporter, &self.options.troubles),
        }
        self.tell_notes();
    }

    /// Tells what the files' owner noticed.
    fn tell_notes(&mut self) {
        let Writing { streams, options, reporter, figures, archiver, .. } = self;
        let queued = |report: &Report| matches!(report, Report::ColumnsChanged { .. } | Report::Foreign { .. });
        if streams.notes.iter().any(queued) {
            archiver.wake();
        }
        streams.notes.drain(..).for_each(|report| tell(&report, options, reporter, figures));
    }

    fn write_heavy(&mut self) {
        let Writing { streams, options, reporter, figures, .. } = self;
        for output in streams.outputs().filter(|output| output.is_heavy() && output.stalled().is_none()) {
            write(output, options, reporter, figures);
        }
    }

    /// Writes what is due by `Log::flush_interval`.
    fn write_due(&mut self) {
        if self.obeyed.flush_interval.is_zero() {
            let Writing { streams, options, reporter, figures, .. } = self;
            let is_due =
                |output: &&mut Output| output.waiting_records() >= WRITE_BUFFER_SIZE || output.stalled().is_some();
            for output in streams.waiting().filter(is_due) {
                write(output, options, reporter, figures);
            }
            return;
        }
        // Nothing more to do: what is there shall be seen at once.
        let idle = self.queue.figures().0 == 0;
        if idle || self.last_write.elapsed() >= self.obeyed.flush_interval {
            self.write_all();
        }
    }

    fn write_all(&mut self) {
        let Writing { streams, options, reporter, figures, .. } = self;
        for output in streams.waiting() {
            write(output, options, reporter, figures);
        }
        self.last_write = Instant::now();
    }

    /// Takes nothing from the queue while too much waits for files that cannot be written, so that senders wait too.
    fn wait_while_blocked(&mut self) {
        while self.stalled_octets() >= STALLED_LIMIT {
            self.show_stalled();
            let closing = self.queue.pause(Instant::now() + RETRY);
            self.rotate_if_due(Timestamp::now());
            self.write_all();
            if closing {
                return;
            }
        }
    }

    fn stalled_octets(&mut self) -> usize {
        self.streams.outputs().filter(|output| output.stalled().is_some()).map(|output| output.waiting()).sum()
    }

    /// Raises, or ends, the trouble of files that cannot be written.
    fn show_stalled(&mut self) {
        let (mut files, mut octets, mut example) = (0, 0, None);
        for output in self.streams.outputs() {
            let Some(error) = output.stalled() else { continue };
            let text = || format!("cannot write {}: {error}", output.file_path().display());
            example.get_or_insert_with(text);
            (files, octets) = (files + 1, octets + output.waiting());
        }
        // The disk may need what closed files hold.
        self.streams.release_inodes(Instant::now(), files > 0);
        let troubles = &self.options.troubles;
        match example {
            Some(example) => {
                let more = if files > 1 { format!(" and {} more files", files - 1) } else { String::new() };
                let waits = if octets >= STALLED_LIMIT { ", and senders wait" } else { "" };
                troubles.raise("log-stalled", "", format!("{example}{more}; {octets} octets wait{waits}"));
            }
            None if self.stalled => troubles.clear("log-stalled", ""),
            None => {}
        }
        self.stalled = files > 0;
    }

    fn rotate_if_due(&mut self, now: Timestamp) {
        if let Some(due) = self.next_rotation.filter(|due| *due <= now) {
            self.rotate(now, due);
            self.next_rotation = next_rotation(now, self.obeyed.rotation_interval, &self.options.time_zone);
        }
    }

    fn rotate(&mut self, now: Timestamp, boundary: Timestamp) {
        self.write_all();
        let (mut failed, mut example) = (0, None);
        for rotated in self.streams.rotate(now, boundary, Instant::now()) {
            match rotated {
                Ok(_) => add(&self.figures.rotated_files, 1),
                Err((path, error)) => {
                    add(&self.figures.write_errors, 1);
                    failed += 1;
                    example.get_or_insert_with(|| format!("cannot rotate {}: {error}", path.display()));
                }
            }
        }
        self.tell_notes();
        let troubles = &self.options.troubles;
        match example {
            Some(example) => troubles.raise("log-rotation", "", format!("{example} ({failed} files in all)")),
            None => troubles.clear("log-rotation", ""),
        }
        self.archiver.wake();
    }

    fn end(&mut self) {
        let now = Timestamp::now();
        self.rotate(now, now);
        let Writing { streams, options, reporter, .. } = self;
        let mut notes = Vec::new();
        for output in streams.waiting() {
            let path = output.file_path().to_owned();
            let octets = output.waiting();
            let written = output.write(options, &mut notes);
            let error = written.err().map_or_else(|| "it could not be ended".into(), |e| e.to_string());
            if output.waiting() > 0 {
                reporter.tell(&Report::Lost { path, octets, error }, Instant::now());
            }
        }
        self.archiver.finish();
    }
}

/// Tells what a file's owner noticed, and shows what remains a trouble for a while.
fn tell(report: &Report, options: &LoggerOptions, reporter: &Reporter, figures: &Figures) {
    let (kind, subject) = match report {
        Report::TakenAway { path, .. } => {
            add(&figures.files_taken_away, 1);
            (Some("log-taken-away"), path.display().to_string())
        }
        Report::Foreign { path, .. } => (Some("log-foreign-file"), path.display().to_string()),
        Report::ColumnsBeside { path, .. } => {
            add(&figures.batches_beside, 1);
            (Some("log-columns"), path.clone())
        }
        Report::ColumnsChanged { .. } => {
            add(&figures.column_changes, 1);
            add(&figures.rotated_files, 1);
            (None, String::new())
        }
        _ => (None, String::new()),
    };
    if let Some(kind) = kind {
        options.troubles.raise_for(NEWS, kind, &subject, report.to_string());
    }
    reporter.tell(report, Instant::now());
}

/// Writes what waits for a file, and tells when that begins or ceases to fail.
fn write(output: &mut Output, options: &LoggerOptions, reporter: &Reporter, figures: &Figures) {
    let before = output.waiting();
    let mut notes = Vec::new();
    let result = output.write(options, &mut notes);
    notes.iter().for_each(|report| tell(report, options, reporter, figures));
    add(&figures.written_octets, before.saturating_sub(output.waiting()) as u64);
    let path = || output.file_path().to_owned();
    match result {
        Ok(_) if output.stalled().is_some() => {
            reporter.tell(&Report::Resumed { path: path() }, Instant::now());
            output.set_stalled(None);
        }
        Ok(_) => {}
        Err(error) => {
            add(&figures.write_errors, 1);
            let report = Report::Stalled { path: path(), error: error.to_string(), pending: output.waiting() };
            reporter.tell(&report, Instant::now());
            output.set_stalled(Some(error.to_string()));
        }
    }
}

/// Writes a piece of a large batch. While that fails, the batch waits; refuses when the logger is closed meanwhile.
fn write_piece(
    output: &mut Output,
    options: &LoggerOptions,
    reporter: &Reporter,
    figures: &Figures,
    queue: &Queue<Received>,
) -> Result<(), Box<Report>> {
    write(output, options, reporter, figures);
    while let Some(error) = output.stalled().filter(|_| output.waiting() >= STALLED_LIMIT) {
        let (path, octets) = (output.file_path().to_owned(), output.waiting());
        let text = format!("cannot write {}: {error}; {octets} octets wait, and senders wait", path.display());
        options.troubles.raise("log-stalled", "", text);
        let lost = Report::Lost { path, octets, error: error.to_owned() };
        if queue.pause(Instant::now() + RETRY) {
            return Err(Box::new(lost));
        }
        write(output, options, reporter, figures);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
