//! `restart`: stop and start nodes.

use std::time::Duration;

use crate::cli::args::{LockArgs, NodeArgs};
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::deploy::{self, Needs};

/// Stop nodes and start them again
///
/// Stops the selected nodes and starts them from the release that is current on their hosts, loggers first, then the
/// manager, the proxies and the workers. A node that does not run is started. It ends when each has joined the cluster
/// again, or at the deadline (60 s unless `--timeout` says otherwise).
#[derive(Debug, clap::Args)]
pub struct Restart {
    #[command(flatten)]
    nodes: NodeArgs,

    #[command(flatten)]
    lock: LockArgs,
}

impl Restart {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        let layout = cx.layout()?;
        let nodes = cx.select(&layout, &self.nodes)?;
        let join_within = cx.global.timeout.unwrap_or(Duration::from_secs(60));
        let outcomes =
            cx.change(&layout, &self.lock, Needs::Deployed, &deploy::hosts_of(&nodes), async |settings, progress| {
                Ok(deploy::restart(&layout, &nodes, settings, join_within, progress).await)
            })?;
        cx.conclude(&layout, &outcomes)
    }
}
