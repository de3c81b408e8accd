//! `agent`: the process that supervises the nodes of one host.

use std::path::PathBuf;

use crate::agent::{self, AgentOptions, KeeperEnd};
use crate::api::paths::ClusterDir;
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::cli::output::{Record, human, shown};
use crate::query::{self, AgentRow};

/// Run the agent of a host, or ask for it
///
/// One agent per host and cluster supervises the nodes there. Other commands start it when they need it; it outlives
/// them, and the nodes outlive it.
#[derive(Debug, clap::Args)]
pub struct Agent {
    #[command(subcommand)]
    command: Sub,
}

#[derive(Debug, clap::Subcommand)]
enum Sub {
    /// Run the agent of a cluster's folder in the foreground
    ///
    /// Adopts the nodes that run, starts those that should, and serves requests on `run/agent.sock` in the folder until
    /// it is told to end. There is at most one agent for a folder.
    Run {
        /// The cluster's folder on this host, `BASE/CLUSTER`
        #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
        dir: PathBuf,
        /// Run it in the background, and return when it listens; it writes `run/agent.log` in the folder
        #[arg(long)]
        detach: bool,
    },
    /// Keep the agent of a cluster's folder running
    ///
    /// `agent run --detach` runs this: the agent's parent, which starts it again when it dies.
    #[command(hide = true)]
    Keep {
        /// The cluster's folder on this host, `BASE/CLUSTER`
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
    },
    /// Join standard input and output to an agent's socket
    ///
    /// For SSH servers that do not forward Unix sockets; operators never need it.
    Connect {
        /// The cluster's folder on this host, `BASE/CLUSTER`
        #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
        dir: PathBuf,
    },
    /// Show the agent of each host of the layout
    ///
    /// Columns: host, running, pid, version, release, nodes, started_at, error. Starts none. Exit status 0 only when every
    /// host has a running agent.
    Status,
}

impl Agent {
    /// Whether this runs the agent itself, or keeps it up.
    pub fn is_lasting(&self) -> bool {
        matches!(self.command, Sub::Run { .. } | Sub::Keep { .. })
    }

    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        match self.command {
            Sub::Run { dir, detach: true } => {
                let program = std::env::current_exe().map_err(Failure::here)?;
                agent::start_detached(&ClusterDir::new(dir), &program).map_err(Failure::here)?;
                Ok(Status::Done)
            }
            Sub::Run { dir, detach: false } => {
                agent::run(AgentOptions { dir: ClusterDir::new(dir) }).map_err(Failure::here)?;
                Ok(Status::Done)
            }
            Sub::Keep { dir } => match agent::keep(&ClusterDir::new(dir)).map_err(Failure::here)? {
                KeeperEnd::NotNeeded => Ok(Status::Done),
                // The agent has said why, as the last line of the log: that is what its starter tells.
                KeeperEnd::NeverListened { status } => Ok(Status::Remote(status)),
            },
            Sub::Connect { dir } => {
                agent::connect(&ClusterDir::new(dir)).map_err(Failure::here)?;
                Ok(Status::Done)
            }
            Sub::Status => status(cx),
        }
    }
}

fn status(cx: &Context) -> Result<Status, Failure> {
    let layout = cx.layout()?;
    let report = cx.block_on(query::agents(&layout, &cx.asking()))?;
    cx.printer.records(&report.rows)?;
    match report.rows.iter().all(|row| row.running) {
        true => Ok(Status::Done),
        false => Ok(Status::Failed),
    }
}

impl Record for AgentRow {
    const HEADINGS: &'static [&'static str] =
        &["HOST", "RUNNING", "PID", "VERSION", "RELEASE", "NODES", "STARTED", "NOTE"];

    fn cells(&self) -> Vec<String> {
        let mut cells = self.fields();
        cells[1] = if self.running { "yes" } else { "no" }.to_owned();
        cells[6] = human::ago(self.started_at);
        cells[7] = self.error.clone().unwrap_or_default();
        cells
    }

    fn fields(&self) -> Vec<String> {
        vec![
            self.host.clone(),
            self.running.to_string(),
            shown(self.pid),
            shown(self.version.as_deref()),
            shown(self.release.as_deref()),
            shown(self.nodes),
            shown(self.started_at),
            shown(self.error.as_deref()),
        ]
    }

    fn name(&self) -> &str {
        &self.host
    }
}
