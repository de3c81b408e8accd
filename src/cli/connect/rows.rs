//! What an observer sees, as the rows of `nodes` and `peers`.
//!
//! An observer sees subscriptions: one topic tells a node's id, another its name. Zeek's ids, and ours, begin with the
//! name (`zeromq_NAME_HOST_PID_…`), so the two are paired where they agree and where a hello says so, and never guessed.

use super::target::Target;
use crate::cli::context;
use crate::cli::failure::Failure;
use crate::data::NodeType;
use crate::layout::{Layout, Node};
use crate::node::SeenNode;
use crate::query::{NodeRow, PeerRow};

/// What stands in the column `node` of `peers` for whoever is no node.
const OBSERVER: &str = "observer";

impl Target {
    /// The layout's nodes, where it is known, then those that are seen beside it; of them those that are named on the
    /// command line.
    pub fn node_rows(&self, seen: &[SeenNode], words: &[String]) -> Result<Vec<NodeRow>, Failure> {
        let mut rows = self.all_rows(seen);
        if words.is_empty() {
            return Ok(rows);
        }
        let named = |name: &str| rows.iter().any(|row| row.name == name);
        let (exact, sets): (Vec<_>, Vec<_>) = words.iter().cloned().partition(|word| named(word));
        let chosen = match (&self.layout, sets.first()) {
            (_, None) => Vec::new(),
            (Some(layout), _) => context::select(layout, &sets)?,
            (None, Some(word)) => return Err(Failure::usage(format!("no node is named `{word}` in that cluster"))),
        };
        rows.retain(|row| exact.contains(&row.name) || chosen.iter().any(|node| node.name == row.name));
        Ok(rows)
    }

    fn all_rows(&self, seen: &[SeenNode]) -> Vec<NodeRow> {
        let defined = self.layout.iter().flat_map(|layout| &layout.nodes).map(|node| defined_row(node, seen));
        let others = seen.iter().filter(|seen| !is_defined(self.layout.as_ref(), seen)).map(seen_row);
        defined.chain(others).collect()
    }

    /// The same, as the observer's view of its peers.
    pub fn peer_rows(&self, seen: &[SeenNode], words: &[String]) -> Result<Vec<PeerRow>, Failure> {
        let row = |row: NodeRow| PeerRow {
            node: OBSERVER.to_owned(),
            peer: row.name,
            node_type: row.node_type,
            id: row.id,
            up: row.active,
            since: None,
        };
        Ok(self.node_rows(seen, words)?.into_iter().map(row).collect())
    }
}

fn is_defined(layout: Option<&Layout>, seen: &SeenNode) -> bool {
    layout.is_some_and(|layout| layout.nodes.iter().any(|node| is_that(node, seen)))
}

/// The topic that zeekctl has one Zeek alone subscribe to, whatever node.cfg calls it. Source: zeekctl 2.6.0-67,
/// `cluster_backend_zeromq.py`.
const STANDALONE: &str = "zeek";

fn is_that(node: &Node, seen: &SeenNode) -> bool {
    let alone = node.node_type == NodeType::None;
    seen.name.as_ref().is_some_and(|name| *name == node.name || (alone && name == STANDALONE))
}

fn defined_row(node: &Node, seen: &[SeenNode]) -> NodeRow {
    let found = seen.iter().find(|seen| is_that(node, seen));
    NodeRow {
        name: node.name.clone(),
        node_type: Some(node.node_type),
        host: Some(node.host.clone()),
        ip: node.ip,
        port: node.port,
        metrics_port: node.metrics_port,
        active: found.is_some(),
        id: found.and_then(|found| found.id.clone()),
        since: None,
    }
}

/// A node without a name is shown under its id.
fn seen_row(seen: &SeenNode) -> NodeRow {
    let machine = seen.name.as_deref().zip(seen.id.as_deref()).and_then(|(name, id)| machine(name, id));
    NodeRow {
        name: seen.name.clone().or_else(|| seen.id.clone()).unwrap_or_default(),
        node_type: seen.name.as_deref().and_then(|name| type_of(name, machine.as_deref())),
        host: machine,
        ip: None,
        port: None,
        metrics_port: None,
        active: true,
        id: seen.id.clone(),
        since: None,
    }
}

