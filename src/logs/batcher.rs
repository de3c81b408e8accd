//! The sender's side: records of streams are collected and leave as batches.
//!
//! A batch leaves when it has [`write_buffer_size`](Batcher::new) records or is [`flush_interval`](Batcher::new) old,
//! whatever comes first, as in Zeek (`formats.md` 6.7). Time is an argument; nothing here waits.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::wire::log_batch::{BatchWriter, EncodeError, Field, Header, LogValue, TypeTag, WRITER_ASCII};

/// `Log::write_buffer_size`: records of a batch; Zeek's default.
pub const WRITE_BUFFER_SIZE: usize = 1000;
/// `Log::flush_interval`: how old a batch gets; Zeek's default.
pub const FLUSH_INTERVAL: Duration = Duration::from_secs(1);
/// A batch leaves before it grows beyond this, so that one message stays far below `Log::max_log_record_size`.
const MAX_BATCH_BYTES: usize = 4 << 20;

/// What the records of one file have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LogStream {
    /// Enumerator of `Log::ID`, such as `Cluster::LOG`.
    pub stream: Vec<u8>,
    /// Enumerator of `Log::Writer`.
    pub writer: Vec<u8>,
    /// Name of the filter.
    pub filter: Vec<u8>,
    /// The path, such as `cluster`.
    pub path: Vec<u8>,
    /// The columns.
    pub fields: Vec<Field>,
}

impl LogStream {
    /// A stream with the filter `default` and the ASCII writer.
    pub fn new(stream: &str, path: &str, fields: Vec<Field>) -> LogStream {
        LogStream {
            stream: stream.into(),
            writer: WRITER_ASCII.into(),
            filter: b"default".to_vec(),
            path: path.into(),
            fields,
        }
    }

    fn header(&self) -> Header<'_> {
        Header { stream: &self.stream, writer: &self.writer, filter: &self.filter, path: &self.path }
    }
}

/// One record on its way to a log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogRecord {
    /// Where it goes.
    pub stream: Arc<LogStream>,
    /// One value for each column.
    pub values: Vec<LogValue>,
}

impl LogRecord {
    /// A batch of this record alone.
    ///
    /// # Errors
    /// [`EncodeError`] when the values do not fit the columns of the stream.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let mut batch = BatchWriter::new(self.stream.header(), &self.stream.fields)?;
        batch.push(&self.values)?;
        Ok(batch.finish())
    }
}

/// `Cluster::LOG`: path `cluster`, columns `ts`, `node`, `message`.
pub fn cluster_log_stream() -> Arc<LogStream> {
    static STREAM: LazyLock<Arc<LogStream>> = LazyLock::new(|| {
        let fields = vec![
            Field::new("ts", TypeTag::Time),
            Field::new("node", TypeTag::String),
            Field::new("message", TypeTag::String),
        ];
        Arc::new(LogStream::new("Cluster::LOG", "cluster", fields))
    });
    Arc::clone(&STREAM)
}

/// `Cluster::log(message)` of a node: `ts` in seconds since the epoch.
pub fn cluster_log_record(ts: f64, node: &str, message: &str) -> LogRecord {
    LogRecord {
        stream: cluster_log_stream(),
        values: vec![LogValue::Time(ts), LogValue::String(node.into()), LogValue::String(message.into())],
    }
}

/// Collects records into batches.
#[derive(Debug)]
pub struct Batcher {
    max_records: usize,
    flush_interval: Duration,
    open: HashMap<Arc<LogStream>, Open>,
}

/// A batch that has not left yet.
#[derive(Debug)]
struct Open {
    batch: BatchWriter,
    due: Instant,
}

impl Batcher {
    /// `max_records` is `Log::write_buffer_size` ([`WRITE_BUFFER_SIZE`]), at least 1; `flush_interval` is
    /// `Log::flush_interval` ([`FLUSH_INTERVAL`]).
    pub fn new(max_records: usize, flush_interval: Duration) -> Batcher {
        Batcher { max_records: max_records.max(1), flush_interval, open: HashMap::new() }
    }

