//! `install`: everything of `deploy` but starting.

use crate::cli::args::LockArgs;
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::deploy::{self, KeySource, Needs};

/// Install the layout on its hosts without starting anything
///
/// Uploads this program and each node's files where they are missing and makes them the current release. Nodes that run
/// keep running with what they were started with until `zeek-cluster deploy` or `zeek-cluster restart`.
#[derive(Debug, clap::Args)]
pub struct Install {
    #[command(flatten)]
    lock: LockArgs,
}

impl Install {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        let layout = cx.layout()?;
        let store = cx.key_store(&layout)?;
        let report =
            cx.change(&layout, &self.lock, Needs::ThisProgram, &layout.host_names(), async |settings, progress| {
                let installed = deploy::install(&layout, settings, KeySource::of(store.as_ref()), progress).await;
                installed.map_err(Failure::deploy)
            })?;
        cx.conclude(&layout, &report.outcomes)
    }
}
