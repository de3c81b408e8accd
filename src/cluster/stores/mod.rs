//! Data stores: one master that holds the data, any number of clones that hold a copy, over the framework's own pub/sub.
//!
//! [`Master`] and [`Replica`] are plain state and functions: a message or a request and the time go in, effects come out.
//! Only a [`Backend`] touches something outside, a SQLite file. `node` drives both and owns the thread.
//!
//! **Compatibility**: operations and their refusals are Broker's (`cluster.md` 3.4), SQLite files are Broker's (3.6), names
//! are the reference's. The messages between master and clones are our own ([`message`]): Broker's do not survive the restart
//! of a master (`broker.md` 6.5).
//!
//! **Promises**: an acknowledged write is in the backend, whatever is killed afterwards. A write is applied once, however
//! often it was sent. A clone that missed something notices by a number that is missing, asks, and ends equal to its master.
//! Of two masters under one name the younger refuses.

mod backend;
mod error;
mod info;
#[cfg(any(test, fuzzing))]
pub mod invariants;
mod master;
mod memory;
pub mod message;
mod operation;
mod query;
mod replica;
mod schema;
mod sqlite;
mod store;
mod topics;

#[cfg(test)]
mod tests;

pub use backend::{Backend, BackendError, Entries, Entry, Scan, Writer};
pub use error::{CreateError, Refusal, StoreError};
pub use info::{BackendOptions, CloneIntervals, Definitions, Persistence, StoreInfo};
pub use master::Master;
pub use memory::Memory;
pub use message::{Message, Update};
pub use operation::{Answer, Kind, Operation};
pub use query::Query;
pub use replica::Replica;
pub use sqlite::Sqlite;
pub use store::{Asked, Mailbox, Store, StoreEvent, StoreStatus, Watch};
pub use topics::{To, topic};

pub use crate::api::store::{BackendType, FailureMode, JournalMode, SqliteOptions, StoreState, Synchronous};

use super::event::Report;

/// Something that happened to a store.
#[derive(Debug)]
pub enum Input {
    /// Somebody published a message of this store.
    Message {
        /// The sender's node id.
        from: Vec<u8>,
        /// What it says.
        message: Message,
    },
    /// Somebody in this process wants something changed.
    Operation {
        /// Whom to answer.
        ticket: u64,
        /// What to change.
        operation: Operation,
    },
}

/// What is to be done, in this order.
#[derive(Debug, PartialEq)]
pub enum Effect {
    /// Publish a message.
    Publish(To, Message),
    /// Answer an operation.
    Answer(u64, Result<Answer, StoreError>),
    /// Tell whoever watches: the store's content changed.
    Changed(Update),
    /// Tell the operator.
    Report(Report),
}
