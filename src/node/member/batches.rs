//! What becomes of the logs that a member receives.

use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::mpsc;

use crate::api::config::NodeConfig;
use crate::api::paths::ClusterDir;
use crate::logs::LoggerOptions;
use crate::node::NodeError;
use crate::node::wiring::LogsTo;
use crate::transport::LogFrame;
use crate::wire::log_batch::{BatchError, FORMAT, LogBatch};

/// What a logger, or the manager of a layout without loggers, does with the cluster's logs, its own included.
#[derive(Debug)]
pub struct Logs(pub(super) Kind);

#[derive(Debug)]
pub(super) enum Kind {
    Files(PathBuf),
    Taker(mpsc::Sender<LogFrame>),
}

impl Logs {
    /// Written as Zeek's ASCII writer does it, by the layout's `logging:` and its `LogAscii::…` and `Log::…` options: into
    /// `DIR/logs/current/NAME/STREAM.log`, and archived at `DIR/logs/YYYY-MM-DD/` when they rotate. The files belong to one
    /// process. Senders wait while the disk is behind.
    pub fn files(dir: impl Into<PathBuf>) -> Logs {
        Logs(Kind::Files(dir.into()))
    }

    /// Handed to the program, batch by batch. While `capacity` batches wait, the member takes in nothing, events included:
    /// so the senders wait, as for a logger of Zeek, and events beyond `Cluster::Backend::ZeroMQ::onloop_queue_hwm` are
    /// dropped and counted as `onloop_drops`. When the [`LogBatches`] are dropped, batches are too, and count as `log_drops`.
    pub fn received(capacity: usize) -> (Logs, LogBatches) {
        let (sender, queue) = mpsc::channel(capacity.max(1));
        (Logs(Kind::Taker(sender)), LogBatches { queue })
    }

    /// Received, dropped, and counted as `log_drops`.
    pub fn discarded() -> Logs {
        let (logs, _nobody) = Logs::received(1);
        logs
    }

    pub(super) fn into_sink(self, config: &NodeConfig) -> Result<LogsTo, NodeError> {
        match self.0 {
            Kind::Taker(sender) => Ok(LogsTo::Taker(sender)),
            Kind::Files(dir) => LoggerOptions::from_config(config, &ClusterDir::new(dir))
                .map(|options| LogsTo::Files(Box::new(options)))
                .map_err(|error| NodeError::LogOption { reason: error.to_string() }),
        }
    }
}

/// Log batches as they come from the nodes.
#[derive(Debug)]
pub struct LogBatches {
    queue: mpsc::Receiver<LogFrame>,
}

impl LogBatches {
    /// The next batch; none when the member has ended. Cancel-safe.
    pub async fn next(&mut self) -> Option<ReceivedBatch> {
        self.queue.recv().await.map(ReceivedBatch::from)
    }
}

impl Stream for LogBatches {
    type Item = ReceivedBatch;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<ReceivedBatch>> {
        self.queue.poll_recv(context).map(|frame| frame.map(ReceivedBatch::from))
    }
}

/// One batch of a stream's records, as it travelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedBatch {
    /// The sender's node id; not authenticated.
    pub sender: Bytes,
    /// Name of the serialiser; of Zeek 8.2 always `zeek-bin-serializer`.
    pub format: Bytes,
    /// The serialised batch.
    pub payload: Bytes,
}

impl From<LogFrame> for ReceivedBatch {
    fn from(frame: LogFrame) -> ReceivedBatch {
        ReceivedBatch { sender: frame.sender, format: frame.format, payload: frame.payload }
    }
}

/// Why a batch cannot be read. The texts are Zeek's.
#[derive(Debug, thiserror::Error)]
pub enum BatchFormat {
    /// It was made by another serialiser.
    #[error("Got log message in format '{format}', but have deserializer '{FORMAT}'")]
    Foreign {
        /// Its name, escaped.
        format: String,
    },
    /// It is damaged.
    #[error("Failed to unserialize log message using '{FORMAT}': {0}")]
    Damaged(#[from] BatchError),
}

impl ReceivedBatch {
    /// The records; bounded by the octets that are there.
    ///
    /// # Errors
    /// Another format than `Cluster::LOG_SERIALIZER_ZEEK_BIN_V1`, or damaged octets.
    pub fn decode(&self) -> Result<LogBatch, BatchFormat> {
        if self.format != FORMAT.as_bytes() {
            return Err(BatchFormat::Foreign { format: self.format.escape_ascii().to_string() });
        }
        Ok(LogBatch::decode(&self.payload)?)
    }
}
