//! Who sees whom.

use serde::Serialize;

use super::ask::{self, Silent};
use super::settings::Settings;
use super::view;
use crate::api::node::NodeView;
use crate::data::NodeType;
use crate::layout::{Layout, Node};

/// One row for each pair of a node that answered and another node of the layout.
#[derive(Clone, Debug, PartialEq)]
pub struct PeersReport {
    /// In the order of the layout.
    pub rows: Vec<PeerRow>,
    /// Nodes that were asked for and gave no answer although their host did: they do not run, or hang.
    pub not_running: Vec<String>,
    /// Hosts that gave no answer.
    pub silent: Vec<Silent>,
}

/// One node as another sees it. This is the JSON of `peers`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PeerRow {
    /// Who sees.
    pub node: String,
    /// Who is seen.
    pub peer: String,
    /// The peer's type; unset where an observer cannot tell it.
    #[serde(rename = "type")]
    pub node_type: Option<NodeType>,
    /// The peer's node id while it is up.
    pub id: Option<String>,
    /// Whether it is up for that node.
    pub up: bool,
    /// Since when, seconds since the epoch; unset when it was never seen.
    pub since: Option<f64>,
}

/// Asks each selected node which others it sees.
pub async fn peers(layout: &Layout, nodes: &[&Node], settings: &Settings) -> PeersReport {
    let names = ask::hosts_of(layout, nodes);
    let found = view::ask_views(layout, &names, settings).await;
    let mut report = PeersReport { rows: Vec::new(), not_running: Vec::new(), silent: found.silent };
    for node in nodes {
        match found.views.iter().find(|view| view.name == node.name) {
            Some(view) => report.rows.extend(rows(view)),
            None if report.silent.iter().any(|silent| silent.host == node.host) => {}
            None => report.not_running.push(node.name.clone()),
        }
    }
    report
}

fn rows(view: &NodeView) -> impl Iterator<Item = PeerRow> + '_ {
    view.peers.iter().map(|peer| PeerRow {
        node: view.name.clone(),
        peer: peer.peer.clone(),
        node_type: Some(peer.node_type),
        id: peer.id.clone(),
        up: peer.up,
        since: peer.since,
    })
}
