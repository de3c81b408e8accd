//! `nodes/NAME.yaml`: what one node has to know about itself and its cluster.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::RenderError;
use super::zeek;
use crate::api::config::{
    HealthConfig, LoggingConfig, NodeConfig, NodeEntry, ProgramConfig, WebSocketConfig, ZeromqEndpoints,
};
use crate::api::store::StoreConfig;
use crate::data::NodeType;
use crate::layout::{Engine, Layout, Node, Store, WebSocket, nodeset};

/// The configuration of one node of the layout.
///
/// # Errors
/// [`RenderError::Unresolved`] and [`RenderError::NoManager`].
pub fn node_config(layout: &Layout, node: &Node) -> Result<NodeConfig, RenderError> {
    Ok(NodeConfig {
        cluster: layout.name.clone(),
        name: node.name.clone(),
        node_type: node.node_type,
        host: node.host.clone(),
        manager_is_logger: layout.manager_is_logger,
        zeromq: endpoints(layout, node)?,
        curve_dir: layout.encrypted.then(|| PathBuf::from("current/keys")),
        options: layout.options.clone(),
        logging: logging(layout, node),
        websocket: websocket(node),
        stores: stores(layout, node),
        zeek: zeek::zeek_config(layout, node),
        program: program(layout, node),
        nodes: entries(layout)?,
    })
}

/// A real Zeek finds its server in `cluster-layout.zeek`.
fn websocket(node: &Node) -> Option<WebSocketConfig> {
    let websocket = node.websocket.as_ref().filter(|_| node.engine == Engine::Core)?;
    let millis = |interval: Duration| u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
    Some(WebSocketConfig {
        listen_addr: websocket.listen_addr,
        listen_port: websocket.listen_port,
        max_event_queue_size: websocket.max_event_queue_size,
        ping_interval_ms: websocket.ping_interval.map(millis),
        max_backlog_mib: websocket.max_backlog_mib,
        origins: websocket.origins.clone(),
        tls_options: websocket.tls_options.clone(),
    })
}

/// `Cluster::nodes`, in the order of the layout.
pub(crate) fn entries(layout: &Layout) -> Result<Vec<NodeEntry>, RenderError> {
    let entry = |node: &Node| {
        Some(NodeEntry {
            name: node.name.clone(),
            node_type: node.node_type,
            host: node.host.clone(),
            ip: node.ip?,
            zone_id: node.zone_id.clone(),
            port: node.port,
            manager: node.manager.clone(),
            metrics_port: node.metrics_port,
        })
    };
    layout.nodes.iter().map(entry).collect::<Option<_>>().ok_or_else(|| unresolved(layout))
}

fn unresolved(layout: &Layout) -> RenderError {
    let nodes = || layout.nodes.iter().filter(|node| node.ip.is_none());
    let mut addresses: Vec<String> =
        nodes().filter_map(|node| layout.host(&node.host)).map(|host| format!("`{}`", host.address)).collect();
    addresses.dedup();
    RenderError::Unresolved {
        nodes: nodeset::fold(nodes().map(|node| node.name.as_str())),
        addresses: addresses.join(", "),
    }
}

/// A layout's log receivers are the nodes that have a port: loggers, or the manager where there is none.
fn endpoints(layout: &Layout, node: &Node) -> Result<ZeromqEndpoints, RenderError> {
    let manager = layout.manager().ok_or(RenderError::NoManager)?;
    let hub = manager.ip.ok_or_else(|| unresolved(layout))?;
    let (xpub, xsub) = (endpoint(hub, layout.hub.xpub), endpoint(hub, layout.hub.xsub));
    let runs_hub = node.node_type == NodeType::Manager;
    let log_endpoint = |node: &Node| Some(endpoint(node.ip?, layout.log_port(node)?));
    let receives = layout.log_port(node).is_some();
    Ok(ZeromqEndpoints {
        connect_log_endpoints: match receives {
            true => Vec::new(),
            false => layout.nodes.iter().filter_map(log_endpoint).collect(),
        },
        run_proxy_thread: runs_hub,
        listen_xpub_endpoint: runs_hub.then(|| xpub.clone()),
        listen_xsub_endpoint: runs_hub.then(|| xsub.clone()),
        listen_log_endpoint: log_endpoint(node),
        connect_xpub_endpoint: xsub,
        connect_xsub_endpoint: xpub,
        ipv6: layout.nodes.iter().any(|node| node.ip.is_some_and(|ip| ip.is_ipv6())),
    })
}

/// How long a program may take to end, at most; its node has ten seconds for all of its way out.
const PROGRAM_GRACE: Duration = Duration::from_secs(5);

/// The program that runs under the node, if there is one. Half of the node's own time to end is the program's.
fn program(layout: &Layout, node: &Node) -> Option<ProgramConfig> {
    let server = layout.websocket_of(node);
    let grace = (layout.stop_grace / 2).min(PROGRAM_GRACE);
    (!node.command.is_empty()).then(|| ProgramConfig {
        command: node.command.clone(),
        websocket_url: server.map(|(node, websocket)| websocket_url(node, websocket)),
        interface: node.interface.clone(),
        health: node.health.as_ref().map(|health| HealthConfig {
            command: health.command.clone(),
            interval_ms: millis(health.interval),
            timeout_ms: millis(health.timeout),
            restart_after_ms: node.restart_when_silent.map(millis),
        }),
        stop_grace_ms: millis(grace),
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Where a server is found; one that listens on all addresses, at its node's. Source of the path: `websocket.md` 1.
fn websocket_url(node: &Node, websocket: &WebSocket) -> String {
    let any = websocket.listen_addr.is_unspecified();
    let address = node.ip.filter(|_| any).unwrap_or(websocket.listen_addr);
    let is_tls = websocket.tls_options.as_ref().is_some_and(|tls| tls.cert_file.is_some());
    let scheme = if is_tls { "wss" } else { "ws" };
    format!("{scheme}://{}/v1/messages/json", SocketAddr::new(address, websocket.listen_port))
}

/// `tcp://ADDRESS:PORT`, IPv6 in brackets.
fn endpoint(ip: IpAddr, port: u16) -> String {
    match ip {
        IpAddr::V4(ip) => format!("tcp://{ip}:{port}"),
        IpAddr::V6(ip) => format!("tcp://[{ip}]:{port}"),
    }
}

/// A real Zeek does not know them, and need not be started again because of them.
fn stores(layout: &Layout, node: &Node) -> BTreeMap<String, StoreConfig> {
    match node.engine {
        Engine::Core => layout.stores.iter().map(|(name, store)| (name.clone(), store_config(store))).collect(),
        Engine::Zeek => BTreeMap::new(),
    }
}

fn store_config(store: &Store) -> StoreConfig {
    StoreConfig {
        backend: store.backend,
        master_node: store.master_node.clone(),
        sqlite: store.sqlite.clone(),
        clone_resync_interval_s: store.clone_resync_interval.as_secs_f64(),
        clone_stale_interval_s: store.clone_stale_interval.as_secs_f64(),
        clone_mutation_buffer_interval_s: store.clone_mutation_buffer_interval.as_secs_f64(),
    }
}

fn logging(layout: &Layout, node: &Node) -> LoggingConfig {
    let several = layout.nodes.iter().filter(|node| node.node_type == NodeType::Logger).count() > 1;
    LoggingConfig {
        format: layout.logging.format_or_default(),
        rotation_interval_s: layout.logging.rotation_or_default().as_secs(),
        compress: layout.logging.compress,
        expire_s: layout.logging.expire.as_secs(),
        suffix: (several && node.node_type == NodeType::Logger).then(|| node.name.clone()),
    }
}
