//! Moves frames: the trait that the cluster core talks to, and its implementations. Knows sockets, addresses and keys;
//! never what a message means.

#[cfg(test)]
mod conformance;
mod contract;
mod frame;
pub mod memory;
pub mod zeromq;

pub use contract::{
    Counters, EventFrame, Inbound, Inbox, LinkEvent, LogFrame, MAX_PART, MAX_TOPIC, SendError, Transport,
};
