//! What every command shares: the program's name and description, the global options, and the groups of arguments that
//! several commands flatten in.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{CommandFactory, Parser, ValueEnum};
use clap_complete::engine::ArgValueCompleter;

use super::commands::Command;
use super::{complete, effect, values};
use crate::deploy::quote;

/// The name under which the program is installed.
pub const PROGRAM: &str = "zeek-cluster";

/// Deploy, supervise and watch a Zeek cluster
///
/// Reads a layout (a YAML file that says which node runs on which host), brings the cluster up on this machine or on many
/// hosts over SSH, keeps it up, and answers what runs and who sees whom. Nothing but SSH is opened on the network for it,
/// and nothing needs root.
///
/// Every command reads the layout anew and asks the hosts that it names. Kept here are the cluster's keys, a history, and
/// what was last heard of each host.
/// Data goes to standard output, everything else to standard error. With ZEEK_CLUSTER_READ_ONLY=1 in the environment every
/// command that changes the cluster is refused.
#[derive(Debug, Parser)]
#[command(
    name = PROGRAM,
    version,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = "Start with `zeek-cluster layout check`, then `zeek-cluster deploy`. Exit statuses: `zeek-cluster help exit-status`"
)]
pub struct Args {
    /// Options that every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// The words of the command, separated by blanks, such as `layout check`.
    #[arg(skip)]
    pub words: String,
    /// Whether it changes the cluster, with the options that were given.
    #[arg(skip)]
    pub writes: bool,
}

/// The whole tree of commands, as clap knows it: what help, manual pages and completions are made from.
pub fn tree() -> clap::Command {
    effect::tag(Args::command())
}

/// Options that every command takes, before or after its name.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The layout file to read
    #[arg(
        short,
        long,
        global = true,
        value_name = "FILE",
        env = "ZEEK_CLUSTER_LAYOUT",
        default_value = "cluster.yaml"
    )]
    #[arg(value_hint = clap::ValueHint::FilePath)]
    pub layout: PathBuf,

    /// How to write the answer [default: table on a terminal, else tsv]
    #[arg(short, long, global = true, value_name = "FORMAT", value_enum)]
    pub output: Option<Format>,

    /// Say less on standard error: errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Say more on standard error; twice for every decision, three times for all traffic
    ///
    /// The environment variable ZEEK_CLUSTER_LOG takes a filter such as `debug` or `zeek_cluster::fleet=trace` and wins.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// How many hosts to talk to at once
    #[arg(long, global = true, value_name = "N", default_value = "64", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub parallel: u16,

    /// Who speaks SSH, whatever the layout says [default: `client` of its `ssh`, else builtin]
    #[arg(long, global = true, value_name = "CLIENT", value_enum)]
    pub ssh: Option<SshWay>,

    /// Give up after this time, such as `30s`, `2m` or `1.5` (seconds); each command has its own default
    #[arg(long, global = true, value_name = "TIME", value_parser = values::duration)]
    pub timeout: Option<Duration>,

    /// Answer every question with yes
    #[arg(long, global = true)]
    pub yes: bool,
}

impl Global {
    /// The `--layout` that the next command has to repeat, after a blank; empty when it is the default or set by the
    /// environment.
    pub fn layout_option(&self) -> String {
        self.layout_words().iter().map(|word| format!(" {}", quote(word))).collect()
    }

    /// The same, word by word.
    pub fn layout_words(&self) -> Vec<String> {
        let path = &self.layout;
        let set = std::env::var_os("ZEEK_CLUSTER_LAYOUT").is_some_and(|set| set == *path.as_os_str());
        match set || path == Path::new("cluster.yaml") {
            true => Vec::new(),
            false => vec!["-l".to_owned(), path.display().to_string()],
        }
    }
}

/// Who speaks SSH.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SshWay {
    /// The library in this program: fast, and enough for keys, passwords, agents, certificates and jump hosts
    Builtin,
    /// The installed OpenSSH: for FIDO keys, GSSAPI, ProxyCommand, @cert-authority and all else that its configuration says
    System,
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns for eyes
    Table,
    /// One JSON document, whatever happens; each object says its schema (zeek-cluster/v1: fields are added, none is taken away)
    Json,
    /// One JSON object a line, as soon as it is known: the same objects
    Jsonl,
    /// Tab-separated columns without a header line, for cut and awk
    Tsv,
    /// Names only, one a line
    Name,
}

/// How a command that changes the cluster deals with another one that does.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Options of commands that change the cluster")]
pub struct LockArgs {
    /// Wait while another command changes the cluster, rather than give up at once with exit status 5
    ///
    /// For so long, such as `30s` or `2m`; without a time for ten minutes. Exit status 6 when it was in vain.
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "10m")]
    #[arg(value_parser = values::duration)]
    pub wait: Option<Duration>,

    /// Do not take the cluster's lock
    ///
    /// The agent of the manager's host keeps it. When that host cannot be reached, this is the way to work on the others;
    /// nothing then keeps another operator from doing so at the same time.
    #[arg(long, conflicts_with = "wait")]
    pub no_lock: bool,
}

/// The nodes that a command is about.
#[derive(Clone, Debug, clap::Args)]
pub struct NodeArgs {
    /// The nodes, such as worker-1, worker-[1-4,7], @workers, @host:sensor-1, all, or !worker-3 to leave one out
    ///
    /// Several are added up, and & is what is in both: '@workers&@host:sensor-1'. @failed and @unreachable are what the
    /// last command that was run from here left behind. Without any, all nodes of the layout. (can be repeated)
    #[arg(value_name = "NODES", add = ArgValueCompleter::new(complete::nodes))]
    pub nodes: Vec<String>,
}

/// The hosts that a command is about.
#[derive(Clone, Debug, clap::Args)]
pub struct HostArgs {
    /// The hosts, such as sensor-1, sensor-[1-4], all, or any set of nodes (@workers, @failed) for the hosts of those nodes
    ///
    /// Several are added up. Without any, all hosts of the layout. (can be repeated)
    #[arg(value_name = "HOSTS", add = ArgValueCompleter::new(complete::hosts))]
    pub hosts: Vec<String>,
}
