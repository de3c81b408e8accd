//! Why a node cannot start, or had to end. The message is the node's last line on standard error.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::zeek::ZeekError;
use crate::api::config::NodeConfig;
use crate::cluster::stores::CreateError;
use crate::telemetry::ServeError;
use crate::transport::zeromq::StartError;
use crate::websocket::ListenError;

/// Why [`run`](super::run) ended without having been asked to.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The file the node is started with cannot be read.
    #[error("cannot read {}: {source}; was this node part of the release that was activated last?", path.display())]
    Config {
        /// `current/nodes/NAME.yaml`.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file the node is started with is not what this version understands.
    #[error("{} is not a node configuration of this version: {reason}; deploy again", path.display())]
    ConfigSyntax {
        /// `current/nodes/NAME.yaml`.
        path: PathBuf,
        /// What is wrong, with line and column.
        reason: String,
    },
    /// The node's name is not a key of `Cluster::nodes`.
    #[error("'{name}' is not a valid node in the Cluster::nodes configuration")]
    NotInLayout {
        /// `Cluster::node`.
        name: String,
    },
    /// An option has a value that the node cannot obey.
    #[error("option {option}: {reason}")]
    Option {
        /// Full name, such as `Cluster::Backend::ZeroMQ::linger_ms`.
        option: String,
        /// What was expected.
        reason: String,
    },
    /// A pool that the layout cannot fill.
    #[error("{reason}; correct `options:` of the layout")]
    Pool {
        /// In Zeek's words.
        reason: String,
    },
    /// A CURVE key file is missing or unreadable.
    #[error("cannot read the key {}: {source}; `zeek-cluster deploy` writes it with mode 0600", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The sockets of the cluster could not be set up.
    #[error("cannot join the cluster: {reason}")]
    Transport {
        /// Endpoint, what the system said, and what to do about it.
        reason: String,
    },
    /// Metrics cannot be served.
    #[error("{reason}")]
    Metrics {
        /// Zeek's words, and what to do about it.
        reason: String,
    },
    /// The log writer could not start.
    #[error("cannot write logs into {}: {source}", path.display())]
    Logger {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An option of the log writer has a value that it cannot obey.
    #[error("{reason}")]
    LogOption {
        /// Which option, and what was expected.
        reason: String,
    },
    /// The layout's WebSocket server cannot be served.
    #[error("{0}")]
    WebSocket(#[from] ListenError),
    /// The node's own socket could not be served.
    #[error("cannot serve {}: {source}", path.display())]
    Socket {
        /// `run/NAME/node.sock`.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process serves this node's socket.
    #[error("the node runs already: somebody answers on {}; stop it first", path.display())]
    AlreadyRuns {
        /// `run/NAME/node.sock`.
        path: PathBuf,
    },
    /// A Unix socket's path may have 107 bytes.
    #[error("the path of the socket {} has {length} bytes, but the system allows 107: choose a shorter base_dir or cluster name", path.display())]
    SocketPath {
        /// `run/NAME/node.sock`.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
    },
    /// Something of the operating system that every process needs failed.
    #[error("cannot {what}: {source}")]
    System {
        /// Such as `start the task runtime`.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A store of the configuration cannot be created.
    #[error("{0}; correct `stores:` of the layout, or give the file free, then deploy again")]
    Store(#[from] CreateError),
    /// A real Zeek in the node's place did not start, or ended.
    #[error(transparent)]
    Zeek(#[from] ZeekError),
    /// The way out took too long.
    #[error("shutting down did not end within {} s; what was not written by then is lost", after.as_secs())]
    TooLate {
        /// The deadline.
        after: Duration,
    },
    /// A part of the node ended while it was needed.
    #[error("the node's {task} ended unexpectedly: {reason}")]
    TaskDied {
        /// Such as `cluster core`.
        task: &'static str,
        /// What is known of the reason.
        reason: String,
    },
}

impl NodeError {
    /// Why metrics cannot be served, with what to do about it.
    pub(super) fn metrics(error: &ServeError, config: &NodeConfig) -> NodeError {
        match error {
            ServeError::Address { .. } => {
                NodeError::Option { option: "Telemetry::metrics_address".to_owned(), reason: error.to_string() }
            }
            ServeError::Bind { address, source } => {
                let hint = bind_hint(&address.to_string(), &source.to_string(), config);
                NodeError::Metrics { reason: format!("{error}{hint}") }
            }
        }
    }

    /// The transport's refusal, with what to do about it.
    pub(super) fn transport(error: &StartError, config: &NodeConfig) -> NodeError {
        let hint = match error {
            StartError::Bind { endpoint, cause, .. } => bind_hint(endpoint, cause, config),
            StartError::Key { .. } | StartError::NoServerKey { .. } => {
                "; deploy again to renew the key files".to_owned()
            }
            StartError::Connect { .. } | StartError::System { .. } => String::new(),
        };
        NodeError::Transport { reason: format!("{error}{hint}") }
    }
}

/// Why a port cannot be bound, and how to find out who has it.
fn bind_hint(endpoint: &str, cause: &str, config: &NodeConfig) -> String {
    let port = endpoint.rsplit(':').next().unwrap_or_default();
    let cause = cause.to_lowercase();
    if cause.contains("in use") {
        format!(
            "; port {port} is taken: `ss -tanp 'sport = :{port}'` shows by whom; end that, or choose another port in the layout"
        )
    } else if cause.contains("cannot assign") || cause.contains("no such device") {
        format!("; that is no address of this machine: correct the address of host {} in the layout", config.host)
    } else if cause.contains("permission") {
        format!("; ports below 1024 are reserved: choose another port than {port} in the layout")
    } else {
        String::new()
    }
}
