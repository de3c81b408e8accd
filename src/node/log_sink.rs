//! Where the node's log records go: in batches to the loggers, or, on a logger, straight to the writer beside it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::cluster::LogRecord;
use crate::logs::{Batcher, Logger, cluster_log_record};
use crate::transport::{LogFrame, Transport};
use crate::troubles::Troubles;
use crate::wire::log_batch;

/// How long records of `Cluster::LOG` wait for company. Zeek's `Log::flush_interval` is 1 s; an operator who asks for the
/// log right after a command wants to see what it did.
const FLUSH_INTERVAL: Duration = Duration::from_millis(100);
/// `Log::write_buffer_size`.
const MAX_RECORDS: usize = 1000;
/// Batches that wait for the writer; while so many wait, the inbox is not read. The transport bounds their octets.
const WRITER_QUEUE: usize = 256;
/// Own batches that wait for room in that queue; the oldest is dropped beyond that.
const OWN_WAITING: usize = 64;

/// How long lost batches remain a trouble of the node.
const NEWS: Duration = Duration::from_secs(300);

/// When own batches try again.
const RETRY: Duration = Duration::from_millis(50);

/// Sends or writes what the node logs.
pub(super) struct LogSink {
    id: Bytes,
    batcher: Batcher,
    way: Way,
    dropped: u64,
    troubles: Troubles,
}

enum Way {
    /// To the loggers.
    Push,
    /// To the writer of this process, or to whoever else takes them.
    Write { queue: mpsc::Sender<LogFrame>, waiting: VecDeque<LogFrame> },
}

/// The task that feeds the writer; it ends when the sink is gone, and gives the writer back.
pub(super) type Feeder = JoinHandle<Arc<Logger>>;

impl LogSink {
    /// A sink that pushes to the loggers.
    pub(super) fn push(id: &str, troubles: &Troubles) -> LogSink {
        LogSink::new(id, Way::Push, troubles)
    }

    /// A sink that writes here, and the task that does it; the task also ends when a thread of the writer dies.
    pub(super) fn write(id: &str, logger: Arc<Logger>, troubles: &Troubles) -> (LogSink, Feeder) {
        let (queue, mut batches) = mpsc::channel::<LogFrame>(WRITER_QUEUE);
        let feeder = tokio::spawn(async move {
            let feed = async {
                while let Some(LogFrame { sender, format, payload }) = batches.recv().await {
                    if logger.write_frame_async(sender, &format, payload).await.is_err() {
                        break;
                    }
                }
            };
            tokio::select! {
                () = feed => {}
                thread = logger.died() => tracing::error!(thread, "a thread of the log writer ended unexpectedly"),
            }
            logger
        });
        (LogSink::new(id, Way::Write { queue, waiting: VecDeque::new() }, troubles), feeder)
    }

    /// A sink that hands batches to somebody else in this process.
    pub(super) fn hand(id: &str, queue: mpsc::Sender<LogFrame>, troubles: &Troubles) -> LogSink {
        LogSink::new(id, Way::Write { queue, waiting: VecDeque::new() }, troubles)
    }

    fn new(id: &str, way: Way, troubles: &Troubles) -> LogSink {
        let id = Bytes::copy_from_slice(id.as_bytes());
        let (batcher, troubles) = (Batcher::new(MAX_RECORDS, FLUSH_INTERVAL), troubles.clone());
        LogSink { id, batcher, way, dropped: 0, troubles }
    }

    /// Counts batches that are lost here, and shows it.
    fn lose(&mut self, batches: u64, why: &str) {
        self.dropped += batches;
        let total = self.dropped;
        self.troubles.raise_for(NEWS, "log-dropped", "", format!("{total} log batches were dropped: {why}"));
    }

    /// How many things may be taken from the inbox so that every batch among them finds room.
    pub(super) fn room(&self) -> usize {
        match &self.way {
            Way::Write { queue, .. } if !queue.is_closed() => queue.capacity(),
            // What nobody takes is dropped.
            Way::Push | Way::Write { .. } => usize::MAX,
        }
    }

    /// Waits until [`LogSink::room`] is not zero.
    pub(super) async fn has_room(&self) {
        if let Way::Write { queue, .. } = &self.way {
            // A queue that was closed holds nobody up: see `room`.
            let _closed = queue.reserve().await;
        }
    }

