//! A node's own sockets, with the options of `zeromq.md` 1.4.

use std::time::Duration;

use super::curve::{self, Zap};
use super::options::{Options, StartError};
use super::socket::{Context, ContextOptions, Errno, Kind, Opt, Socket, millis};

/// Longest pause between two attempts to connect; Zeek's stays at its default of 100 to 200 ms, but every attempt that is
/// refused during the handshake costs the other side work.
const RECONNECT_MAX_MS: i32 = 1000;

/// The largest part that a node's XPUB and PUSH take: subscriptions and ZMTP's commands. Our own hub passes topics of up to
/// 1,024 octets on, a real Zeek's any; one that is longer than this costs the connection to the hub, and a shorter one is
/// within the stack of [`STACK`](super::STACK).
const MAX_INTEREST: usize = 64 << 10;

/// The most batches that libzmq keeps for one sender, whatever `log_rcvhwm` says. The mark is set once, before the socket is
/// bound: libzmq 4.3.5 acknowledges what was read at multiples of half the mark only, so a connection whose mark is lowered
/// while more than that is unacknowledged stands still for ever (`src/pipe.cpp`, `read` and `check_hwm`), and telling the
/// pipes of closing connections of a new mark uses them after they are freed.
pub(super) const LOG_RCVHWM_MAX: i32 = 16;
/// With CURVE libzmq counts a client's credentials as a message that is written and never read, so a mark of 1 stops the
/// connection before its first batch.
const LOG_RCVHWM_MIN: i32 = 2;

/// A socket with its monitor.
pub(super) struct Watched {
    pub(super) socket: Socket,
    pub(super) monitor: Socket,
}

/// Everything that one node owns. Field order is closing order.
pub(super) struct NodeSockets {
    pub(super) xpub: Watched,
    pub(super) xsub: Watched,
    pub(super) pull: Option<Watched>,
    pub(super) push: Watched,
    pub(super) zap: Option<Zap>,
    /// Where PULL listens, with the port that the system chose.
    pub(super) log_endpoint: Option<String>,
}

impl NodeSockets {
    /// Connects XSUB, then XPUB, binds PULL, connects PUSH, in Zeek's order (`zeromq.md` 1.1).
    pub(super) fn open(options: &Options) -> Result<NodeSockets, StartError> {
        if let Some(keys) = &options.keys {
            curve::validate(keys)?;
        }
        let context = Context::new(ContextOptions { io_threads: 1, ipv6: options.ipv6 })
            .map_err(|errno| StartError::System { what: "making the node's context", cause: errno.to_string() })?;
        let zap = match (&options.keys, &options.listen_log_endpoint) {
            (Some(keys), Some(_)) => Some(Zap::bind(&context, Some(keys))?),
            _ => None,
        };
        let xsub = xsub(&context, options)?;
        let xpub = xpub(&context, options)?;
        let (pull, log_endpoint) = match &options.listen_log_endpoint {
            None => (None, None),
            Some(endpoint) => {
                let pull = pull(&context, endpoint, options)?;
                let bound = pull.socket.last_endpoint().map_err(watching)?;
                (Some(pull), Some(bound))
            }
        };
        let push = push(&context, options)?;
        Ok(NodeSockets { xpub, xsub, pull, push, zap, log_endpoint })
    }

    /// `linger_ms`, which counts when the sockets close.
    pub(super) fn set_linger(&self, linger: Duration) -> Result<(), Errno> {
        self.xpub.socket.set(Opt::Linger, millis(linger))?;
        self.push.socket.set(Opt::Linger, millis(linger))
    }
}

fn xsub(context: &Context, options: &Options) -> Result<Watched, StartError> {
    let set = |socket: &Socket| {
        socket.set(Opt::Rcvhwm, options.xsub_rcvhwm)?;
        socket.set(Opt::Rcvbuf, options.xsub_rcvbuf)?;
        // Zeek keeps 1000 and loses subscriptions beyond that (`zeromq.md` 3.7).
        socket.set(Opt::Sndhwm, 0)?;
        hub_connection(socket, options)
    };
    connect(context, Kind::Xsub, std::slice::from_ref(&options.connect_xsub_endpoint), set)
}

