//! `install`: everything of `deploy` but starting.

use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::deploy;

/// Install the layout on its hosts without starting anything
///
/// Uploads this program and each node's files where they are missing and makes them the current release. Nodes that run
/// keep running with what they were started with until `zeek-cluster deploy` or `zeek-cluster restart`.
#[derive(Debug, clap::Args)]
pub struct Install {}

impl Install {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        let layout = cx.layout()?;
        let settings = cx.reach();
        let curve = cx.curve_keys(&layout)?;
        let progress = cx.printer.progress();
        let installed = cx.block_on(deploy::install(&layout, &settings, curve.as_ref(), &progress))?;
        progress.finish();
        let report = installed.map_err(Failure::deploy)?;
        cx.conclude(&layout, &report.outcomes)
    }
}
