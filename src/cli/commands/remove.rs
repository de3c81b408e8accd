//! `remove`: the cluster from its hosts.

use crate::cli::args::LockArgs;
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::deploy::{self, Keep, Needs};
use crate::layout::{Layout, nodeset};

/// Stop the cluster and delete it from its hosts
///
/// Stops all nodes and deletes what was deployed from every host of the layout. What the cluster has written stays: its logs
/// and stores, unless `--all` is given; that cannot be undone. Asks first unless `--yes` is given. The layout file and the keys
/// kept here stay in any case.
#[derive(Debug, clap::Args)]
pub struct Remove {
    /// Delete the logs and stores on the hosts too
    #[arg(long)]
    all: bool,

    #[command(flatten)]
    lock: LockArgs,
}

impl Remove {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        let layout = cx.layout()?;
        let keep = if self.all { Keep::Nothing } else { Keep::LogsAndStores };
        cx.confirm(&question(&layout, keep))?;
        let outcomes =
            cx.change(&layout, &self.lock, Needs::Deployed, &layout.host_names(), async |settings, progress| {
                Ok(deploy::remove(&layout, settings, keep, progress).await)
            })?;
        cx.conclude(&layout, &outcomes)
    }
}

/// Names what will be gone.
fn question(layout: &Layout, keep: Keep) -> String {
    let hosts = nodeset::fold(layout.host_names());
    let nodes = nodeset::fold(layout.nodes.iter().map(|node| node.name.as_str()));
    let what = match keep {
        Keep::Nothing => "with its logs and stores",
        Keep::LogsAndStores => "but its logs and stores",
    };
    format!("Stop {nodes}, and delete cluster `{}` {what} from {hosts}?", layout.name)
}
