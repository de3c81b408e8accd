//! Everything that can happen to a node, and everything that it may want done about it.

use std::time::Duration;

use bytes::Bytes;

use super::hooks::LogRecord;
use super::pools::Pools;
use super::types::EndpointInfo;
use crate::api::config::NodeEntry;
use crate::data::Event;
use crate::transport::{EventFrame, Inbound};

/// The moment at which something happens. Decisions use the first clock, records for people the second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Now {
    /// Monotonic: time since the node began.
    pub elapsed: Duration,
    /// Seconds since the epoch.
    pub wall: f64,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The node begins: subscriptions go out.
    Start,
    /// The transport brought something.
    Inbound(Inbound),
    /// [`Core::next_deadline`](super::Core::next_deadline) has passed.
    Timer,
    /// A library user, the node's own API or another room wants something.
    Command(Command),
    /// The layout changed: the whole new table.
    Layout(Vec<NodeEntry>),
    /// The specs of the predefined pools changed: their limits are taken, their topics are not.
    PoolSpecs(Box<Pools>),
    /// The node is about to end; nothing new is begun from here on.
    Shutdown,
}

/// What a user of the framework asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// `Cluster::subscribe`: counted, so that repeated calls reach the hub once.
    Subscribe(String),
    /// `Cluster::unsubscribe`.
    Unsubscribe(String),
    /// `Cluster::publish` of an event on a topic.
    Publish {
        /// Any octets.
        topic: Vec<u8>,
        /// The event.
        event: Event,
    },
    /// A publication under the id of another endpoint of this process.
    PublishAs {
        /// The endpoint's id.
        sender: Bytes,
        /// Any octets.
        topic: Vec<u8>,
        /// The event.
        event: Event,
    },
    /// `Cluster::log`.
    Log(String),
}

/// Something to be done by whoever drives the core, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Hand a subscription to the transport; must not be lost.
    Subscribe(String),
    /// Hand an unsubscription to the transport; must not be lost.
    Unsubscribe(String),
    /// Hand an event to the transport; may be lost, the core repeats what matters.
    Publish(EventFrame),
    /// Write a record of `Cluster::LOG`.
    Log(LogRecord),
    /// Tell whoever listens in this process.
    Raise(ClusterEvent),
    /// Tell the operator: what Zeek's reporter would say.
    Report(Report),
}

/// An event of the cluster, for the program that the node lives in.
#[derive(Clone, Debug, PartialEq)]
pub enum ClusterEvent {
    /// `Cluster::hello`, from a node of the layout; also when it is repeated.
    Hello {
        /// The peer's name.
        name: String,
        /// Its id.
        id: String,
    },
    /// `Cluster::node_up`.
    NodeUp {
        /// The peer's name.
        name: String,
        /// Its id.
        id: String,
    },
    /// `Cluster::node_down`.
    NodeDown {
        /// The peer's name.
        name: String,
        /// The id that it was up under.
        id: String,
    },
    /// Any other event of somebody else.
    Remote {
        /// The topic that it was published on.
        topic: Vec<u8>,
        /// What the sender calls itself; not authenticated.
        sender: Vec<u8>,
        /// The event.
        event: Event,
    },
    /// `Cluster::websocket_client_added`: a client of one of this node's WebSocket servers has its subscriptions.
    WebsocketClientAdded {
        /// Who.
        endpoint: EndpointInfo,
        /// To what, sorted and each once.
        subscriptions: Vec<String>,
    },
    /// `Cluster::websocket_client_lost`: a client that was added has gone.
    WebsocketClientLost {
        /// Who.
        endpoint: EndpointInfo,
        /// The close code that it sent or was sent; 1006 when the connection just ended.
        code: u16,
        /// Beside the code; may be empty.
        reason: String,
    },
}

/// A sentence for the operator, in Zeek's words where Zeek has them (`cluster.md`, appendix A).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How bad it is.
    pub severity: Severity,
    /// The sentence.
    pub text: String,
}

/// Zeek's reporter levels that a running node uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Degraded.
    Warning,
    /// Something was refused or lost.
    Error,
}
