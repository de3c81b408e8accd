//! The receiver's side: one thread that writes what senders send.

use std::fs;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;

use super::archive::{Archive, Archiver};
use super::batcher::LogRecord;
use super::options::{LoggerOptions, Tuning};
use super::output::Output;
use super::queue::{Closed, Queue, Taken, Weight};
use super::report::{Report, Reporter};
use super::rotation::next_rotation;
use super::streams::{Accepted, FileFigures, FileRecords, Streams, shown};
use crate::wire::log_batch::{EncodeError, FORMAT};

/// More than this may not wait for files that cannot be written, all together.
const STALLED_LIMIT: usize = 2 << 20;

/// How long a file that cannot be written rests before it is tried again.
const RETRY: Duration = Duration::from_secs(1);

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
        let archiver = Archiver::start(archive)?;
        let queue = Arc::new(Queue::new(options.queue_bytes));
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
        };
        let thread = std::thread::Builder::new().name("logger".into()).spawn(move || writing.run())?;
        Ok(Logger { node, queue, figures, files, reporter, tuning, thread: Mutex::new(Some(thread)) })
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
        self.figures.rejected();
        let report = Report::Format { sender: shown(&sender), format: shown(format) };
        self.reporter.tell(&report, Instant::now());
        Ok(())
    }
}

impl Drop for Logger {
    fn drop(&mut self) {
        self.close();
    }
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

    fn rejected(&self) {
        add(&self.rejected_batches, 1);
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
}

impl Writing {
    fn run(mut self) {
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
            // Nothing more to do: what is there shall be seen at once.
            let idle = self.queue.figures().0 == 0;
            if idle || self.last_write.elapsed() >= self.obeyed.flush_interval {
                self.write_all();
            }
            self.wait_while_blocked();
        }
        self.end();
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
        let retry = self.streams.waiting().next().map(|_| now + RETRY);
        rotation.into_iter().chain(retry).min()
    }

    fn batch(&mut self, batch: &Received) {
        match self.streams.batch(&batch.sender, &batch.payload, Timestamp::now()) {
            Ok(Accepted::Written(records)) => {
                add(&self.figures.batches, 1);
                add(&self.figures.records, records as u64);
                self.write_heavy();
            }
            Ok(Accepted::Discarded(records)) => add(&self.figures.discarded_records, records as u64),
            Err(report) => {
                self.figures.rejected();
                self.reporter.tell(&report, Instant::now());
            }
        }
    }

    fn write_heavy(&mut self) {
        let Writing { streams, options, reporter, figures, .. } = self;
        for output in streams.outputs().filter(|output| output.is_heavy() && !output.stalled) {
            write(output, options, reporter, figures);
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
            let closing = self.queue.pause(Instant::now() + RETRY);
            self.write_all();
            if closing {
                return;
            }
        }
    }

    fn stalled_octets(&mut self) -> usize {
        self.streams.outputs().filter(|output| output.stalled).map(|output| output.waiting()).sum()
    }

    fn rotate_if_due(&mut self, now: Timestamp) {
        if let Some(due) = self.next_rotation.filter(|due| *due <= now) {
            self.rotate(now, due);
            self.next_rotation = next_rotation(now, self.obeyed.rotation_interval, &self.options.time_zone);
        }
    }

    fn rotate(&mut self, now: Timestamp, boundary: Timestamp) {
        self.write_all();
        for rotated in self.streams.rotate(now, boundary) {
            match rotated {
                Ok(_) => add(&self.figures.rotated_files, 1),
                Err((path, pending, error)) => {
                    add(&self.figures.write_errors, 1);
                    let report = Report::Stalled { path, error: error.to_string(), pending };
                    self.reporter.tell(&report, Instant::now());
                }
            }
        }
        self.archiver.wake();
    }

    fn end(mut self) {
        let now = Timestamp::now();
        self.rotate(now, now);
        let Writing { streams, options, reporter, .. } = &mut self;
        for output in streams.waiting() {
            let path = output.file_path().to_owned();
            let octets = output.waiting();
            let error = output.write(options).err().map_or_else(|| "it could not be ended".into(), |e| e.to_string());
            if output.waiting() > 0 {
                reporter.tell(&Report::Lost { path, octets, error }, Instant::now());
            }
        }
        self.archiver.finish();
    }
}

/// Writes what waits for a file, and tells when that begins or ceases to fail.
fn write(output: &mut Output, options: &LoggerOptions, reporter: &Reporter, figures: &Figures) {
    let before = output.waiting();
    let result = output.write(options);
    add(&figures.written_octets, (before - output.waiting()) as u64);
    let path = || output.file_path().to_owned();
    match result {
        Ok(_) if output.stalled => {
            reporter.tell(&Report::Resumed { path: path() }, Instant::now());
            output.stalled = false;
        }
        Ok(_) => {}
        Err(error) => {
            add(&figures.write_errors, 1);
            let report = Report::Stalled { path: path(), error: error.to_string(), pending: output.waiting() };
            reporter.tell(&report, Instant::now());
            output.stalled = true;
        }
    }
}

#[cfg(test)]
mod tests;
