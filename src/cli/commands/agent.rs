//! `agent`: the process that supervises the nodes of one host.

use std::path::PathBuf;

use crate::agent::{self, AgentOptions, AtEnd, InstallError, Installed, KeeperEnd};
use crate::api::boot::{Boot, BootScope};
use crate::api::outcome::{ErrorInfo, Kind, Outcome};
use crate::api::paths::ClusterDir;
use crate::cli::args::HostArgs;
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::cli::output::{Column, Record, human, shown};
use crate::deploy::{self, BootChange};
use crate::query::{self, AgentRow};

/// Run the agent of a host, or ask for it
///
/// One agent per host and cluster supervises the nodes there. Commands that change something start it when they need it; it outlives
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
    /// it is told to end. There is at most one agent for a folder. SIGTERM ends it and leaves the nodes running, for the
    /// next agent to adopt; as process 1, or with `--foreground`, it ends with its nodes.
    Run {
        /// The cluster's folder on this host, `BASE/CLUSTER`
        #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
        dir: PathBuf,
        /// Run it in the background, and return when it listens; it writes `run/agent.log` in the folder
        #[arg(long)]
        detach: bool,
        /// End an agent of the folder that gives no sign of life, and take its place; nodes run on
        #[arg(long, requires = "detach")]
        replace: bool,
        /// Be the one process of a container: take care of orphans, start the agent again when it dies, and on SIGTERM or
        /// SIGINT stop the nodes in order, then end. Implied for process 1
        #[arg(long, conflicts_with = "detach")]
        foreground: bool,
        /// On SIGTERM or SIGINT stop the nodes in order, then end
        #[arg(long, conflicts_with_all = ["detach", "foreground"])]
        stop_nodes: bool,
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
    /// Let the cgroup of the agent's unit take a process again
    ///
    /// The agent divides the cgroup of its unit among its nodes, and one that is divided takes no process. The unit runs this
    /// before it starts the next agent; operators never need it.
    #[command(hide = true)]
    FreeCgroup,
    /// Join standard input and output to an agent's socket
    ///
    /// For SSH servers that do not forward Unix sockets; operators never need it.
    Connect {
        /// The cluster's folder on this host, `BASE/CLUSTER`
        #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
        dir: PathBuf,
    },
    /// Have systemd start the agents when their hosts start
    ///
    /// Writes and enables a unit `zeek-cluster-CLUSTER.service` on each host, and hands over to it from the agent that runs;
    /// no node notices. From then on systemd starts the agent at boot, and again when it dies or hangs, and the agent starts
    /// its nodes. Stopping the unit leaves the nodes running.
    ///
    /// Without `--system` or `--user` it is a unit of the system where the login is root's, else one of the user, which needs
    /// lingering to start at boot (`loginctl enable-linger`): that is turned on where the user may, else said.
    Install {
        #[command(flatten)]
        hosts: HostArgs,
        #[command(flatten)]
        scope: ScopeArgs,
        /// This folder, `BASE/CLUSTER`, on this machine alone, without a layout
        #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath, conflicts_with = "hosts")]
        dir: Option<PathBuf>,
    },
    /// Undo `agent install`
    ///
    /// Disables and removes the units. An agent that nothing starts at boot takes over from each; no node notices.
    Uninstall {
        #[command(flatten)]
        hosts: HostArgs,
        /// This folder, `BASE/CLUSTER`, on this machine alone, without a layout
        #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath, conflicts_with = "hosts")]
        dir: Option<PathBuf>,
    },
    /// Show the agent of each host of the layout
    ///
    /// Columns: host, running, pid, version, release, nodes, started_at, error, boot. The last one is what starts it with its
    /// host: `system` or `user` (a unit of systemd), `login` (a user's unit without lingering), `container`, `nothing`, or
    /// `unknown` where there is no systemd. Starts none. Exit status 0 only when every host has a running agent.
    Status,
}

/// Whose unit it is to be.
#[derive(Clone, Debug, clap::Args)]
#[group(multiple = false)]
struct ScopeArgs {
    /// A unit of the system; needs root
    #[arg(long)]
    system: bool,
    /// A unit of the user that logs in
    #[arg(long)]
    user: bool,
}

impl ScopeArgs {
    fn scope(&self) -> Option<BootScope> {
        match (self.system, self.user) {
            (true, _) => Some(BootScope::System),
            (_, true) => Some(BootScope::User),
            _ => None,
        }
    }
}

