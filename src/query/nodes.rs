//! Who is in the cluster: the layout's nodes, and whether the cluster sees them.

use std::net::IpAddr;

use serde::Serialize;

use super::ask::Silent;
use super::settings::Settings;
use super::view;
use crate::data::NodeType;
use crate::layout::{Layout, Node};

/// One row for each node that was asked for, in the order of the layout.
#[derive(Clone, Debug, PartialEq)]
pub struct NodesReport {
    /// The rows.
    pub rows: Vec<NodeRow>,
    /// Hosts that gave no answer.
    pub silent: Vec<Silent>,
}

/// One node. This is the JSON of `nodes`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NodeRow {
    /// Node name.
    pub name: String,
    /// Node type; unset where an observer cannot tell it.
    #[serde(rename = "type")]
    pub node_type: Option<NodeType>,
    /// The host of the layout, or what an observed node calls its machine.
    pub host: Option<String>,
    /// `Cluster::Node$ip`.
    pub ip: Option<IpAddr>,
    /// `Cluster::Node$p`.
    pub port: Option<u16>,
    /// `Cluster::Node$metrics_port`.
    pub metrics_port: Option<u16>,
    /// Whether the cluster sees it up, and its program runs where it has one.
    pub active: bool,
    /// Its node id while it is up.
    pub id: Option<String>,
    /// Since when it is up or down, seconds since the epoch; unset when it was never seen.
    pub since: Option<f64>,
}

/// Asks the manager, or other nodes in its place, which nodes are up.
pub async fn nodes(layout: &Layout, nodes: &[&Node], settings: &Settings) -> NodesReport {
    let views = view::ask_cluster(layout, nodes, settings).await;
    let row = |node: &&Node| {
        let seen = views.seen(node);
        NodeRow {
            name: node.name.clone(),
            node_type: Some(node.node_type),
            host: Some(node.host.clone()),
            ip: node.ip,
            port: node.port,
            metrics_port: node.metrics_port,
            active: seen.active,
            id: seen.id,
            since: seen.since,
        }
    };
    NodesReport { rows: nodes.iter().map(row).collect(), silent: views.silent }
}
