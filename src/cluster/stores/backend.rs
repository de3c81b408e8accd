//! Where a master keeps its data. Keys are octets: `broker-bin-v1`, which is canonical because sets and tables are sorted.

use std::collections::BTreeMap;

use super::error::Refusal;
use super::operation::Answer;
use crate::data::Data;

/// The backend failed; what SQLite or the system said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BackendError(pub String);

/// A value and when it vanishes.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The value.
    pub value: Data,
    /// Nanoseconds since the epoch; none for never.
    pub expiry: Option<i64>,
}

impl Entry {
    /// Whether it has vanished by `now`, nanoseconds since the epoch.
    pub fn is_expired(&self, now: i64) -> bool {
        self.expiry.is_some_and(|expiry| expiry <= now)
    }
}

/// Entries by their keys, in the order of the keys.
pub type Entries = Vec<(Vec<u8>, Entry)>;

/// How much one page of a scan may hold; at least one entry is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scan {
    /// Entries at most.
    pub entries: usize,
    /// Octets of values, after which no further entry is begun.
    pub octets: usize,
}

impl Scan {
    /// For a walk over all keys.
    pub const KEYS: Scan = Scan { entries: 1000, octets: 4 << 20 };
}

/// What a master remembers of a clone that writes, so that a write which is sent twice is applied once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Writer {
    /// Number of the last write that was applied.
    pub last: u64,
    /// Answers other than [`Answer::Done`] that the clone may still ask for, by number.
    pub answers: BTreeMap<u64, Result<Answer, Refusal>>,
}

/// How many writers are remembered; the one that wrote least recently is forgotten first.
pub const MAX_WRITERS: usize = 1024;

/// A place for data. Everything between `begin` and `commit` is kept together or not at all.
pub trait Backend: Send {
    /// What is under a key, expired or not.
    ///
    /// # Errors
    /// When the file cannot be read, or the value in it is not `broker-bin-v1`.
    fn get(&mut self, key: &[u8]) -> Result<Option<Entry>, BackendError>;
    /// Writes a value and its expiry.
    ///
    /// # Errors
    /// When the file cannot be written: the disk is full, or another process has locked the file.
    fn put(&mut self, key: &[u8], entry: Entry) -> Result<(), BackendError>;
    /// Removes a key, whether it is there or not.
    ///
    /// # Errors
    /// As [`Backend::put`].
    fn erase(&mut self, key: &[u8]) -> Result<(), BackendError>;
    /// Removes all keys.
    ///
    /// # Errors
    /// As [`Backend::put`].
    fn clear(&mut self) -> Result<(), BackendError>;
    /// How many keys have not expired by `now`, nanoseconds since the epoch.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn size(&mut self, now: i64) -> Result<u64, BackendError>;
    /// Entries with keys greater than `after`, by the order of their octets.
    ///
    /// # Errors
    /// As [`Backend::get`].
    fn scan(&mut self, after: Option<&[u8]>, page: Scan) -> Result<Entries, BackendError>;
    /// When the next key vanishes, nanoseconds since the epoch; none when none does.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn next_expiry(&mut self) -> Result<Option<i64>, BackendError>;
    /// At most `most` keys that have expired by `now`, nanoseconds since the epoch.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn expired(&mut self, now: i64, most: usize) -> Result<Vec<Vec<u8>>, BackendError>;
    /// What is remembered of a writer.
    ///
    /// # Errors
    /// When the file cannot be read, or the answers in it are not what this program writes.
    fn writer(&mut self, id: &[u8]) -> Result<Option<Writer>, BackendError>;
    /// Remembers a writer, with the time of this (nanoseconds since the epoch); forgets the oldest of more than `MAX_WRITERS`.
    ///
    /// # Errors
    /// As [`Backend::put`].
    fn remember(&mut self, id: &[u8], writer: &Writer, now: i64) -> Result<(), BackendError>;
    /// Begins a transaction.
    ///
    /// # Errors
    /// When another process keeps the file locked, or a transaction is open already.
    fn begin(&mut self) -> Result<(), BackendError>;
    /// Makes what was done since [`Backend::begin`] durable, as far as the backend is.
    ///
    /// # Errors
    /// When the file cannot be written; then nothing since [`Backend::begin`] has been kept once it is rolled back.
    fn commit(&mut self) -> Result<(), BackendError>;
    /// Undoes what was done since [`Backend::begin`].
    fn rollback(&mut self);
}
