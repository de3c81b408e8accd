//! `rollback`: back to a release that was deployed before.

use std::time::Duration;

use clap_complete::engine::ArgValueCompleter;

use super::plan;
use crate::cli::args::LockArgs;
use crate::cli::complete;
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::deploy::{self, KeySource, Leavers, Needs, Rolling};

/// Go back to a release that was deployed before
///
/// Makes a release that is still on the hosts the current one again, and brings the nodes to what it says, as `deploy` does:
/// what changed is restarted, what that release did not have is stopped. Its files are not uploaded: each host first
/// verifies that its part is whole, and nothing is switched when one is not. Without a name it is the release that was
/// current before, so doing it twice goes forth again.
///
/// The layout file stays as it is, and the next `zeek-cluster deploy` goes by it. The keys in force stay in force.
/// `zeek-cluster releases` lists what there is, and `--dry-run` (or `plan --to RELEASE`) shows what would
/// change: exit status 0 when nothing, 10 when something would.
#[derive(Debug, clap::Args)]
pub struct Rollback {
    /// The release, or the beginning of its name; without it the one that was current before
    #[arg(value_name = "RELEASE", add = ArgValueCompleter::new(complete::releases))]
    release: Option<String>,

    /// Show what would change, as `plan` does, and change nothing; takes no lock
    #[arg(long, conflicts_with_all = ["wait", "no_lock"])]
    dry_run: bool,

    #[command(flatten)]
    lock: LockArgs,
}

impl Rollback {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        let layout = cx.layout()?;
        if self.dry_run {
            return plan::of_rollback(cx, &layout, self.release.as_deref());
        }
        let join_within = cx.global.timeout.unwrap_or(Duration::from_secs(60));
        let report = cx.change_in_steps(
            &layout,
            &self.lock,
            Needs::ThisProgram,
            &layout.host_names(),
            async |settings, progress, interrupt| {
                let options = deploy::Options {
                    keys: KeySource::Unencrypted,
                    join_within,
                    rolling: Rolling::default(),
                    allow_partial: false,
                    only: None,
                    saved: None,
                    leavers: Leavers::Any,
                    progress,
                    interrupt,
                };
                let rolled = deploy::rollback(&layout, settings, self.release.as_deref(), options).await;
                rolled.map_err(Failure::deploy)
            },
        )?;
        cx.printer.status(&format!("release {}", report.release));
        cx.conclude(&layout, &report.outcomes)
    }
}