/// The type after which a node is named, as zeekctl's users and Zeek's generator do: `worker-1`, `HOST-logger-2`,
/// `c-w-01-worker-eth1-1`. None where no type is a word of the name, or two are. The roles themselves subscribe to topics
/// too, but a subscription does not tell whose it is.
fn type_of(name: &str, machine: Option<&str>) -> Option<NodeType> {
    let after_machine = machine.and_then(|machine| name.strip_prefix(machine)?.strip_prefix('-'));
    let types = [NodeType::Manager, NodeType::Logger, NodeType::Proxy, NodeType::Worker];
    let name = after_machine.unwrap_or(name);
    let mut found = types.into_iter().filter(|node_type| has_word(name, node_type.as_str()));
    found.next().filter(|_| found.next().is_none())
}

/// Whether a word stands in a name, alone or with a number behind it.
fn has_word(name: &str, word: &str) -> bool {
    name.match_indices(word).any(|(at, _)| {
        let after = name[at + word.len()..].chars().next();
        let begins = at == 0 || name[..at].ends_with(['-', '_', '.']);
        begins && after.is_none_or(|c| c.is_ascii_digit() || "-_.".contains(c))
    })
}

/// What the machine of a node calls itself: `zeromq_NAME_MACHINE_PID_RANDOM`.
fn machine(name: &str, id: &str) -> Option<String> {
    let rest = id.strip_prefix("zeromq_")?.strip_prefix(name)?.strip_prefix('_')?;
    let mut parts = rest.rsplitn(3, '_');
    let (_random, pid, machine) = (parts.next()?, parts.next()?, parts.next()?);
    pid.parse::<u32>().ok().map(|_| machine.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(name: Option<&str>, id: Option<&str>) -> SeenNode {
        SeenNode { name: name.map(Into::into), id: id.map(Into::into) }
    }

    #[test]
    fn rows_tell_what_names_and_ids_tell_and_no_more() {
        let target = Target { hubs: Vec::new(), keys: None, layout: None };
        let seen = [
            seen(Some("worker-1"), Some("zeromq_worker-1_host_5_Nx")),
            seen(Some("sensor"), Some("other")),
            seen(None, Some("free-form")),
            seen(Some("logger"), None),
        ];
        let rows = target.node_rows(&seen, &[]).expect("nothing is named");
        let short = |row: &NodeRow| (row.name.clone(), row.node_type, row.host.clone());
        let expected = [
            ("worker-1".into(), Some(NodeType::Worker), Some("host".into())),
            ("sensor".into(), None, None),
            ("free-form".into(), None, None),
            ("logger".into(), Some(NodeType::Logger), None),
        ];
        assert_eq!(rows.iter().map(short).collect::<Vec<_>>(), expected);
        assert!(rows.iter().all(|row| row.active));
        let one = target.node_rows(&seen, &["sensor".into()]).expect("seen");
        assert_eq!(one.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["sensor"]);
        assert!(target.node_rows(&seen, &["sensr".into()]).is_err());
    }

    #[test]
    fn a_name_gives_its_type_only_as_a_whole_word() {
        assert_eq!(type_of("manager", None), Some(NodeType::Manager));
        assert_eq!(type_of("proxy12", None), Some(NodeType::Proxy));
        assert_eq!(type_of("workers-room", None), None);
    }

    #[test]
    fn a_host_before_the_type_does_not_hide_it() {
        assert_eq!(type_of("c-w-01-worker-eth1-1", Some("c-w-01")), Some(NodeType::Worker));
        assert_eq!(type_of("c-mgr-logger-2", None), Some(NodeType::Logger));
        assert_eq!(type_of("sensor.example.net-worker-1", None), Some(NodeType::Worker));
        assert_eq!(type_of("logger-host-worker-1", Some("logger-host")), Some(NodeType::Worker));
        assert_eq!(type_of("logger-host-worker-1", None), None);
    }

    #[test]
    fn one_zeek_alone_is_seen_under_its_topic() {
        let text = "nodes:\n  zeeksa: { type: manager }\n";
        let mut layout = crate::node::parse_layout(text, "x.yaml").expect("a layout");
        layout.nodes[0].node_type = NodeType::None;
        let target = Target { hubs: Vec::new(), keys: None, layout: Some(layout) };
        let rows = target.node_rows(&[seen(Some("zeek"), None)], &[]).expect("nothing is named");
        assert_eq!(rows.iter().map(|row| (row.name.as_str(), row.active)).collect::<Vec<_>>(), [("zeeksa", true)]);
    }
}
