//! `start`: nodes that do not run.

use std::time::Duration;

use crate::cli::args::NodeArgs;
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::deploy;

/// Start nodes that were deployed before
///
/// Starts each selected node that does not run, from the release that is current on its host: loggers first, then the
/// manager, the proxies and the workers. Nodes that run are left alone, and so is everything that the layout changed
/// since: that is `zeek-cluster deploy`. It ends when each has joined the cluster, or at the deadline (60 s unless
/// `--timeout` says otherwise). `zeek-cluster stop` undoes it.
#[derive(Debug, clap::Args)]
pub struct Start {
    #[command(flatten)]
    nodes: NodeArgs,
}

impl Start {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        let layout = cx.layout()?;
        let nodes = cx.select(&layout, &self.nodes)?;
        let settings = cx.reach();
        let progress = cx.printer.progress();
        let join_within = cx.global.timeout.unwrap_or(Duration::from_secs(60));
        let outcomes = cx.block_on(deploy::start(&layout, &nodes, &settings, join_within, &progress))?;
        progress.finish();
        cx.conclude(&layout, &outcomes)
    }
}
