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

/// When own batches try again.
const RETRY: Duration = Duration::from_millis(50);

/// Sends or writes what the node logs.
pub(super) struct LogSink {
    id: Bytes,
    batcher: Batcher,
    way: Way,
    dropped: u64,
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
    pub(super) fn push(id: &str) -> LogSink {
        LogSink::new(id, Way::Push)
    }

    /// A sink that writes here, and the task that does it.
    pub(super) fn write(id: &str, logger: Arc<Logger>) -> (LogSink, Feeder) {
        let (queue, mut batches) = mpsc::channel::<LogFrame>(WRITER_QUEUE);
        let feeder = tokio::spawn(async move {
            while let Some(LogFrame { sender, format, payload }) = batches.recv().await {
                if logger.write_frame_async(sender, &format, payload).await.is_err() {
                    break;
                }
            }
            logger
        });
        (LogSink::new(id, Way::Write { queue, waiting: VecDeque::new() }), feeder)
    }

    /// A sink that hands batches to somebody else in this process.
    pub(super) fn hand(id: &str, queue: mpsc::Sender<LogFrame>) -> LogSink {
        LogSink::new(id, Way::Write { queue, waiting: VecDeque::new() })
    }

    fn new(id: &str, way: Way) -> LogSink {
        let id = Bytes::copy_from_slice(id.as_bytes());
        LogSink { id, batcher: Batcher::new(MAX_RECORDS, FLUSH_INTERVAL), way, dropped: 0 }
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
            Way::Push => self.dropped += 1,
            Way::Write { queue, .. } => {
                if queue.try_send(frame).is_err() {
                    self.dropped += 1;
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
                self.dropped += 1;
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
                    self.dropped += 1;
                    tracing::error!("Failed to send log write. HWM reached?");
                }
            }
            Way::Write { waiting, .. } => {
                waiting.push_back(frame);
                if waiting.len() > OWN_WAITING {
                    waiting.pop_front();
                    self.dropped += 1;
                }
                self.feed();
            }
        }
    }

    /// Gives own batches to the writer, as far as it has room.
    fn feed(&mut self) {
        let Way::Write { queue, waiting } = &mut self.way else { return };
        while let Some(frame) = waiting.pop_front() {
            match queue.try_send(frame) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(frame)) => {
                    waiting.push_front(frame);
                    return;
                }
                Err(mpsc::error::TrySendError::Closed(_)) => self.dropped += 1,
            }
        }
    }
}
