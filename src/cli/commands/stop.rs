//! `stop`: nodes that run.

use crate::cli::args::{LockArgs, NodeArgs};
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::deploy::{self, Needs};

/// Stop nodes, and keep them stopped
///
/// Ends the selected nodes: workers first, then the proxies, the manager and the loggers, so that what they still have to
/// say is written. Each gets SIGTERM and, when it has not ended after the layout's `stop_grace`, SIGKILL. They stay
/// stopped, also across a reboot of their host, until `zeek-cluster start` or `zeek-cluster deploy`.
#[derive(Debug, clap::Args)]
pub struct Stop {
    #[command(flatten)]
    nodes: NodeArgs,

    #[command(flatten)]
    lock: LockArgs,
}

impl Stop {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        let layout = cx.layout()?;
        let nodes = cx.select(&layout, &self.nodes)?;
        let outcomes =
            cx.change(&layout, &self.lock, Needs::Deployed, &deploy::hosts_of(&nodes), async |settings, progress| {
                Ok(deploy::stop(&layout, &nodes, settings, progress).await)
            })?;
        cx.conclude(&layout, &outcomes)
    }
}
