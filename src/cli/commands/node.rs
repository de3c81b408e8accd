//! `node`: one node as a process.

use std::path::PathBuf;

use crate::api::paths::ClusterDir;
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::node::{self, NodeOptions};

/// Run one node of a deployed cluster in the foreground
///
/// This is what agents start; an operator wants it to look at one node closely. Stop the node first
/// (`zeek-cluster stop NAME`), or two of the same name disturb each other.
#[derive(Debug, clap::Args)]
pub struct Node {
    #[command(subcommand)]
    command: Sub,
}

#[derive(Debug, clap::Subcommand)]
enum Sub {
    /// Run a node until SIGTERM or SIGINT
    ///
    /// Reads `current/nodes/NAME.yaml` in the cluster's folder and serves its state on `run/NAME/node.sock`.
    Run {
        /// The node's name
        #[arg(value_name = "NAME")]
        name: String,
        /// The cluster's folder on this host, `BASE/CLUSTER`
        #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
        dir: PathBuf,
    },
}

impl Node {
    pub fn run(self, _: &Context) -> Result<Status, Failure> {
        let Sub::Run { name, dir } = self.command;
        node::run(NodeOptions { dir: ClusterDir::new(dir), name }).map_err(Failure::here)?;
        Ok(Status::Done)
    }
}
