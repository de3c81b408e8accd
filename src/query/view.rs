//! The cluster as its nodes see it, and whose view counts.

use std::collections::BTreeSet;
use std::pin::pin;

use futures_util::StreamExt;

use super::ask::{self, Silent};
use super::settings::Settings;
use crate::api::node::NodeView;
use crate::data::NodeType;
use crate::layout::{Layout, Node};

/// What the nodes of some hosts see.
pub(super) struct Views {
    pub(super) views: Vec<NodeView>,
    pub(super) silent: Vec<Silent>,
}

/// Asks the hosts of those names for the views of their nodes.
pub(super) async fn ask_views(layout: &Layout, names: &[&str], settings: &Settings) -> Views {
    let hosts = ask::reachable(layout, names, settings);
    let answers = ask::ask(&hosts, settings, async |session| session.agent().peers().await);
    let mut answers = pin!(answers);
    let mut found = Views { views: Vec::new(), silent: Vec::new() };
    while let Some((_, answer)) = answers.next().await {
        match answer {
            Ok(views) => found.views.extend(views),
            Err(silent) => found.silent.push(silent),
        }
    }
    found
}

/// The views of the manager and of those of `nodes` under which a program runs first, and all others only when the manager
/// gives none: `silent` has those of the hosts that were asked and gave no answer.
pub(super) async fn ask_cluster(layout: &Layout, nodes: &[&Node], settings: &Settings) -> Views {
    let programs = nodes.iter().copied().filter(|node| !node.command.is_empty());
    let first = layout.manager().into_iter().chain(programs).map(|node| node.host.as_str());
    let first: Vec<&str> = first.collect::<BTreeSet<_>>().into_iter().collect();
    let mut found = ask_views(layout, &first, settings).await;
    if found.judge().is_some_and(|view| view.node_type == NodeType::Manager) {
        return found;
    }
    let others: Vec<&str> =
        layout.hosts.iter().map(|host| host.name.as_str()).filter(|host| !first.contains(host)).collect();
    let rest = ask_views(layout, &others, settings).await;
    found.views.extend(rest.views);
    found.silent.extend(rest.silent);
    found
}

/// Whether a node is up, under which id, and since when.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Seen {
    pub(super) active: bool,
    pub(super) id: Option<String>,
    pub(super) since: Option<f64>,
}

impl Views {
    /// Whose view counts: the manager's, else that of the node that has joined and sees most.
    pub(super) fn judge(&self) -> Option<&NodeView> {
        let joined = self.views.iter().filter(|view| view.joined);
        joined
            .max_by_key(|view| (view.node_type == NodeType::Manager, view.peers.iter().filter(|peer| peer.up).count()))
    }

    /// A node as the judge sees it; the judge itself is up as it has joined. A node whose program does not run is not up,
    /// whatever the process sees that waits to start it again.
    pub(super) fn seen(&self, node: &Node) -> Seen {
        let program = self.views.iter().find(|view| view.name == node.name).and_then(|view| view.program.as_ref());
        if program.is_some_and(|program| !program.is_up()) {
            return Seen::default();
        }
        let Some(judge) = self.judge() else { return Seen::default() };
        if judge.name == node.name {
            return Seen { active: true, id: Some(judge.id.clone()), since: Some(judge.joined_since) };
        }
        let peer = judge.peers.iter().find(|peer| peer.peer == node.name);
        peer.map_or_else(Seen::default, |peer| Seen { active: peer.up, id: peer.id.clone(), since: peer.since })
    }
}
