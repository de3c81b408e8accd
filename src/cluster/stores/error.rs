//! Why a store does not do what it was asked for.

use std::path::PathBuf;
use std::time::Duration;

/// What an operation or a query was refused for: nothing was changed. Broker's `no_such_key` and `type_clash`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such key, or no such index in its value.
    #[error("no such key")]
    NoSuchKey,
    /// The value under the key cannot take part in the operation.
    #[error("type clash: {reason}")]
    TypeClash {
        /// Which types do not go together.
        reason: String,
    },
    /// The result does not fit its type. (Broker wraps around.)
    #[error("the result is out of range")]
    OutOfRange,
}

/// Why a store gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The operation does not go with what the store holds.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A clone that has no data yet, or too old ones (`clone_stale_interval`).
    #[error("the clone of store '{store}' on {node} is stale: {}", stale_since(*since))]
    Stale {
        /// The store.
        store: String,
        /// The clone's node.
        node: String,
        /// For how long it had no master; none when it never had one.
        since: Option<Duration>,
    },
    /// A clone found no master within `clone_mutation_buffer_interval`. The write may have reached it nevertheless.
    #[error("no master of store '{store}' acknowledged the write within {:.1} s; it may or may not have been applied", after.as_secs_f64())]
    NoMaster {
        /// The store.
        store: String,
        /// How long it was tried.
        after: Duration,
    },
    /// Another node is the master already, and this one refuses to be a second one.
    #[error("{other} is the master of store '{store}' already; {node} refuses to be a second one")]
    SecondMaster {
        /// The store.
        store: String,
        /// The refusing node.
        node: String,
        /// The master.
        other: String,
    },
    /// The backend failed; nothing of what was asked was kept.
    #[error("store '{store}' cannot be written or read: {reason}")]
    Backend {
        /// The store.
        store: String,
        /// What SQLite or the system said.
        reason: String,
    },
    /// Key and value together are larger than a message may be.
    #[error("key and value have {size} bytes; a store takes at most {limit}")]
    TooLarge {
        /// Their size, encoded.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The store was closed, or its node has ended.
    #[error("store '{store}' is closed")]
    Closed {
        /// The store.
        store: String,
    },
}

fn stale_since(since: Option<Duration>) -> String {
    match since {
        Some(since) => format!("no master for {:.1} s", since.as_secs_f64()),
        None => "it has not found its master yet".to_owned(),
    }
}

/// Why a store cannot be created; the first three are Zeek's fatal errors (`cluster.md` 3.2).
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// Neither `master_node` nor a manager.
    #[error("empty master node name for cluster store '{store}', but there's no manager node to default")]
    NoMasterNode {
        /// The store.
        store: String,
    },
    /// `master_node` is not in the layout.
    #[error("master node '{node}' for cluster store '{store}' does not exist")]
    UnknownMasterNode {
        /// The store.
        store: String,
        /// The node.
        node: String,
    },
    /// A name that no file and no topic can have.
    #[error("'{store}' is no name for a store: 1 to 255 printable characters, no `..`, not beginning with `/`")]
    Name {
        /// The name.
        store: String,
    },
    /// The backend cannot be opened.
    #[error("Could not create Broker master store '{store}' in {}: {reason}", path.display())]
    Open {
        /// The store.
        store: String,
        /// The file.
        path: PathBuf,
        /// What SQLite or the system said.
        reason: String,
    },
    /// The store's thread cannot be started.
    #[error("cannot start store '{store}': {reason}")]
    Start {
        /// The store.
        store: String,
        /// What the system said.
        reason: String,
    },
}
