//! `nodes`: who is in the cluster.

use crate::cli::args::{Format, NodeArgs};
use crate::cli::connect::ConnectArgs;
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::cli::output::{Column, Record, human, shown};
use crate::layout::{Node, nodeset};
use crate::query::{self, NodeRow};

/// List the nodes, with their addresses and whether they are active
///
/// The layout says which nodes there are and where they listen; the manager's view of the cluster (or that of another
/// node, when the manager gives no answer) says which of them are active, under which id, and since when. One
/// whose `command:` does not run is not active.
///
/// With `--connect` the cluster is looked at from outside: the nodes that are there, and those of the files that
/// are not. Where no file tells it, the type is the one after which the node is named, and the host is what its id says;
/// a node whose name cannot be found out is shown under its id.
///
/// With `-o name`, `--fold` or `--count` the layout alone answers, for scripts: `for node in $(zeek-cluster nodes -o name
/// @workers)`.
///
/// Columns: name, type, host, ip, port, metrics_port, active, id, since.
#[derive(Debug, clap::Args)]
pub struct Nodes {
    #[command(flatten)]
    nodes: NodeArgs,

    /// Print their names as one set, such as worker-[1-8]; asks no host
    #[arg(long, conflicts_with_all = ["count", "connect"])]
    fold: bool,

    /// Print how many they are; asks no host
    #[arg(long, conflicts_with = "connect")]
    count: bool,

    #[command(flatten)]
    connect: ConnectArgs,
}

impl Nodes {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        if let Some(target) = self.connect.target(cx)? {
            cx.printer.records(&target.node_rows(&target.look(cx)?, &self.nodes.nodes)?)?;
            return Ok(Status::Done);
        }
        let layout = cx.layout()?;
        let nodes = cx.select(&layout, &self.nodes)?;
        if let Some(answer) = self.answer_offline(cx, &nodes) {
            return answer;
        }
        let report = cx.block_on(query::nodes(&layout, &nodes, &cx.asking()))?;
        cx.printer.records(&report.rows)?;
        Ok(cx.printer.silent_hosts(&report.silent, &nodes))
    }

    /// What the layout alone answers; none when the cluster has to be asked.
    fn answer_offline(&self, cx: &Context, nodes: &[&Node]) -> Option<Result<Status, Failure>> {
        let names = || nodes.iter().map(|node| node.name.as_str());
        let format = cx.printer.format();
        let written = match (self.fold, self.count, format) {
            (true, _, Format::Json | Format::Jsonl) => cx.printer.json(&nodeset::fold(names())),
            (true, ..) => cx.printer.text(&nodeset::fold(names())),
            (_, true, _) => cx.printer.text(&nodes.len().to_string()),
            (_, _, Format::Name) => cx.printer.names(names()),
            _ => return None,
        };
        Some(written.map(|()| Status::Done).map_err(Failure::from))
    }
}

impl Record for NodeRow {
    const COLUMNS: &'static [Column] = &[
        Column::stays("NAME"),
        Column::gives("TYPE", 3),
        Column::gives("HOST", 2),
        Column::gives("IP", 6),
        Column::gives("PORT", 5),
        Column::gives("METRICS", 7),
        Column::stays("ACTIVE"),
        Column::gives("SINCE", 4),
        Column::gives("ID", 8),
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            shown(self.node_type),
            shown(self.host.as_deref()),
            shown(self.ip),
            shown(self.port),
            shown(self.metrics_port),
            if self.active { "yes" } else { "no" }.to_owned(),
            human::ago(self.since),
            shown(self.id.as_deref()),
        ]
    }

    fn fields(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            shown(self.node_type),
            shown(self.host.as_deref()),
            shown(self.ip),
            shown(self.port),
            shown(self.metrics_port),
            self.active.to_string(),
            shown(self.id.as_deref()),
            shown(self.since),
        ]
    }

    fn name(&self) -> &str {
        &self.name
    }
}