    /// Batches of others' that were received here.
    pub(super) fn receive(&mut self, frame: LogFrame) {
        match &self.way {
            Way::Push => self.lose(1, "they came to a node that does not write logs"),
            Way::Write { queue, .. } => {
                if queue.try_send(frame).is_err() {
                    self.lose(1, "the log writer takes none");
                }
            }
        }
    }

    /// A record of `Cluster::LOG`.
    pub(super) fn record(&mut self, record: &LogRecord, now: Instant, transport: &dyn Transport) {
        match self.batcher.push(&cluster_log_record(record.ts, &record.node, &record.message), now) {
            Ok(None) => {}
            Ok(Some(batch)) => self.hand_over(batch, transport),
            Err(error) => {
                tracing::error!("a line for cluster.log was dropped: {error}");
                self.lose(1, "a line for cluster.log does not fit it");
            }
        }
    }

    /// When [`LogSink::flush_due`] has something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        let waits = matches!(&self.way, Way::Write { waiting, .. } if !waiting.is_empty());
        self.batcher.due().into_iter().chain(waits.then(|| Instant::now() + RETRY)).min()
    }

    pub(super) fn flush_due(&mut self, now: Instant, transport: &dyn Transport) {
        self.feed();
        let batches = self.batcher.flush_due(now);
        batches.into_iter().for_each(|batch| self.hand_over(batch, transport));
    }

    /// Everything, whether due or not.
    pub(super) fn flush(&mut self, transport: &dyn Transport) {
        let batches = self.batcher.flush();
        batches.into_iter().for_each(|batch| self.hand_over(batch, transport));
    }

    /// Batches that wait to be written here.
    pub(super) fn waiting(&self) -> u64 {
        match &self.way {
            Way::Push => 0,
            Way::Write { queue, waiting } => (queue.max_capacity() - queue.capacity() + waiting.len()) as u64,
        }
    }

    /// Batches that were lost here.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    fn hand_over(&mut self, payload: Bytes, transport: &dyn Transport) {
        let format = Bytes::from_static(log_batch::FORMAT.as_bytes());
        let frame = LogFrame { sender: self.id.clone(), format, payload };
        match &mut self.way {
            Way::Push => {
                if transport.push_log(frame).is_err() {
                    tracing::error!("Failed to send log write. HWM reached?");
                    self.lose(1, "no logger takes them, or not fast enough");
                }
            }
            Way::Write { waiting, .. } => {
                waiting.push_back(frame);
                if waiting.len() > OWN_WAITING {
                    waiting.pop_front();
                    self.lose(1, "the log writer is too slow, or cannot write");
                }
                self.feed();
            }
        }
    }

    /// Gives own batches to the writer, as far as it has room.
    fn feed(&mut self) {
        let Way::Write { queue, waiting } = &mut self.way else { return };
        let mut lost = 0;
        while let Some(frame) = waiting.pop_front() {
            match queue.try_send(frame) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(frame)) => {
                    waiting.push_front(frame);
                    break;
                }
                Err(mpsc::error::TrySendError::Closed(_)) => lost += 1,
            }
        }
        if lost > 0 {
            self.lose(lost, "the log writer takes none");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::LoggerOptions;

    /// A node whose log writer is gone must not go on as if it were there; its end is the node's (`node/run.rs`).
    #[tokio::test]
    async fn the_feeder_ends_when_a_thread_of_the_writer_dies() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = LoggerOptions::new("logger", folder.path().join("current"), folder.path());
        options.report = Some(Arc::new(|_, _| panic!("as this test wants it")));
        let logger = Arc::new(Logger::start(options).unwrap());
        let (mut sink, feeder) = LogSink::write("id", logger, &Troubles::default());
        let format = Bytes::from_static(log_batch::FORMAT.as_bytes());
        let (sender, payload) = (Bytes::from_static(b"s"), Bytes::from_static(b"nonsense"));
        sink.receive(LogFrame { sender, format, payload });
        assert!(tokio::time::timeout(Duration::from_secs(10), feeder).await.is_ok());
    }

    #[tokio::test]
    async fn batches_that_are_lost_are_a_trouble_of_the_node() {
        let troubles = Troubles::default();
        let mut sink = LogSink::push("id", &troubles);
        let frame = LogFrame { sender: Bytes::new(), format: Bytes::new(), payload: Bytes::new() };
        sink.receive(frame);
        let trouble = &troubles.list()[0];
        assert_eq!(trouble.kind, "log-dropped");
        assert_eq!(trouble.text, "1 log batches were dropped: they came to a node that does not write logs");
    }
}
