//! A Rust program as a member of a cluster: [`Cluster`] is Zeek's cluster framework under its own names.
//!
//! A member needs no agent and no socket of its own. It consists of the same parts as `zeek-cluster node run` and runs on the
//! tokio runtime of its caller; a runtime that is kept from working for seconds looks to the others like a hanging node.
//!
//! Locking: none is held while anything waits.
//! Compatibility: on the wire a member cannot be told from `node run`, nor that from Zeek 8.2.
//! Performance: every queue has a bound. Requests wait for room; events and log batches that nobody takes have the policies
//! that [`Events`] and [`Logs`] name, and a counter.
//! Failure: when a part of the member dies its streams end, every call gives [`Ended`](crate::cluster::Ended), and
//! [`Cluster::close`] tells the reason.

mod batches;
mod builder;
mod cluster;
mod error;
mod events;
mod layout;

#[cfg(test)]
mod tests;

pub use batches::{BatchFormat, LogBatches, Logs, ReceivedBatch};
pub use builder::ClusterBuilder;
pub use cluster::Cluster;
pub use error::{ClusterError, LayoutError};
pub use events::Events;
pub use layout::{parse_layout, read_layout};
