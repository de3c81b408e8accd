//! `cluster-layout.zeek`, for nodes that are a real Zeek and for everything that reads zeekctl's file of that name.
//!
//! Compatibility: byte for byte what zeekctl writes (`zeekctl.md` 9), with three differences. There is no `control`
//! entry, since with one no Zeek node ever reports the cluster as fully connected (`protocol/cluster.md` 1.14). Nodes
//! that listen nowhere have no `$p`. A `$zone_id` is written where the layout has one.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::RenderError;
use super::node_config::entries;
use crate::api::config::{NodeEntry, WebSocketTlsConfig};
use crate::data::NodeType;
use crate::layout::{Layout, WebSocket};

/// The layout as Zeek script.
///
/// # Errors
/// [`RenderError::Unresolved`] when a node's address is not known.
pub fn layout_zeek(layout: &Layout) -> Result<String, RenderError> {
    let mut text = String::from("# Automatically generated. Do not edit.\n");
    let manager_is_logger = if layout.manager_is_logger { "T" } else { "F" };
    let _ = write!(text, "redef Cluster::manager_is_logger = {manager_is_logger};\nredef Cluster::nodes = {{\n");
    let mut nodes = entries(layout)?;
    nodes.sort_by_key(|node| rank(node.node_type));
    nodes.iter().for_each(|node| text.push_str(&entry(node)));
    text.push_str("};\n");
    for node in &layout.nodes {
        if let Some(websocket) = &node.websocket {
            let who = match node.node_type {
                NodeType::Manager => {
                    "(Cluster::local_node_type() == Cluster::MANAGER || ! Cluster::is_enabled())".to_owned()
                }
                _ => format!("Cluster::node == \"{}\"", node.name),
            };
            text.push_str(&listen(&who, websocket));
        }
    }
    Ok(text)
}

/// zeekctl's order: manager, loggers, proxies, workers.
fn rank(node_type: NodeType) -> u8 {
    match node_type {
        NodeType::Manager => 0,
        NodeType::Logger => 1,
        NodeType::Proxy => 2,
        _ => 3,
    }
}

fn entry(node: &NodeEntry) -> String {
    let mut text =
        format!("\t[\"{}\"] = [$node_type={}, $ip={}", node.name, node.node_type.zeek_name(), address(node.ip));
    if !node.zone_id.is_empty() {
        let _ = write!(text, ", $zone_id=\"{}\"", node.zone_id.escape_default());
    }
    if let Some(port) = node.port {
        let _ = write!(text, ", $p={port}/tcp");
    }
    // zeekctl names the manager of proxies and workers only.
    if let (Some(manager), NodeType::Proxy | NodeType::Worker) = (&node.manager, node.node_type) {
        let _ = write!(text, ", $manager=\"{manager}\"");
    }
    if let Some(port) = node.metrics_port {
        let _ = write!(text, ", $metrics_port={port}/tcp");
    }
    text.push_str("],\n");
    text
}

fn listen(who: &str, websocket: &WebSocket) -> String {
    let options = options(websocket);
    format!(
        "\nevent zeek_init()\n\t{{\n\tif ( getenv(\"ZEEKCTL_DISABLE_LISTEN\") == \"\" && {who} )\n\t\t{{\n\
         \t\tCluster::listen_websocket([{options}]);\n\t\t}}\n\t}}\n"
    )
}

/// The fields of `Cluster::WebSocketServerOptions` that are set.
fn options(websocket: &WebSocket) -> String {
    let (addr, port) = (address(websocket.listen_addr), websocket.listen_port);
    let mut text = format!("$listen_addr={addr}, $listen_port={port}/tcp");
    if let Some(size) = websocket.max_event_queue_size {
        let _ = write!(text, ", $max_event_queue_size={size}");
    }
    if let Some(interval) = websocket.ping_interval {
        let _ = write!(text, ", $ping_interval={}msec", interval.as_millis());
    }
    if let Some(tls) = &websocket.tls_options {
        let _ = write!(text, ", $tls_options=[{}]", tls_options(tls));
    }
    text
}

fn tls_options(tls: &WebSocketTlsConfig) -> String {
    let quoted = |field: &str, text: &str| format!("${field}=\"{}\"", text.escape_default());
    let mut fields = Vec::new();
    fields.extend(tls.cert_file.as_deref().map(|file| quoted("cert_file", file)));
    fields.extend(tls.key_file.as_deref().map(|file| quoted("key_file", file)));
    fields.push(format!("$enable_peer_verification={}", if tls.enable_peer_verification { "T" } else { "F" }));
    for (field, text) in [("ca_file", &tls.ca_file), ("ciphers", &tls.ciphers)] {
        if !text.is_empty() {
            fields.push(quoted(field, text));
        }
    }
    fields.join(", ")
}

/// An address in Zeek's script syntax.
fn address(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}