impl Agent {
    /// Whether this runs the agent itself, or keeps it up.
    pub fn is_lasting(&self) -> bool {
        matches!(self.command, Sub::Run { .. } | Sub::Keep { .. })
    }

    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        match self.command {
            Sub::Run { dir, detach: true, replace, .. } => {
                let program = std::env::current_exe().map_err(Failure::here)?;
                let hung = if replace { agent::Hung::Replace } else { agent::Hung::Leave };
                agent::start_detached(&ClusterDir::new(dir), &program, hung).map_err(Failure::here)?;
                Ok(Status::Done)
            }
            Sub::Run { dir, foreground, .. } if foreground || std::process::id() == 1 => {
                agent::foreground(&ClusterDir::new(dir)).map_err(Failure::here)?;
                Ok(Status::Done)
            }
            Sub::Run { dir, stop_nodes, .. } => {
                let at_end = if stop_nodes { AtEnd::StopNodes } else { AtEnd::LeaveNodes };
                agent::run(AgentOptions { dir: ClusterDir::new(dir), at_end }).map_err(Failure::here)?;
                Ok(Status::Done)
            }
            Sub::Keep { dir } => match agent::keep(&ClusterDir::new(dir)).map_err(Failure::here)? {
                KeeperEnd::NotNeeded => Ok(Status::Done),
                // The agent has said why, as the last line of the log: that is what its starter tells.
                KeeperEnd::NeverListened { status } => Ok(Status::Remote(status)),
            },
            Sub::FreeCgroup => {
                agent::free_cgroup().map_err(Failure::here)?;
                Ok(Status::Done)
            }
            Sub::Connect { dir } => {
                agent::connect(&ClusterDir::new(dir)).map_err(Failure::here)?;
                Ok(Status::Done)
            }
            Sub::Install { dir: Some(dir), scope, .. } => {
                let dir = ClusterDir::new(dir);
                here(cx, "install", agent::install(&dir, scope.scope()))
            }
            Sub::Uninstall { dir: Some(dir), .. } => here(cx, "uninstall", agent::uninstall(&ClusterDir::new(dir))),
            Sub::Install { hosts, scope, .. } => everywhere(cx, &hosts, BootChange::Install(scope.scope())),
            Sub::Uninstall { hosts, .. } => everywhere(cx, &hosts, BootChange::Uninstall),
            Sub::Status => status(cx),
        }
    }
}

/// What was done on this machine, as the outcome of one target.
fn here(cx: &Context, step: &str, done: Result<Installed, InstallError>) -> Result<Status, Failure> {
    let (kind, error) = match done {
        Ok(Installed::Done(_) | Installed::Removed) => (Kind::Ok, None),
        Ok(Installed::Unchanged(_) | Installed::NotThere) => (Kind::Unchanged, None),
        Err(error) => {
            let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
            (Kind::Failed, Some(ErrorInfo { what: format!("{error}{source}"), hint: error.hint() }))
        }
    };
    let (target, host, step) = ("this machine".to_owned(), String::new(), step.to_owned());
    cx.conclude_here(Outcome { target, host, kind, step, elapsed_ms: 0, error })
}

fn everywhere(cx: &Context, hosts: &HostArgs, change: BootChange) -> Result<Status, Failure> {
    let layout = cx.layout()?;
    let names: Vec<&str> = cx.select_hosts(&layout, hosts)?.iter().map(|host| host.name.as_str()).collect();
    let settings = cx.reach();
    let bar = cx.printer.progress();
    let outcomes = cx.block_on(deploy::change_boot(&layout, &names, change, &settings, &bar))?;
    bar.finish();
    cx.conclude(&layout, &outcomes.map_err(Failure::lock)?)
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
    const COLUMNS: &'static [Column] = &[
        Column::stays("HOST"),
        Column::stays("RUNNING"),
        Column::gives("PID", 6),
        Column::gives("VERSION", 5),
        Column::gives("RELEASE", 7),
        Column::gives("NODES", 3),
        Column::gives("STARTED", 4),
        Column::gives("BOOT", 2),
        Column::note("NOTE"),
    ];

    fn cells(&self) -> Vec<String> {
        let mut cells = self.fields();
        cells[1] = if self.running { "yes" } else { "no" }.to_owned();
        cells[6] = human::ago(self.started_at);
        cells.swap(7, 8);
        cells[8] = self.error.clone().unwrap_or_default();
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
            shown(self.boot.map(Boot::as_str)),
        ]
    }

    fn name(&self) -> &str {
        &self.host
    }
}
