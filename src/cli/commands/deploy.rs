//! `deploy`: from a layout to a running cluster.

use std::time::Duration;

use crate::cli::args::{Format, LockArgs};
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::deploy::{self, Needs};
use crate::layout::{Layout, Node};
use crate::query;

/// Bring the cluster to what the layout says
///
/// Renders each node's files, installs them with this program on every host of the layout, and then starts what does not
/// run, restarts what changed, and stops what the layout no longer has: loggers first, then the manager, the proxies and
/// the workers. It ends when every node has joined the cluster, or at the deadline (60 s unless `--timeout` says
/// otherwise).
///
/// Doing it again changes nothing that has not changed. When staging fails on a host, no host is switched. A host that
/// cannot be reached costs its own nodes only; deploy again when it is back. `zeek-cluster stop` undoes the start,
/// `zeek-cluster remove` the installation.
#[derive(Debug, clap::Args)]
pub struct Deploy {
    #[command(flatten)]
    lock: LockArgs,
}

impl Deploy {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        let layout = cx.layout()?;
        let curve = cx.curve_keys(&layout)?;
        let join_within = cx.global.timeout.unwrap_or(Duration::from_secs(60));
        let report = cx.change(&layout, &self.lock, Needs::ThisProgram, async |settings, progress| {
            let options = deploy::Options { curve: curve.as_ref(), join_within, progress };
            deploy::deploy(&layout, settings, options).await.map_err(Failure::deploy)
        })?;
        let status = cx.conclude(&layout, &report.outcomes)?;
        if cx.printer.format() == Format::Table {
            show_what_runs(cx, &layout)?;
        }
        if status == Status::Done && cx.printer.is_lively() {
            cx.printer.status(&next_steps(cx));
        }
        Ok(status)
    }
}

/// The table of `status`, for whoever watches.
fn show_what_runs(cx: &Context, layout: &Layout) -> Result<(), Failure> {
    let nodes: Vec<&Node> = layout.nodes.iter().collect();
    let report = cx.block_on(query::status(layout, &nodes, &cx.asking(), |_| {}))?;
    Ok(cx.printer.records(&report.rows)?)
}

/// What to type next, with the layout that was typed.
fn next_steps(cx: &Context) -> String {
    let layout = cx.layout_option();
    let line = |command: &str, what: &str| format!("  zeek-cluster{layout} {command:<14}  {what}");
    [
        "\nNext:".to_owned(),
        line("status --watch", "every change of state, as it happens"),
        line("peers", "who sees whom"),
        line("log -f", "who joins, who leaves, and why"),
        line("stop", "stop the cluster; start brings it back"),
        line("remove", "delete it from its hosts"),
    ]
    .join("\n")
}
