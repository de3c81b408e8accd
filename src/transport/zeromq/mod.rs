//! The transport over libzmq, as Zeek 8.2's ZeroMQ backend speaks it (`zeromq.md`).
//!
//! Two threads of our own: `zmq-io` owns a node's XPUB, XSUB, PUSH and PULL sockets, `zmq-hub` the forwarder's two, on the
//! node that runs it. Nobody else touches a socket.
//!
//! Locking: callers and threads share two bounded queues, commands in ([`SendError::Full`](super::SendError::Full) when
//! full) and the [`Inbox`](super::Inbox) out; no lock is held while a socket is used.
//! Memory: log batches count by their octets ([`Options::log_queue_bytes`]) until whoever took them from the inbox drops
//! them; while they use that up, PULL is not read, and libzmq keeps at most 16 batches of each sender. Events count by their
//! number.
//! Compatibility: frames, options and order are Zeek 8.2.2's, except where `Options` says otherwise.
//! Performance: parts of 8 KiB and more are handed through without a copy; one wake-up moves everything that is queued.
//! Failure: connections come back by themselves, also where libzmq gives up on them; what was refused, and why, arrives as
//! [`LinkEvent::Refused`](super::LinkEvent::Refused), at most once a minute for one cause.

mod alarm;
mod budget;
mod counters;
mod curve;
mod ffi;
mod hub;
mod monitor;
mod options;
mod queue;
mod run;
mod socket;
mod sockets;
mod subscribers;
mod transport;

/// Stack of our threads that use sockets: libzmq walks its tries of topics by recursion, some 80 octets for each octet of a
/// topic.
const STACK: usize = 16 << 20;

#[cfg(test)]
mod tests;

pub use hub::{Hub, HubCounters};
pub use options::{HubOptions, Keys, Options, StartError, Tuning};
pub use transport::{ZeromqTransport, start};
