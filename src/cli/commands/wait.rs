//! `wait`: until the cluster is as expected.

use std::time::Duration;

use crate::cli::args::NodeArgs;
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::query::{self, Condition};

/// Wait until nodes are as expected
///
/// Follows the agents' streams of changes, so it ends at the very moment: with exit status 0 when the condition holds, or
/// with 6 at the deadline (60 s unless `--timeout` says otherwise), naming the nodes that are late and why.
#[derive(Debug, clap::Args)]
pub struct Wait {
    #[command(flatten)]
    nodes: NodeArgs,

    /// What to wait for: active=all, active=N (at least N of them), or stopped=all
    #[arg(long = "for", value_name = "CONDITION", default_value = "active=all", value_parser = condition)]
    condition: Condition,
}

impl Wait {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        let layout = cx.layout()?;
        let nodes = cx.select(&layout, &self.nodes)?;
        let within = cx.global.timeout.unwrap_or(Duration::from_secs(60));
        let outcomes = cx.block_on(query::wait(&layout, &nodes, &cx.asking(), self.condition, within))?;
        cx.conclude(&layout, &outcomes)
    }
}

/// Reads a condition.
fn condition(text: &str) -> Result<Condition, String> {
    match text.split_once('=') {
        Some(("active", "all")) => Ok(Condition::AllActive),
        Some(("stopped", "all")) => Ok(Condition::AllStopped),
        Some(("active", n)) => {
            n.parse().map(Condition::Active).map_err(|_| "expected active=all or active=N".to_owned())
        }
        _ => Err("expected active=all, active=N or stopped=all".to_owned()),
    }
}
