//! How many nodes there are, and how many the cluster sees up.

use std::collections::BTreeMap;

use serde::Serialize;

use super::ask::Silent;
use super::nodes::{NodeRow, nodes};
use super::settings::Settings;
use crate::data::NodeType;
use crate::layout::{Layout, Node};

/// Numbers by node type, and of all.
#[derive(Clone, Debug, PartialEq)]
pub struct CountReport {
    /// This is the JSON of `count`.
    pub counts: Counts,
    /// Nodes that the cluster does not see up, in the order of the layout.
    pub inactive: Vec<String>,
    /// Hosts that gave no answer.
    pub silent: Vec<Silent>,
}

/// Object by node type, and `total`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Types that are among the nodes.
    #[serde(flatten)]
    pub by_type: BTreeMap<NodeType, Counted>,
    /// All types.
    pub total: Counted,
}

/// How many nodes there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// In the layout.
    pub defined: u64,
    /// Seen up by the cluster.
    pub active: u64,
}

impl CountReport {
    /// Counts rows of [`nodes`]; a row without a type counts among all only.
    pub fn of(rows: &[NodeRow]) -> CountReport {
        let inactive = rows.iter().filter(|row| !row.active).map(|row| row.name.clone()).collect();
        CountReport { counts: Counts::of(rows), inactive, silent: Vec::new() }
    }
}

impl Counts {
    fn of(rows: &[NodeRow]) -> Counts {
        let mut counts = Counts::default();
        for row in rows {
            let of_type = row.node_type.map(|node_type| counts.by_type.entry(node_type).or_default());
            for counted in of_type.into_iter().chain([&mut counts.total]) {
                counted.defined += 1;
                counted.active += u64::from(row.active);
            }
        }
        counts
    }
}

/// Counts nodes; the cluster is asked as for [`nodes`].
pub async fn count(layout: &Layout, selected: &[&Node], settings: &Settings) -> CountReport {
    let report = nodes(layout, selected, settings).await;
    CountReport { silent: report.silent, ..CountReport::of(&report.rows) }
}

/// Counts nodes as the layout defines them; nobody is asked, so none is active.
pub fn defined(selected: &[&Node]) -> CountReport {
    let mut counts = Counts::default();
    for node in selected {
        counts.by_type.entry(node.node_type).or_default().defined += 1;
        counts.total.defined += 1;
    }
    CountReport { counts, inactive: Vec::new(), silent: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(node_type: NodeType, active: bool) -> NodeRow {
        NodeRow {
            name: String::new(),
            node_type: Some(node_type),
            host: None,
            ip: None,
            port: None,
            metrics_port: None,
            active,
            id: None,
            since: None,
        }
    }

    #[test]
    fn counts_are_by_type_and_of_all() {
        let rows = [row(NodeType::Manager, true), row(NodeType::Worker, true), row(NodeType::Worker, false)];
        let json = serde_json::to_value(Counts::of(&rows)).expect("JSON");
        let expected = serde_json::json!({
            "manager": {"defined": 1, "active": 1},
            "worker": {"defined": 2, "active": 1},
            "total": {"defined": 3, "active": 2},
        });
        assert_eq!(json, expected);
    }
}
