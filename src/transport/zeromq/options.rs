//! What the transport is started with: the options of module `Cluster::Backend::ZeroMQ` with Zeek's defaults.
//!
//! Source: `zeromq.md` 1.4 and 6.1. Where we differ from Zeek on purpose the field says so.

use std::fmt;
use std::time::Duration;

/// Options of one node's sockets.
#[derive(Clone, Debug)]
pub struct Options {
    /// The node's id, part 1 of everything it sends; messages that carry it are dropped on receipt. No NUL octets.
    pub node_id: String,
    /// `connect_xpub_endpoint`: the hub's XSUB, where this node publishes.
    pub connect_xpub_endpoint: String,
    /// `connect_xsub_endpoint`: the hub's XPUB, where this node subscribes.
    pub connect_xsub_endpoint: String,
    /// `connect_log_endpoints`: the loggers' PULL sockets; empty on a node that receives logs.
    pub connect_log_endpoints: Vec<String>,
    /// `listen_log_endpoint`: where PULL binds, on nodes that receive logs.
    pub listen_log_endpoint: Option<String>,
    /// The forwarder, on the one node that runs it (`run_proxy_thread`).
    pub hub: Option<HubOptions>,
    /// The cluster's CURVE keys; none for plain text.
    pub keys: Option<Keys>,
    /// `ipv6`: whether sockets also speak IPv6 (`ZMQ_IPV6`).
    pub ipv6: bool,
    /// `linger_ms`: how long closing waits for what is queued. Negative is no option here: closing always ends.
    pub linger: Duration,
    /// `xpub_sndhwm`: events that wait for the connection before further ones are dropped; 0 for no limit.
    pub xpub_sndhwm: i32,
    /// `xpub_sndbuf` in octets (`ZMQ_SNDBUF`); -1 for the kernel's choice.
    pub xpub_sndbuf: i32,
    /// `xsub_rcvhwm`: events that wait to be read before TCP holds the hub back; 0 for no limit.
    pub xsub_rcvhwm: i32,
    /// `xsub_rcvbuf` in octets (`ZMQ_RCVBUF`); -1 for the kernel's choice.
    pub xsub_rcvbuf: i32,
    /// `onloop_queue_hwm`: events are dropped while so many things wait in the inbox. 0 means a million, never
    /// "no limit".
    pub onloop_queue_hwm: usize,
    /// `log_immediate`: batches are queued only for loggers that are connected (`ZMQ_IMMEDIATE`).
    pub log_immediate: bool,
    /// `log_sndhwm`, batches per logger.
    pub log_sndhwm: i32,
    /// `log_sndbuf` in octets; -1 for the kernel's choice.
    pub log_sndbuf: i32,
    /// `log_rcvhwm`, batches per sender that wait in libzmq; at most 16 are kept there, and further ones wait at their sender.
    pub log_rcvhwm: i32,
    /// Octets of batches that a logger has read and not yet written. While so many wait, senders do. Zeek knows no such
    /// bound.
    pub log_queue_bytes: usize,
    /// `log_rcvbuf` in octets; -1 for the kernel's choice.
    pub log_rcvbuf: i32,
    /// `connect_xpub_nodrop`: false turns the count of drops off.
    pub connect_xpub_nodrop: bool,
    /// `poll_max_messages`: messages read per socket and round; 0 for no limit.
    pub poll_max_messages: usize,
    /// How often ZMTP PINGs go out on the connections to the hub, which Zeek never sends but answers. With
    /// [`heartbeat_timeout`](Options::heartbeat_timeout) it bounds how long a half-open connection stays unnoticed. Zero
    /// turns them off.
    pub heartbeat_interval: Duration,
    /// How long to wait for anything after a PING.
    pub heartbeat_timeout: Duration,
}

/// What of the options can change while the sockets are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// [`Options::linger`].
    pub linger: Duration,
    /// [`Options::poll_max_messages`].
    pub poll_max_messages: usize,
}

