//! Shapes of what crosses a process border: the two Unix-socket APIs, a node's configuration file, a release's manifest,
//! and the outcome of an operation on one target. Only shapes: whoever asks and whoever answers share no behaviour.

pub mod agent;
pub mod boot;
pub mod config;
pub mod diag;
pub mod events;
pub mod hosts;
pub mod keys;
pub mod limits;
pub mod metrics;
pub mod node;
pub mod notify;
pub mod outcome;
pub mod paths;
pub mod store;
