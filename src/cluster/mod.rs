//! The cluster framework: identity, topics, membership, hooks. Plain state and functions: an event and the time go in,
//! effects come out. No sockets, no clock, no tasks; `node` drives it.
//!
//! Compatibility: Zeek 8.2.2 (`cluster.md`, `zeromq.md` section 4), with the gaps of section 4 closed without breaking a
//! real Zeek peer: lost hellos are repeated, a node that flapped comes back, a dead peer leaves no ghost.

mod event;
mod handle;
mod hooks;
pub mod hrw;
mod identity;
mod listeners;
mod members;
mod options;
pub mod pools;
mod step;
pub mod stores;
pub mod topics;
mod traffic;
mod types;
mod watcher;

#[cfg(test)]
mod tests;

pub use crate::transport::MAX_TOPIC;
pub use event::{ClusterEvent, Command, Effect, Input, Now, Report, Severity};
pub use handle::{
    Choice, Credit, Ended, Handle, Heard, Listener, ListenerId, Listening, Mailbox, RemoteEvent, Request, Tuner,
    Tuning, Wish,
};
pub use hooks::{Hooks, LogRecord, Verdict};
pub use identity::{Randomness, node_id};
pub use listeners::{Changes, Listeners};
pub use members::{Limits, PeerState};
pub use options::{EventSerializer, Options};
pub use step::{Audience, Core, CoreCounters, Settings};
pub use topics::Topics;
pub use traffic::{Flow, Kept, Sizes, Traffic};
pub use types::{EndpointInfo, NO_PORT, NamedNode, NetworkInfo, Node};
pub use watcher::{SeenNode, Watcher};
