//! `start`: nodes that do not run.

use std::time::Duration;

use crate::cli::args::{LockArgs, NodeArgs};
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::deploy::{self, Needs};

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

    #[command(flatten)]
    lock: LockArgs,
}

impl Start {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        let layout = cx.layout()?;
        let nodes = cx.select(&layout, &self.nodes)?;
        let join_within = cx.global.timeout.unwrap_or(Duration::from_secs(60));
        let outcomes =
            cx.change(&layout, &self.lock, Needs::Deployed, &deploy::hosts_of(&nodes), async |settings, progress| {
                Ok(deploy::start(&layout, &nodes, settings, join_within, progress).await)
            })?;
        cx.conclude(&layout, &outcomes)
    }
}
