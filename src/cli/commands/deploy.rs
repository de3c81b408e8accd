//! `deploy`: from a layout to a running cluster.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::api::outcome::Outcome;
use crate::cli::args::{Format, HostArgs, LockArgs};
use crate::cli::context::Context;
use crate::cli::exit::Status;
use crate::cli::failure::Failure;
use crate::cli::values;
use crate::deploy::{
    self, DeployError, KeySource, Leaver, Leavers, Needs, OnFailure, Plan, Report, Rolling, SCHEMA, Width,
};
use crate::layout::{Layout, Node, nodeset};
use crate::query;

/// A saved plan above this size is refused before it is read.
const MAX_PLAN_BYTES: u64 = 64 << 20;

/// Bring the cluster to what the layout says
///
/// Performs what `zeek-cluster plan` shows, and nothing else: brings each node's files and this program to every host,
/// switches all hosts to them when all have them, then stops what the layout no longer has, starts what does not run
/// (loggers first, then the manager, the proxies and the workers) and restarts what changed. It ends when every node has
/// joined the cluster, when the manager does not come up, without which nobody joins, or at the deadline (60 s unless
/// `--timeout` says otherwise). Doing it again changes nothing.
///
/// Changed nodes restart part by part, type after type: one node first, then as many as `--max-unavailable` allows, each
/// part only when the one before is up again (its process runs, has joined, and sees a logger). When the change keeps old
/// and new nodes from working together (keys, the manager's address), all restart at once. What a running node takes over
/// restarts nobody: its table of nodes, intervals of clones, pings and handshakes, limits of pools, what metrics are kept,
/// and how log files are flushed, rotated, compressed and kept; `plan` says which it is. A real Zeek restarts for each.
///
/// When staging fails on a host that was reached, or another program holds a port that a node needs there, no host is
/// switched, unless `--allow-partial` is given. A host that cannot
/// be reached costs its own nodes only; deploy again when it is back. Nodes that run and that the layout does not have are
/// stopped after a question; where nobody can be asked, nothing is done without `--yes`. The files of a host that left stay. A node that moves is stopped there before it starts here.
///
/// With HOSTS (`deploy sensor-3`, `deploy @failed`) it does so on those hosts alone, and the nodes of the others are reported
/// as skipped: they stay on what they have, and so the hosts are on different releases until the others are deployed, too.
/// It is refused when a node moves between a host that is named and one that is not, and when the change would keep the
/// nodes of both from working together.
///
/// Ctrl-C begins nothing new and brings the step under way to its end; a second one leaves at once. Either way each host is
/// on a whole release, old or new, and the next deploy goes on from there.
#[derive(Debug, clap::Args)]
pub struct Deploy {
    #[command(flatten)]
    hosts: HostArgs,

    /// Perform the plan in this file, made by `plan -o json`; refused when it no longer is what has to be done
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, conflicts_with = "hosts")]
    plan: Option<PathBuf>,

    #[command(flatten)]
    rolling: RollingArgs,

    /// Go on without hosts on which staging fails or ports are held, and start nodes that moved away from a silent host
    #[arg(long)]
    allow_partial: bool,

    #[command(flatten)]
    lock: LockArgs,
}

/// How changed nodes are restarted.
#[derive(Clone, Debug, clap::Args)]
pub struct RollingArgs {
    /// How many changed nodes of a type may be down at once: a number, or a percentage of the type, rounded up
    #[arg(long, value_name = "N|N%", default_value = "25%")]
    max_unavailable: Width,

    /// How long restarted nodes may take to be up again
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = values::duration)]
    gate_timeout: Duration,

    /// Wait so long between two parts
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = values::duration)]
    pause: Duration,

    /// What to do when a restarted node does not come up
    #[arg(long, value_name = "WHAT", value_enum, default_value = "stop")]
    on_failure: Remedy,
}

/// What to do when a restarted node does not come up.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Remedy {
    /// Restart no further node
    Stop,
    /// Restart the others all the same
    Continue,
    /// Bring every host back to the release that it had
    Rollback,
}

