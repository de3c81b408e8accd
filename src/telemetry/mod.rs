//! What a node counts, for Prometheus and for `zeek-cluster metrics`: the families of each subsystem, the two text formats,
//! and the server of the node's `metrics_port`.
//!
//! The figures themselves live where things happen; here are their names. Names, labels and help are Zeek's where Zeek has
//! them (`cluster.md` 5). A [`Registry`] is made by whoever wires a node and handed down; none is global.
//!
//! Locking: none of its own. Performance: a scrape reads counters and one copy of the core's figures. Failure: a scraper
//! that is slow, silent or hostile costs itself, see [`Server`].

mod cluster;
mod exposition;
mod logs;
mod node;
mod process;
mod registry;
mod serve;
mod services;
mod stores;
mod websocket;
mod zeromq;

pub use cluster::core_events;
pub use exposition::{Format, write};
pub use logs::{files, logger};
pub use node::{node, restarts};
pub use process::process;
pub use registry::{Families, Registry};
pub use serve::{ServeError, Server, Source};
pub use services::services;
pub use stores::stores;
pub use websocket::websocket;
pub use zeromq::hub;