impl Options {
    /// Zeek's defaults, for a node without logger endpoints.
    pub fn new(node_id: impl Into<String>) -> Options {
        Options {
            node_id: node_id.into(),
            connect_xpub_endpoint: "tcp://127.0.0.1:5556".to_owned(),
            connect_xsub_endpoint: "tcp://127.0.0.1:5555".to_owned(),
            connect_log_endpoints: Vec::new(),
            listen_log_endpoint: None,
            hub: None,
            keys: None,
            ipv6: false,
            linger: Duration::from_millis(500),
            xpub_sndhwm: 1000,
            xpub_sndbuf: -1,
            xsub_rcvhwm: 1000,
            xsub_rcvbuf: -1,
            onloop_queue_hwm: 10_000,
            log_immediate: false,
            log_sndhwm: 1000,
            log_sndbuf: -1,
            log_rcvhwm: 1000,
            log_queue_bytes: 8 << 20,
            log_rcvbuf: -1,
            connect_xpub_nodrop: true,
            poll_max_messages: 100,
            heartbeat_interval: Duration::from_secs(5),
            heartbeat_timeout: Duration::from_secs(10),
        }
    }
}

/// Options of the forwarder that all nodes connect to.
#[derive(Clone, Debug)]
pub struct HubOptions {
    /// `listen_xpub_endpoint`: where events go out and subscriptions come in.
    pub listen_xpub_endpoint: String,
    /// `listen_xsub_endpoint`: where events come in.
    pub listen_xsub_endpoint: String,
    /// `proxy_io_threads`: libzmq's I/O threads of the hub (`ZMQ_IO_THREADS`).
    pub io_threads: i32,
    /// `listen_xpub_nodrop`: false drops for a full subscriber at once, and counts nothing.
    pub xpub_nodrop: bool,
    /// How long one event may wait for a full subscriber; Zeek waits without limit (`zeromq.md` 8.4). Then the others get
    /// it, and that subscriber none until it has read 500 of those that wait for it: who reads 500 events within this
    /// time loses nothing.
    pub patience: Duration,
    /// The cluster's CURVE keys; none for plain text.
    pub keys: Option<Keys>,
    /// `ipv6`.
    pub ipv6: bool,
    /// As [`Options::heartbeat_interval`], towards the nodes.
    pub heartbeat_interval: Duration,
    /// As [`Options::heartbeat_timeout`], towards the nodes.
    pub heartbeat_timeout: Duration,
}

impl Default for HubOptions {
    fn default() -> HubOptions {
        HubOptions {
            listen_xpub_endpoint: "tcp://127.0.0.1:5555".to_owned(),
            listen_xsub_endpoint: "tcp://127.0.0.1:5556".to_owned(),
            io_threads: 2,
            xpub_nodrop: true,
            patience: Duration::from_secs(1),
            keys: None,
            ipv6: false,
            heartbeat_interval: Duration::from_secs(5),
            heartbeat_timeout: Duration::from_secs(10),
        }
    }
}

/// The cluster's CURVE keys in Z85, 40 characters each (`zeromq.md` 5.2).
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// `curve_server_publickey`.
    pub server_public: String,
    /// `curve_server_secretkey`; only where the hub runs or logs are received.
    pub server_secret: Option<String>,
    /// `curve_client_publickey`.
    pub client_public: String,
    /// `curve_client_secretkey`.
    pub client_secret: String,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("server_public", &self.server_public)
            .field("client_public", &self.client_public)
            .finish_non_exhaustive()
    }
}

/// Why the transport did not start. Nothing runs then.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listening socket could not be had.
    #[error("binding the {socket} socket to {endpoint}: {cause}")]
    Bind {
        /// Which socket, such as `XPUB`.
        socket: &'static str,
        /// Where to.
        endpoint: String,
        /// libzmq's words.
        cause: String,
    },
    /// An endpoint is malformed; one that cannot be reached is no error.
    #[error("connecting the {socket} socket to {endpoint}: {cause}")]
    Connect {
        /// Which socket, such as `XSUB`.
        socket: &'static str,
        /// Where to.
        endpoint: String,
        /// libzmq's words.
        cause: String,
    },
    /// A key is not 40 characters of Z85.
    #[error("the CURVE {key} is not a Z85 key of 40 characters")]
    Key {
        /// Which one, such as `server public key`.
        key: &'static str,
    },
    /// The node listens, so it needs the server's secret key.
    #[error("the CURVE server secret key is needed to listen at {endpoint}")]
    NoServerKey {
        /// Where it would listen.
        endpoint: String,
    },
    /// The system has no more of something.
    #[error("{what}: {cause}")]
    System {
        /// What was being done.
        what: &'static str,
        /// The system's words.
        cause: String,
    },
}
