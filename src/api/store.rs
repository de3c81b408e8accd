//! Data stores: how they are configured, and what a node's socket says of them. Names are those of Zeek's scripts
//! (`Broker::BackendType`, `Broker::SQLiteOptions`), values in files are their last words in lower case.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `Broker::BackendType`: where a master keeps its data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendType {
    /// `Broker::MEMORY`: gone when the master ends.
    #[default]
    Memory,
    /// `Broker::SQLITE`: a file.
    Sqlite,
}

impl BackendType {
    /// The word in a layout.
    pub fn as_str(self) -> &'static str {
        match self {
            BackendType::Memory => "memory",
            BackendType::Sqlite => "sqlite",
        }
    }

    /// By the word in a layout, or by the name in Zeek's scripts.
    pub fn parse(text: &str) -> Option<BackendType> {
        match text {
            "memory" | "Broker::MEMORY" => Some(BackendType::Memory),
            "sqlite" | "Broker::SQLITE" => Some(BackendType::Sqlite),
            _ => None,
        }
    }
}

/// `Broker::SQLiteSynchronous`: when SQLite waits for the disk (`PRAGMA synchronous`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Synchronous {
    /// `Broker::SQLITE_SYNCHRONOUS_OFF`: an acknowledged write survives the process, not the machine.
    Off,
    /// `Broker::SQLITE_SYNCHRONOUS_NORMAL`: less often; with WAL the last writes may be lost with the machine.
    Normal,
    /// `Broker::SQLITE_SYNCHRONOUS_FULL`: SQLite's default.
    Full,
    /// `Broker::SQLITE_SYNCHRONOUS_EXTRA`: as full, and for the folder of the journal too.
    Extra,
}

impl Synchronous {
    /// The word in a layout and in the pragma.
    pub fn as_str(self) -> &'static str {
        match self {
            Synchronous::Off => "off",
            Synchronous::Normal => "normal",
            Synchronous::Full => "full",
            Synchronous::Extra => "extra",
        }
    }
}

/// `Broker::SQLiteJournalMode`: how SQLite undoes a broken write (`PRAGMA journal_mode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JournalMode {
    /// `Broker::SQLITE_JOURNAL_MODE_DELETE`: SQLite's default.
    Delete,
    /// `Broker::SQLITE_JOURNAL_MODE_WAL`: writes go to a log beside the file first.
    Wal,
}

impl JournalMode {
    /// The word in a layout and in the pragma.
    pub fn as_str(self) -> &'static str {
        match self {
            JournalMode::Delete => "delete",
            JournalMode::Wal => "wal",
        }
    }
}

/// `Broker::SQLiteFailureMode`: what becomes of a damaged file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailureMode {
    /// `Broker::SQLITE_FAILURE_MODE_FAIL`: the store cannot be created.
    #[default]
    Fail,
    /// `Broker::SQLITE_FAILURE_MODE_DELETE`: a damaged file is removed, and an empty one takes its place.
    Delete,
}

impl FailureMode {
    /// The word in a layout.
    pub fn as_str(self) -> &'static str {
        match self {
            FailureMode::Fail => "fail",
            FailureMode::Delete => "delete",
        }
    }
}

/// `Broker::SQLiteOptions`: how a master keeps its file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqliteOptions {
    /// The file. Empty: `NAME.sqlite` in `Cluster::default_store_dir`.
    #[serde(default)]
    pub path: PathBuf,
    /// `PRAGMA synchronous`; none for SQLite's own, full.
    #[serde(default)]
    pub synchronous: Option<Synchronous>,
    /// `PRAGMA journal_mode`; none for the file's own, delete for a new one.
    #[serde(default)]
    pub journal_mode: Option<JournalMode>,
    /// What happens when the file is damaged.
    #[serde(default)]
    pub failure_mode: FailureMode,
    /// Whether `PRAGMA integrity_check` has to say `ok` on opening; it reads the whole file.
    #[serde(default)]
    pub integrity_check: bool,
}

/// An entry of `Cluster::stores` in a node's configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreConfig {
    /// Where the master keeps its data.
    pub backend: BackendType,
    /// The node that holds the master; none for `Cluster::default_master_node`, and if that is empty the manager.
    #[serde(default)]
    pub master_node: Option<String>,
    /// `options$sqlite`; a relative path begins at the cluster's folder on the host.
    #[serde(default)]
    pub sqlite: SqliteOptions,
    /// `clone_resync_interval`, seconds.
    pub clone_resync_interval_s: f64,
    /// `clone_stale_interval`, seconds; 0 for never.
    pub clone_stale_interval_s: f64,
    /// `clone_mutation_buffer_interval`, seconds; 0 for not at all.
    pub clone_mutation_buffer_interval_s: f64,
}

/// A store as one node has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoreView {
    /// Its name.
    pub name: String,
    /// Whether the master is here.
    pub master: bool,
    /// The master's node.
    pub master_node: String,
    /// Where the master keeps its data.
    pub backend: BackendType,
    /// The file, where the master is here and has one.
    #[serde(default)]
    pub path: Option<PathBuf>,
    /// How it is.
    pub state: StoreState,
    /// Keys that have not expired.
    pub size: u64,
    /// When the master began, seconds since the epoch; none when that is not known.
    #[serde(default)]
    pub since: Option<f64>,
    /// How many changes there were since then.
    pub changes: u64,
    /// Writes of this node that the master has not acknowledged.
    pub pending: u64,
}

/// How a store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreState {
    /// A master in office, or a clone with the master's data.
    Ready,
    /// A clone that looks for its master, or copies from it.
    Syncing,
    /// A master that refuses because there is an older one.
    Refused,
}

impl StoreState {
    /// The word of the machine formats.
    pub fn as_str(self) -> &'static str {
        match self {
            StoreState::Ready => "ready",
            StoreState::Syncing => "syncing",
            StoreState::Refused => "refused",
        }
    }
}

/// Something to be done with a store; keys and values are of broker-json-v1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoreRequest {
    /// The store's name.
    pub store: String,
    /// What to do.
    #[serde(flatten)]
    pub ask: StoreAsk,
}

/// What can be asked of a store through a node's socket. Answered with a value of broker-json-v1: the value, a boolean, a set
/// of keys, a count; nothing (`none`) for changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum StoreAsk {
    /// The value under a key; 404 when there is none.
    Get {
        /// The key.
        key: Value,
    },
    /// All keys.
    Keys,
    /// How many keys there are.
    Size,
    /// Writes a value.
    Put {
        /// The key.
        key: Value,
        /// The value.
        value: Value,
        /// After how many seconds the key vanishes.
        #[serde(default)]
        expiry_s: Option<f64>,
    },
    /// Removes a key; answered by whether it was there.
    Erase {
        /// The key.
        key: Value,
    },
    /// Removes all keys.
    Clear,
}

/// A change of a store's content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoreChange {
    /// When the node heard of it, seconds since the epoch.
    pub ts: f64,
    /// `put`, `erase`, `expire`, `clear`; `missed` when changes came faster than they were read.
    pub change: String,
    /// The key, of broker-json-v1.
    #[serde(default)]
    pub key: Option<Value>,
    /// The new value, of broker-json-v1.
    #[serde(default)]
    pub value: Option<Value>,
    /// When the key will vanish, seconds since the epoch.
    #[serde(default)]
    pub expiry: Option<f64>,
    /// How many changes were missed.
    #[serde(default)]
    pub missed: Option<u64>,
}