impl RollingArgs {
    fn rolling(&self) -> Rolling {
        Rolling {
            max_unavailable: self.max_unavailable,
            gate_timeout: self.gate_timeout,
            pause: self.pause,
            on_failure: match self.on_failure {
                Remedy::Stop => OnFailure::Stop,
                Remedy::Continue => OnFailure::Continue,
                Remedy::Rollback => OnFailure::Rollback,
            },
        }
    }
}

impl Deploy {
    pub fn run(self, cx: &Context) -> Result<Status, Failure> {
        let layout = cx.layout()?;
        let Some(only) = cx.select_only(&layout, &self.hosts)? else {
            cx.printer.records::<Outcome>(&[])?;
            return Ok(Status::Done);
        };
        let saved = self.plan.as_deref().map(read_plan).transpose()?;
        let store = cx.key_store(&layout)?;
        let chosen =
            only.as_deref().or(saved.as_ref().map(|plan| plan.only.as_slice()).filter(|only| !only.is_empty()));
        let keeper = deploy::keeper(&layout);
        // The lock's host stays as it is, too, when it is left out.
        let needs = match chosen.is_none_or(|only| only.iter().any(|host| host == keeper)) {
            true => Needs::ThisProgram,
            false => Needs::Deployed,
        };
        let join_within = cx.global.timeout.unwrap_or(Duration::from_secs(60));
        let attempt = |leavers: Leavers<'_>, leaves: &mut Vec<Leaver>| {
            cx.change_in_steps(
                &layout,
                &self.lock,
                needs,
                &layout.host_names(),
                async |settings, progress, interrupt| {
                    let options = deploy::Options {
                        keys: KeySource::of(store.as_ref()),
                        join_within,
                        rolling: self.rolling.rolling(),
                        allow_partial: self.allow_partial,
                        only: only.as_deref(),
                        saved: saved.as_ref(),
                        leavers,
                        progress,
                        interrupt,
                    };
                    let deployed = deploy::deploy(&layout, settings, options).await;
                    deployed.inspect_err(|error| note_leavers(error, leaves)).map_err(Failure::deploy)
                },
            )
        };
        let report = if cx.global.yes { attempt(Leavers::Any, &mut Vec::new())? } else { ask_of_leavers(cx, attempt)? };
        show(cx, &layout, &report)
    }
}

fn note_leavers(error: &DeployError, leaves: &mut Vec<Leaver>) {
    if let DeployError::Leaves(found) = error {
        leaves.clone_from(found);
    }
}

