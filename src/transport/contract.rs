//! The trait that the cluster core talks to, and the shapes that cross it.

use bytes::Bytes;

/// The longest topic that is subscribed to, in octets. libzmq keeps topics in a trie with a node for each octet, and walks
/// it by recursion.
pub const MAX_TOPIC: usize = 1024;

/// The largest part of a message, in octets: an encoded event or a log batch.
pub const MAX_PART: usize = 32 << 20;

/// What comes in from the cluster, in the order in which the transport saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inbound {
    /// Somebody subscribed to a topic prefix; the own subscriptions are reported too (the echo).
    Subscription(Vec<u8>),
    /// Nobody is subscribed to that topic prefix any more.
    Unsubscription(Vec<u8>),
    /// An event of somebody else; the own ones are dropped before they get here.
    Event(EventFrame),
    /// A log batch; only where the node receives logs.
    Log(LogFrame),
    /// Something happened to a connection.
    Link(LinkEvent),
}

/// One published event, as on the wire (`zeromq.md` 2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFrame {
    /// Topic, arbitrary octets.
    pub topic: Bytes,
    /// The sender's node id; not authenticated.
    pub sender: Bytes,
    /// Name of the serialiser, such as `broker-bin-v1`.
    pub format: Bytes,
    /// The serialised event.
    pub payload: Bytes,
}

/// One log batch, as on the wire (`zeromq.md` 2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFrame {
    /// The sender's node id; not authenticated.
    pub sender: Bytes,
    /// Name of the serialiser, `zeek-bin-serializer`.
    pub format: Bytes,
    /// The serialised batch.
    pub payload: Bytes,
}

/// The state of the node's connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// The hub is connected (both directions).
    Up,
    /// The connection to the hub was lost; the transport reconnects by itself and replays the subscriptions.
    Down,
    /// A peer refused us, or we it; in words: which endpoint and what is wrong (`zeromq.md` 5.3).
    Refused {
        /// Such as `tcp://192.0.2.10:27760`.
        endpoint: String,
        /// What is wrong, for the operator.
        reason: String,
    },
    /// The system cannot accept connections for a listening socket: no descriptor, no memory. Told again every ten seconds while
    /// that lasts.
    Unaccepted {
        /// Such as `tcp://192.0.2.10:27760`.
        endpoint: String,
        /// The cause and its remedy, for the operator.
        reason: String,
    },
    /// The hub that runs here withholds events from a subscriber that does not read, so that the others go on
    /// (`zeromq.md` 8.4).
    SlowSubscriber {
        /// Its node id where its subscriptions tell it, else its address; several when it cannot be told which.
        subscriber: String,
        /// Topic of the first event that was withheld.
        topic: String,
    },
}

/// Why a frame was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The bounded queue to the sockets is full; the frame was dropped and counted.
    #[error("the queue to the sockets is full")]
    Full,
    /// The transport has been closed.
    #[error("the transport is closed")]
    Closed,
    /// A topic of more than [`MAX_TOPIC`] octets or a payload of more than [`MAX_PART`], which peers would refuse; counted.
    #[error("a topic of more than {MAX_TOPIC} octets, or a message of more than {MAX_PART}, is not carried")]
    TooLarge,
}

/// Figures of a transport since its start; all only rise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Events handed to the sockets.
    pub events_sent: u64,
    /// Events received, without the own ones.
    pub events_received: u64,
    /// Events dropped because the XPUB socket was at its high-water mark.
    pub xpub_drops: u64,
    /// Events dropped because the queue to the core was full.
    pub onloop_drops: u64,
    /// Times that something that must not be dropped had to wait because the queue to the core was full.
    pub onloop_blocks: u64,
    /// Messages with a wrong number of parts.
    pub msg_errors: u64,
    /// Log batches handed to the sockets.
    pub logs_sent: u64,
    /// Log batches received.
    pub logs_received: u64,
    /// Log batches dropped because every logger's queue was full.
    pub log_drops: u64,
    /// Times the connection to the hub was lost.
    pub reconnects: u64,
    /// Events and log batches refused with [`SendError::Full`].
    pub queue_drops: u64,
    /// Subscriptions, events and log batches refused with [`SendError::TooLarge`].
    pub too_large: u64,
    /// Connections to the log port that the system refused: no descriptor, no memory.
    pub accept_failures: u64,
}

/// A member's connection to its cluster. What comes in arrives on the [`Inbox`] that was made with it.
///
/// All calls return at once. Subscriptions, unsubscriptions and events keep their order.
pub trait Transport: Send + Sync + 'static {
    /// Subscribes to a topic prefix. Must be called at most once per topic while it is subscribed: the hub counts
    /// references (`zeromq.md` 3.6).
    ///
    /// # Errors
    /// [`SendError::Full`] when the queue to the sockets has no room, [`SendError::Closed`] after [`Transport::close`].
    fn subscribe(&self, topic: &[u8]) -> Result<(), SendError>;

    /// Takes back a subscription.
    ///
    /// # Errors
    /// As [`Transport::subscribe`].
    fn unsubscribe(&self, topic: &[u8]) -> Result<(), SendError>;

    /// Publishes an event. `Ok` means queued, never delivered.
    ///
    /// # Errors
    /// As [`Transport::subscribe`]; the event is then lost, and counted in [`Counters::queue_drops`] when the queue was
    /// full.
    fn publish(&self, frame: EventFrame) -> Result<(), SendError>;

    /// Sends a batch to one of the loggers.
    ///
    /// # Errors
    /// As [`Transport::publish`].
    fn push_log(&self, frame: LogFrame) -> Result<(), SendError>;

    /// Figures so far.
    fn counters(&self) -> Counters;

    /// Sends what is queued (within the linger time of the transport), then closes; blocks until done. A hub that runs
    /// here stays open a little longer, so that the others are told.
    fn close(&self);
}

/// Receives what comes in; bounded. Subscriptions, logs and link events wait for room, events are dropped and counted.
pub type Inbox = tokio::sync::mpsc::Receiver<Inbound>;
