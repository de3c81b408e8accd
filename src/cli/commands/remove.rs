//! `remove`: the cluster from its hosts.

use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::deploy::{self, Keep};
use crate::layout::nodeset;

/// Stop the cluster and delete it from its hosts
///
/// Stops all nodes and deletes the cluster's folder on every host of the layout: releases, logs and stores with it (`--keep-logs`
/// leaves those). This cannot be undone, so it asks first unless `--yes` is given. The layout file and the keys kept here stay.
#[derive(Debug, clap::Args)]
pub struct Remove {
    /// Leave logs and stores on the hosts
    #[arg(long)]
    keep_logs: bool,
}

impl Remove {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        let layout = cx.layout()?;
        let hosts: Vec<&str> = layout.hosts.iter().map(|host| host.name.as_str()).collect();
        let keep = if self.keep_logs { Keep::LogsAndStores } else { Keep::Nothing };
        let what = if self.keep_logs { "but its logs and stores" } else { "with its logs and stores" };
        cx.confirm(&format!("Delete cluster `{}` {what} from {}?", layout.name, nodeset::fold(hosts)))?;
        let settings = cx.reach();
        let progress = cx.printer.progress();
        let outcomes = cx.block_on(deploy::remove(&layout, &settings, keep, &progress))?;
        progress.finish();
        Ok(cx.printer.outcomes(&outcomes)?)
    }
}
