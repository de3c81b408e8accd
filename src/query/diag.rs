//! One node in full, or several: what its agent knows, what that means, and what to do next.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use serde::Serialize;

use super::ask::{self, Silent};
use super::settings::Settings;
use crate::agent::client::DiagQuery;
use crate::api::agent::NodeState;
use crate::api::diag::{HostDiag, NodeDiag};
use crate::layout::{Layout, Node};

/// The diagnosis of some nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct DiagReport {
    /// A row for each node that its host knows, in the order of the layout.
    pub rows: Vec<DiagRow>,
    /// Nodes that their hosts do not know: they are not part of the deployed release.
    pub unknown: Vec<String>,
    /// Each host's own answer, without its nodes.
    pub hosts: BTreeMap<String, HostDiag>,
    /// Hosts that gave no answer.
    pub silent: Vec<Silent>,
}

/// One node. This is its JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DiagRow {
    /// The node.
    pub name: String,
    /// Its host.
    pub host: String,
    /// The release that is current on the host.
    pub release: Option<String>,
    /// Peers that it does not see up.
    pub missing_peers: Vec<String>,
    /// The commands to try next.
    pub next: Vec<String>,
    /// All that its agent told.
    #[serde(flatten)]
    pub diag: NodeDiag,
}

/// Asks the hosts of `nodes` for all that they can tell; each host may take `settings.within`.
pub async fn diag(layout: &Layout, nodes: &[&Node], settings: &Settings, query: &DiagQuery) -> DiagReport {
    let hosts = ask::reachable(layout, &ask::hosts_of(layout, nodes), settings);
    let deadline = settings.within.saturating_sub(Duration::from_millis(100));
    let answers = ask::ask(&hosts, settings, async |session| session.agent().diag(query, deadline).await);
    let mut answers = pin!(answers);
    let mut report = DiagReport { rows: Vec::new(), unknown: Vec::new(), hosts: BTreeMap::new(), silent: Vec::new() };
    while let Some((host, answer)) = answers.next().await {
        match answer {
            Ok(answer) => report.take(host, answer),
            Err(silent) => report.silent.push(silent),
        }
    }
    let place = |name: &str| nodes.iter().position(|node| node.name == name);
    report.rows.sort_by_key(|row| place(&row.name));
    let missing = nodes
        .iter()
        .filter(|node| report.hosts.contains_key(&node.host) && !report.rows.iter().any(|row| row.name == node.name));
    report.unknown = missing.map(|node| node.name.clone()).collect();
    report
}

impl DiagReport {
    fn take(&mut self, host: String, mut answer: HostDiag) {
        let release = answer.agent.release.clone();
        for diag in std::mem::take(&mut answer.nodes) {
            let peers = diag.view.iter().flat_map(|view| &view.peers);
            self.rows.push(DiagRow {
                name: diag.status.name.clone(),
                host: host.clone(),
                release: release.clone(),
                missing_peers: peers.filter(|peer| !peer.up).map(|peer| peer.peer.clone()).collect(),
                next: next(&diag, &host),
                diag,
            });
        }
        self.hosts.insert(host, answer);
    }
}

/// Returns the commands that help, by state.
fn next(diag: &NodeDiag, host: &str) -> Vec<String> {
    let name = &diag.status.name;
    let command = |text: &str| format!("zeek-cluster {text}");
    match diag.status.state {
        NodeState::Running if diag.status.error.is_none() => Vec::new(),
        NodeState::Running | NodeState::Degraded => vec![command(&format!("events {name}"))],
        NodeState::Starting | NodeState::Joining => vec![command(&format!("wait {name}"))],
        NodeState::Stopping => vec![command(&format!("status {name}"))],
        NodeState::Stopped => vec![command(&format!("start {name}"))],
        NodeState::Isolated => vec![command(&format!("peers {name}")), command(&format!("doctor {host}"))],
        NodeState::Backoff | NodeState::Failing => vec![
            command(&format!("output {name}")),
            command(&format!("doctor {host}")),
            command(&format!("start {name}")),
        ],
        NodeState::Unknown => vec![command(&format!("doctor {host}"))],
    }
}