/// Deploys; where nodes run that the layout does not have, asks and deploys again, with the lock free meanwhile.
fn ask_of_leavers(
    cx: &Context,
    mut attempt: impl FnMut(Leavers<'_>, &mut Vec<Leaver>) -> Result<Report, Failure>,
) -> Result<Report, Failure> {
    let mut approved: Vec<Leaver> = Vec::new();
    loop {
        let mut leaves = Vec::new();
        let ended = attempt(Leavers::Only(&approved), &mut leaves);
        if leaves.is_empty() || !cx.printer.is_interactive() {
            return ended;
        }
        let (count, listed) = (leaves.len(), deploy::listed(&leaves));
        let nodes = if count == 1 { "1 node".to_owned() } else { format!("{count} nodes") };
        cx.confirm(&format!("Stop {nodes} that the layout does not have: {listed}?"))?;
        approved = leaves;
    }
}

fn show(cx: &Context, layout: &Layout, report: &Report) -> Result<Status, Failure> {
    if report.unchanged() {
        cx.remember(layout, &report.outcomes);
        if cx.printer.format() != Format::Table {
            cx.printer.records(&report.outcomes)?;
        }
        let hosts = layout.hosts.len() - report.left_out.iter().filter(|(host, _)| layout.host(host).is_some()).count();
        cx.printer.status(&format!("unchanged: {hosts} {}", if hosts == 1 { "host" } else { "hosts" }));
        say_left_out(cx, report);
        return Ok(Status::Done);
    }
    let status = cx.conclude(layout, &report.outcomes)?;
    if let Some(rolled) = &report.rolled {
        match rolled.failed.is_empty() && !report.interrupted {
            true => cx.printer.status(&rolled.in_words()),
            false => cx.printer.error(&rolled.in_words()),
        }
    }
    if let Some(why) = &report.hosts_file {
        cx.printer.warning(&format!("which hosts the cluster has was not written down here: {why}"));
    }
    say_left_out(cx, report);
    if report.interrupted {
        return Ok(interrupted(cx, report));
    }
    if cx.printer.format() == Format::Table {
        show_what_runs(cx, layout)?;
    }
    if status == Status::Done && cx.printer.is_lively() {
        cx.printer.status(&next_steps());
    }
    Ok(status)
}

/// Such as `left as they are: sensor-[2-4] on release 3fa94c1d2b07, sensor-5 gives no answer`.
fn say_left_out(cx: &Context, report: &Report) {
    let mut groups: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (host, release) in &report.left_out {
        let has =
            release.as_ref().map_or("without a release that is known".to_owned(), |id| format!("on release {id}"));
        groups.entry(has).or_default().push(host);
    }
    if !groups.is_empty() {
        let said: Vec<String> =
            groups.into_iter().map(|(has, hosts)| format!("{} {has}", nodeset::fold(hosts))).collect();
        cx.printer.status(&format!("left as they are: {}", said.join(", ")));
    }
}

fn interrupted(cx: &Context, report: &Report) -> Status {
    cx.printer.error(match report.switched {
        true => "interrupted after the switch: what is skipped runs as before until the next deploy",
        false => "interrupted: no host was switched, every node runs as before",
    });
    cx.printer.hint("zeek-cluster deploy goes on from here");
    Status::Interrupted
}

fn read_plan(path: &Path) -> Result<Plan, Failure> {
    let unreadable = |error: std::io::Error| Failure::unreadable(path, &error);
    if std::fs::metadata(path).map_err(unreadable)?.len() > MAX_PLAN_BYTES {
        return Err(Failure::File { what: format!("{} is too large for a plan", path.display()), hint: None });
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let not_a_plan = |why: String| Failure::File {
        what: format!("{} is no plan of this version: {why}", path.display()),
        hint: Some("zeek-cluster plan -o json writes one".into()),
    };
    let plan: Plan = serde_json::from_str(&text).map_err(|error| not_a_plan(error.to_string()))?;
    match plan.schema == SCHEMA {
        true if plan.back => Err(Failure::File {
            what: format!("{} is the plan of a rollback", path.display()),
            hint: Some(format!("`zeek-cluster rollback {}` performs it", plan.release)),
        }),
        true => Ok(plan),
        false => Err(not_a_plan(format!("its schema is {}, expected {SCHEMA}", plan.schema))),
    }
}

/// The table of `status`, for whoever watches.
fn show_what_runs(cx: &Context, layout: &Layout) -> Result<(), Failure> {
    let nodes: Vec<&Node> = layout.nodes.iter().collect();
    let report = cx.block_on(query::status(layout, &nodes, &cx.asking(), |_| {}))?;
    cx.printer.records(&report.rows)?;
    if !report.unbooted.is_empty() {
        let hosts = nodeset::fold(report.unbooted.iter().map(String::as_str));
        let command = "zeek-cluster agent install";
        cx.printer.hint(&format!("after a reboot of {hosts} nothing starts there by itself; `{command}` changes that"));
    }
    Ok(())
}

/// What to type next.
fn next_steps() -> String {
    let line = |command: &str, what: &str| format!("  zeek-cluster {command:<14}  {what}");
    [
        "\nNext:".to_owned(),
        line("status --watch", "every change of state, as it happens"),
        line("peers", "who sees whom"),
        line("log -f", "who joins, who leaves, and why"),
        line("stop", "stop the cluster; start brings it back"),
        line("remove", "delete it from its hosts"),
    ]
    .join("\n")
}
