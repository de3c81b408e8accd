#![doc = include_str!("../ARCHITECTURE.md")]
// floors 1 and 2: pure
pub mod api;
pub mod data;
pub mod layout;
pub mod render;
pub mod wire;

// what both wings ask of the machine
pub mod processes;
pub mod socket;
pub mod trust;

// the cluster's wing
pub mod cluster;
pub mod logs;
pub mod node;
pub mod telemetry;
pub mod transport;
pub mod troubles;
pub mod websocket;

// the control's wing
pub mod agent;
pub mod cli;
pub mod deploy;
pub mod descriptors;
pub mod faults;
pub mod fleet;
pub mod journal;
pub mod kernel_log;
pub mod query;

// for the tests of TLS
#[cfg(test)]
#[path = "../tests/support/certificates.rs"]
mod certificates;

// the door for programs that want to be a node
pub use cluster::hrw::{Key, KeyType};
pub use cluster::pools::{Pool, PoolId, PoolNode, PoolSpec};
pub use cluster::stores::{Persistence, Store, StoreInfo};
pub use cluster::{ClusterEvent, Ended, LogRecord, NamedNode, Node, Topics, Verdict};
pub use data::{Data, Event, NodeType};
pub use layout::Layout;
pub use node::{
    Cluster, ClusterBuilder, ClusterError, Events, Keys, LayoutError, LogBatches, Logs, ReceivedBatch, parse_layout,
    read_layout,
};
pub use websocket::{WebSocketServerOptions, WebSocketTLSOptions};

// for tests that need what a machine may not have
#[cfg(test)]
#[path = "../tests/support/lacking.rs"]
mod lacking;

// for the simulations
#[cfg(test)]
#[path = "../tests/support/simulation.rs"]
mod simulation;

// for the tests that start `tests/peer/zeek_peer.py`
#[cfg(test)]
#[path = "../tests/support/python.rs"]
mod python;