fn xpub(context: &Context, options: &Options) -> Result<Watched, StartError> {
    let set = |socket: &Socket| {
        socket.set(Opt::Linger, millis(options.linger))?;
        socket.set(Opt::XpubNodrop, options.connect_xpub_nodrop.into())?;
        socket.set(Opt::XpubVerbose, 1)?;
        socket.set(Opt::Sndhwm, options.xpub_sndhwm)?;
        socket.set(Opt::Sndbuf, options.xpub_sndbuf)?;
        socket.set_max_part(MAX_INTEREST)?;
        hub_connection(socket, options)
    };
    connect(context, Kind::Xpub, std::slice::from_ref(&options.connect_xpub_endpoint), set)
}

fn push(context: &Context, options: &Options) -> Result<Watched, StartError> {
    let set = |socket: &Socket| {
        socket.set(Opt::Linger, millis(options.linger))?;
        socket.set(Opt::Sndhwm, options.log_sndhwm)?;
        socket.set(Opt::Sndbuf, options.log_sndbuf)?;
        socket.set(Opt::Immediate, options.log_immediate.into())?;
        socket.set_max_part(MAX_INTEREST)?;
        client(socket, options)
    };
    connect(context, Kind::Push, &options.connect_log_endpoints, set)
}

fn pull(context: &Context, endpoint: &str, options: &Options) -> Result<Watched, StartError> {
    let secret = match &options.keys {
        None => None,
        Some(keys) => match &keys.server_secret {
            Some(secret) => Some(secret),
            None => return Err(StartError::NoServerKey { endpoint: endpoint.to_owned() }),
        },
    };
    let bind = || {
        let socket = context.socket(Kind::Pull)?;
        socket.set(Opt::Rcvhwm, log_rcvhwm(options.log_rcvhwm))?;
        socket.set(Opt::Rcvbuf, options.log_rcvbuf)?;
        socket.set_keepalive()?;
        if let Some(secret) = secret {
            curve::server(&socket, secret)?;
        }
        let monitor = socket.monitor(context, "pull")?;
        socket.bind(endpoint)?;
        Ok(Watched { socket, monitor })
    };
    bind().map_err(|errno: Errno| StartError::Bind {
        socket: "PULL",
        endpoint: endpoint.to_owned(),
        cause: errno.to_string(),
    })
}

/// The mark of the PULL socket; 0, Zeek's "no limit", is none of ours.
fn log_rcvhwm(configured: i32) -> i32 {
    match configured {
        0 => LOG_RCVHWM_MAX,
        configured => configured.clamp(LOG_RCVHWM_MIN, LOG_RCVHWM_MAX),
    }
}

/// Options of the connections to the hub. No heartbeats on log connections: a logger that pushes back does not read PINGs
/// either, and would be cut off with batches in flight.
fn hub_connection(socket: &Socket, options: &Options) -> Result<(), Errno> {
    if !options.heartbeat_interval.is_zero() {
        socket.set_heartbeat(options.heartbeat_interval, options.heartbeat_timeout)?;
    }
    client(socket, options)
}

fn client(socket: &Socket, options: &Options) -> Result<(), Errno> {
    socket.set(Opt::ReconnectIvl, 100)?;
    socket.set(Opt::ReconnectIvlMax, RECONNECT_MAX_MS)?;
    socket.set_keepalive()?;
    match &options.keys {
        Some(keys) => curve::client(socket, keys),
        None => Ok(()),
    }
}

fn connect(
    context: &Context,
    kind: Kind,
    endpoints: &[String],
    set: impl FnOnce(&Socket) -> Result<(), Errno>,
) -> Result<Watched, StartError> {
    let open = || {
        let socket = context.socket(kind)?;
        set(&socket)?;
        let monitor = socket.monitor(context, &kind.name().to_lowercase())?;
        Ok(Watched { socket, monitor })
    };
    let watched = open().map_err(watching)?;
    for endpoint in endpoints {
        watched.socket.connect(endpoint).map_err(|errno| StartError::Connect {
            socket: kind.name(),
            endpoint: endpoint.clone(),
            cause: errno.to_string(),
        })?;
    }
    Ok(watched)
}

fn watching(errno: Errno) -> StartError {
    StartError::System { what: "setting up the node's sockets", cause: errno.to_string() }
}