    /// Takes a record; gives the batch that it completed, if it did.
    ///
    /// # Errors
    /// [`EncodeError`] when the values do not fit the columns of the stream; the batch stays as it was.
    pub fn push(&mut self, record: &LogRecord, now: Instant) -> Result<Option<Bytes>, EncodeError> {
        if !self.open.contains_key(&record.stream) {
            let batch = BatchWriter::new(record.stream.header(), &record.stream.fields)?;
            self.open.insert(Arc::clone(&record.stream), Open { batch, due: now + self.flush_interval });
        }
        let open = self.open.get_mut(&record.stream).expect("it was inserted above");
        open.batch.push(&record.values)?;
        if open.batch.len() < self.max_records && open.batch.bytes() < MAX_BATCH_BYTES {
            return Ok(None);
        }
        Ok(self.open.remove(&record.stream).and_then(Open::finish))
    }

    /// When the next batch has to leave; none while nothing is open.
    pub fn due(&self) -> Option<Instant> {
        self.open.values().map(|open| open.due).min()
    }

    /// The batches that are due.
    pub fn flush_due(&mut self, now: Instant) -> Vec<Bytes> {
        let due = self.open.extract_if(|_, open| open.due <= now);
        due.filter_map(|(_, open)| open.finish()).collect()
    }

    /// All batches, such as at the end.
    pub fn flush(&mut self) -> Vec<Bytes> {
        self.open.drain().filter_map(|(_, open)| open.finish()).collect()
    }
}

impl Open {
    /// The payload; none without records (the first one did not fit its columns).
    fn finish(self) -> Option<Bytes> {
        (!self.batch.is_empty()).then(|| Bytes::from(self.batch.finish()))
    }
}

impl Default for Batcher {
    /// With Zeek's defaults.
    fn default() -> Batcher {
        Batcher::new(WRITE_BUFFER_SIZE, FLUSH_INTERVAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::log_batch::LogBatch;

    fn record(message: &str) -> LogRecord {
        cluster_log_record(1.5, "worker-1", message)
    }

    fn messages(payload: &[u8]) -> Vec<LogValue> {
        LogBatch::decode(payload).unwrap().records.into_iter().map(|values| values[2].clone()).collect()
    }

    #[test]
    fn a_full_batch_leaves_at_once() {
        let mut batcher = Batcher::new(2, FLUSH_INTERVAL);
        let now = Instant::now();
        assert_eq!(batcher.push(&record("a"), now), Ok(None));
        let batch = batcher.push(&record("b"), now).unwrap().unwrap();
        assert_eq!(messages(&batch), [LogValue::String(b"a".into()), LogValue::String(b"b".into())]);
        assert_eq!(batcher.due(), None);
    }

    #[test]
    fn an_old_batch_leaves_when_it_is_due() {
        let mut batcher = Batcher::default();
        let now = Instant::now();
        batcher.push(&record("a"), now).unwrap();
        batcher.push(&record("b"), now + FLUSH_INTERVAL / 2).unwrap();
        assert_eq!(batcher.due(), Some(now + FLUSH_INTERVAL));
        assert!(batcher.flush_due(now + FLUSH_INTERVAL / 2).is_empty());
        let left = batcher.flush_due(now + FLUSH_INTERVAL);
        assert_eq!(left.len(), 1);
        assert_eq!(messages(&left[0]).len(), 2);
    }

    #[test]
    fn a_record_that_does_not_fit_its_columns_is_refused_alone() {
        let mut batcher = Batcher::default();
        let bad = LogRecord { values: vec![LogValue::Unset], ..record("a") };
        assert!(batcher.push(&bad, Instant::now()).is_err());
        assert!(batcher.flush().is_empty());
    }

    #[test]
    fn a_single_record_is_the_documented_batch() {
        let record = cluster_log_record(1_700_000_000.5, "manager", "node down: worker-1");
        let payload = record.encode().unwrap();
        assert_eq!(payload.len(), 191);
        let batch = LogBatch::decode(&payload).unwrap();
        assert_eq!(batch.stream, b"Cluster::LOG");
        assert_eq!(batch.records, [record.values]);
    }
}
