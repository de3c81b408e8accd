//! What the node's type changes in its process (`cluster.md` 1.2, `zeromq.md` 1.1).

use crate::api::config::NodeConfig;
use crate::data::NodeType;

/// The parts that a node runs beside the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Role {
    /// The XPUB/XSUB forwarder runs here: on the manager, unless the layout says otherwise.
    pub(super) hub: bool,
    /// Log batches of the others are received and written here: on loggers, and on a manager that is the logger.
    pub(super) writes_logs: bool,
}

/// The role that the configuration asks for.
pub(super) fn of(config: &NodeConfig) -> Role {
    let is_logger = match config.node_type {
        NodeType::Logger => true,
        NodeType::Manager => config.manager_is_logger,
        NodeType::Proxy | NodeType::Worker | NodeType::Control | NodeType::None => false,
    };
    Role { hub: config.zeromq.run_proxy_thread, writes_logs: is_logger || config.zeromq.listen_log_endpoint.is_some() }
}
