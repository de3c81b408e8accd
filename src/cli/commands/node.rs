//! `node`: one node as a process.

use std::path::PathBuf;

use crate::api::paths::ClusterDir;
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::node::{self, ArchiveRequest, NodeOptions};

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
    /// Bring a log that a real Zeek rotated into the archive (Zeek runs this)
    #[command(hide = true)]
    ArchiveLog {
        /// The node that wrote the log
        #[arg(value_name = "NAME")]
        name: String,
        /// The cluster's folder on this host, `BASE/CLUSTER`
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
        /// The rotated file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The log's path, such as conn
        #[arg(value_name = "BASE")]
        base: String,
        /// Local time of opening, YY-MM-DD_HH.MM.SS
        #[arg(value_name = "OPENED")]
        opened: String,
        /// Local time of closing
        #[arg(value_name = "CLOSED")]
        closed: String,
        /// Whether Zeek is ending, and the writer's name
        #[arg(value_name = "MORE", hide = true)]
        more: Vec<String>,
    },
    /// Bring the logs that a node left open into the archive (agents run this)
    #[command(hide = true)]
    ArchiveLeftovers {
        /// The node, which does not run
        #[arg(value_name = "NAME")]
        name: String,
        /// The cluster's folder on this host, `BASE/CLUSTER`
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
        /// What the node was started with
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Let Zeek read the scripts of a staged release (`check` and `deploy` run this)
    #[command(hide = true)]
    Check {
        /// The release's id
        #[arg(value_name = "RELEASE")]
        release: String,
        /// The cluster's folder on this host, `BASE/CLUSTER`
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
    },
}

impl Node {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        match self.command {
            Sub::Run { name, dir } => {
                node::run(NodeOptions { dir: ClusterDir::new(dir), name }).map_err(Failure::here)?;
            }
            Sub::ArchiveLog { name: node, dir, file, base, opened, closed, more: _ } => {
                let request = ArchiveRequest { dir: ClusterDir::new(dir), node, file, base, opened, closed };
                node::archive_log(&request).map_err(Failure::here)?;
            }
            Sub::ArchiveLeftovers { name: _, dir, config } => {
                node::archive_leftovers(&ClusterDir::new(dir), &config).map_err(Failure::here)?;
            }
            Sub::Check { release, dir } => {
                let checked = node::check(&ClusterDir::new(dir), &release).map_err(Failure::here)?;
                cx.printer.json(&checked)?;
            }
        }
        Ok(Status::Done)
    }
}
