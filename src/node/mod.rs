//! One node process: reads its configuration, wires transport, core and logs together, serves its API socket, ends in order.
//!
//! Locking: `run/NAME/node.sock` belongs to the one process of that node; a second one refuses to start.
//! Performance: one task thread, the transport's thread, and on a logger the writers' threads; nothing polls.
//! Failure: a part that dies takes the whole process down, and the reason is its last line on standard error.

mod api;
mod child;
mod config;
mod core_task;
pub mod environment;
mod error;
mod heart;
mod identity;
mod leftovers;
mod live;
mod log_sink;
mod member;
mod memory;
mod metrics;
mod observe;
mod options;
mod program;
mod reports;
mod roles;
mod run;
mod services;
mod shutdown;
mod store_api;
mod store_task;
mod stores;
mod view;
mod wiring;
mod zeek;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use error::NodeError;
pub use leftovers::archive_leftovers;
pub use member::{
    BatchFormat, Cluster, ClusterBuilder, ClusterError, Events, LayoutError, LogBatches, Logs, ReceivedBatch,
    parse_layout, read_layout,
};
pub use observe::{
    EventSerializer, Keys, ObserveOptions, ObservedEvent, Observer, SeenNode, value_from_json, value_to_json,
};
pub use run::{NodeOptions, run};
pub use stores::{Member, Stores};
pub use zeek::{ArchiveRequest, ZeekError, archive_log, check};
