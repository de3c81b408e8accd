//! Zeek's WebSocket API, `Cluster::listen_websocket`: programs that are no nodes subscribe and publish through a node.
//!
//! Compatibility: Zeek 8.2.2 (`websocket.md`): messages, acknowledgement, errors, pings, close codes and lines of
//! `cluster.log` are its own. Different on purpose: a wrong path is refused with 404 before the upgrade; subscriptions
//! that cannot be read end the connection with 1008; TLS files are checked when listening starts; a client that does not
//! read, or is silent in its TLS handshake, holds up nobody but itself. This node has no script declarations of events,
//! so an event of any name and arguments passes.
//!
//! **Bounds**: [`MAX_CLIENTS`] per server; a message has at most [`MAX_MESSAGE`] octets (else 1009); each client has a
//! queue of its own, and what it does not take in time is dropped and counted; a handshake has [`HANDSHAKE_WITHIN`].
//! Performance: an event is put into JSON once for all clients; a client's frames are written in batches.

mod application;
mod close;
mod counters;
mod dispatch;
mod encoder;
mod error;
mod frame;
mod inbound;
#[cfg(any(test, fuzzing))]
pub mod invariants;
mod messages;
mod options;
mod outbound;
mod quota;
mod server;
mod servers;
mod session;
mod tls;
mod upgrade;

#[cfg(test)]
mod tests;

pub use close::Close;
pub use counters::{AppFigures, ServerFigures, WebSocketFigures};
pub use error::ListenError;
pub use frame::MAX_MESSAGE;
pub use options::{WebSocketServerOptions, WebSocketTLSOptions};
pub use server::{HANDSHAKE_WITHIN, MAX_CLIENTS};
pub use servers::WebSocketServers;
