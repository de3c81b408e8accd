//! `peers`: who sees whom.

use crate::cli::args::NodeArgs;
use crate::cli::connect::ConnectArgs;
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::cli::output::{Column, Record, human, shown};
use crate::layout::nodeset;
use crate::query::{self, PeerRow};

/// Show which other nodes each node sees
///
/// Asks each selected node that runs and shows one row for each other node of the layout: whether it is up for that node,
/// under which id, and since when.
///
/// With `--connect` the cluster is looked at from outside: one row for each node that an observer sees there, and for those
/// of the files that it names that it does not see.
///
/// Columns: node, peer, type, id, up, since.
#[derive(Debug, clap::Args)]
pub struct Peers {
    #[command(flatten)]
    nodes: NodeArgs,

    /// Show only peers that are not up
    #[arg(long)]
    down: bool,

    #[command(flatten)]
    connect: ConnectArgs,
}

impl Peers {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        if let Some(target) = self.connect.target(cx)? {
            let mut rows = target.peer_rows(&target.look(cx)?, &self.nodes.nodes)?;
            rows.retain(|row| !(self.down && row.up));
            cx.printer.records(&rows)?;
            return Ok(Status::Done);
        }
        let layout = cx.layout()?;
        let nodes = cx.select(&layout, &self.nodes)?;
        let mut report = cx.block_on(query::peers(&layout, &nodes, &cx.asking()))?;
        report.rows.retain(|row| !(self.down && row.up));
        cx.printer.records(&report.rows)?;
        let heard = cx.printer.silent_hosts(&report.silent, &nodes);
        if report.not_running.is_empty() {
            return Ok(heard);
        }
        let idle = nodeset::fold(report.not_running.iter().map(String::as_str));
        cx.printer.error(&format!("{idle} gave no answer: not running"));
        Ok(Status::Failed)
    }
}

impl Record for PeerRow {
    const COLUMNS: &'static [Column] = &[
        Column::stays("NODE"),
        Column::stays("PEER"),
        Column::gives("TYPE", 5),
        Column::stays("UP"),
        Column::gives("SINCE", 3),
        Column::gives("ID", 7),
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.node.clone(),
            self.peer.clone(),
            shown(self.node_type),
            if self.up { "yes" } else { "no" }.to_owned(),
            human::ago(self.since),
            shown(self.id.as_deref()),
        ]
    }

    fn fields(&self) -> Vec<String> {
        vec![
            self.node.clone(),
            self.peer.clone(),
            shown(self.node_type),
            shown(self.id.as_deref()),
            self.up.to_string(),
            shown(self.since),
        ]
    }

    fn name(&self) -> &str {
        &self.peer
    }
}
