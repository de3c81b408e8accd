//! `status`: what runs where.

use std::cell::RefCell;
use std::pin::pin;
use std::time::Duration;

use tokio::time::timeout;

use crate::api::agent::NodeState;
use crate::cli::args::NodeArgs;
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::cli::output::{Column, Record, human, shown};
use crate::layout::{Layout, Node};
use crate::query::{self, Settings, StatusReport, StatusRow};

/// Show the state of each node
///
/// Asks the agent of each host and shows one row for every selected node, whatever happened to its host:
///
/// `running` has joined the cluster and works, `degraded` has joined and does not do all that it should, or gives no sign
/// of life, `joining` has not yet, `isolated` has not for 30 seconds, `backoff` ended by itself and will be started again,
/// `failing` ended so often that the pauses between its starts grow up to five minutes, `stopped` should not run, `unknown`
/// is on a host that gives no answer; the last column says why, and what was known of it when the host last answered a
/// `status` from here.
///
/// Columns: name, type, host, state, pid, restarts, started_at, uptime_s, error, peers_up, peers, release, for `unknown` the
/// last known state and when it was, and when it was restarted last and will be next.
///
/// Starts nothing: where no agent runs, it says which of the nodes do all the same, and what starts them. Exit status 0 only
/// when all selected nodes are running, 4 when no host could be reached, else 1.
#[derive(Debug, clap::Args)]
pub struct StatusCommand {
    #[command(flatten)]
    nodes: NodeArgs,

    /// Keep watching: show every change as it happens, until Ctrl-C
    ///
    /// A host that falls silent is shown as unknown after 45 seconds at most, and tried again every five.
    #[arg(short, long)]
    watch: bool,
}

impl StatusCommand {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        let layout = cx.layout()?;
        let nodes = cx.select(&layout, &self.nodes)?;
        let settings = cx.asking();
        if self.watch {
            let mut live = cx.printer.live();
            let watch = query::watch(&layout, &nodes, &settings, |report| live.show(&report.rows));
            cx.follow(async { Ok(watch.await?) })?;
            return Ok(Status::Done);
        }
        let report = cx.block_on(show_as_they_come(cx, &layout, &nodes, &settings))??;
        let heard = cx.printer.silent_hosts(&report.silent, &nodes);
        report.notify.iter().for_each(|target| cx.printer.warning(target));
        if let Some(skew) = &report.skew {
            cx.printer.warning(skew);
            cx.printer.hint("zeek-cluster deploy");
        }
        for error in report.doubles.iter().map(|double| double.error()) {
            cx.printer.warning(&error.what);
            error.hint.iter().for_each(|hint| cx.printer.hint(hint));
        }
        Ok(match report.rows.iter().all(|row| row.state == NodeState::Running) {
            true => Status::Done,
            false if heard == Status::Unreachable => heard,
            false => Status::Failed,
        })
    }
}

/// How long rows wait for those of slower hosts, so that all are shown in the order of the layout.
const PATIENCE: Duration = Duration::from_millis(400);

/// How often after that the rows are shown that have come meanwhile.
const SHOW_EVERY: Duration = Duration::from_millis(50);

/// Shows all rows at once when every host answers soon; else those that are known by then, and the others as they come.
async fn show_as_they_come(
    cx: &Context,
    layout: &Layout,
    nodes: &[&Node],
    settings: &Settings,
) -> std::io::Result<StatusReport> {
    let arrived = RefCell::new(Vec::<StatusRow>::new());
    let mut asked = pin!(query::status(layout, nodes, settings, |rows| arrived.borrow_mut().extend_from_slice(rows)));
    let mut parts = cx.printer.parts();
    let mut patience = PATIENCE;
    let mut shown = Vec::new();
    let report = loop {
        if let Ok(report) = timeout(patience, &mut asked).await {
            break report;
        }
        patience = SHOW_EVERY;
        let mut rows = arrived.take();
        rows.sort_by_key(|row| nodes.iter().position(|node| node.name == row.name));
        parts.show(&rows)?;
        shown.extend(rows.into_iter().map(|row| row.name));
    };
    let late: Vec<StatusRow> = report.rows.iter().filter(|row| !shown.contains(&row.name)).cloned().collect();
    parts.show(&late)?;
    parts.finish(&report.rows)?;
    Ok(report)
}

impl StatusRow {
    /// `was running 3m 2s ago: sensor-4 (192.0.2.24:22): no answer to TCP (connect, after 5.0 s)`.
    fn note(&self) -> String {
        let error = self.error.clone().unwrap_or_default();
        match &self.last_known {
            Some(last) => format!("was {} {}: {error}", last.state.as_str(), human::ago(Some(last.at))),
            None => format!("{error}{}", self.what_next()),
        }
    }

    /// `; next try in 2m 10s (now: zeek-cluster restart worker-2)`.
    fn what_next(&self) -> String {
        let next = self.next_try_at.map(|at| format!("; next try {}", human::until(at))).unwrap_or_default();
        match self.state {
            NodeState::Failing => format!("{next} (now: zeek-cluster restart {})", self.name),
            _ => next,
        }
    }

    /// `4 (5m ago)`.
    fn restarted(&self) -> String {
        match (self.restarts, self.last_restart_at) {
            (Some(restarts), Some(at)) if restarts > 0 => format!("{restarts} ({})", human::ago(Some(at))),
            (restarts, _) => shown(restarts),
        }
    }
}

impl Record for StatusRow {
    const COLUMNS: &'static [Column] = &[
        Column::stays("NODE"),
        Column::gives("TYPE", 6),
        Column::gives("HOST", 2),
        Column::stays("STATE"),
        Column::gives("PID", 7),
        Column::gives("UPTIME", 4),
        Column::gives("RESTARTS", 3),
        Column::gives("PEERS", 5),
        Column::gives("RELEASE", 8),
        Column::note("NOTE"),
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.node_type.to_string(),
            self.host.clone(),
            self.state.as_str().to_owned(),
            shown(self.pid),
            self.uptime_s.map_or_else(|| "-".to_owned(), human::span),
            self.restarted(),
            shown(self.peers_up.zip(self.peers).map(|(up, all)| format!("{up}/{all}"))),
            shown(self.release.as_deref()),
            self.note(),
        ]
    }

    fn fields(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.node_type.to_string(),
            self.host.clone(),
            self.state.as_str().to_owned(),
            shown(self.pid),
            shown(self.restarts),
            shown(self.started_at),
            shown(self.uptime_s),
            shown(self.error.as_deref()),
            shown(self.peers_up),
            shown(self.peers),
            shown(self.release.as_deref()),
            shown(self.last_known.as_ref().map(|last| last.state.as_str())),
            shown(self.last_known.as_ref().map(|last| last.at)),
            shown(self.last_restart_at),
            shown(self.next_try_at),
        ]
    }

    fn name(&self) -> &str {
        &self.name
    }
}
