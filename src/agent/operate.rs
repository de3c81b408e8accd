//! What an operator asks of nodes: in the order of their types, one outcome for each name.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::leftovers;
use super::roster::Roster;
use super::supervise::{Answer, Job, JobView, TaskEnded, Verb};
use super::survivors;
use crate::api::agent::NodeState;
use crate::api::config::NodeConfig;
use crate::api::outcome::{ErrorInfo, Kind, Outcome};
use crate::api::paths::ClusterDir;

/// How long the types that start first may take after the agent's own start before the next ones are begun.
const RESUME_DEADLINE: Duration = Duration::from_secs(10);

/// How long one node may take to end with its host. Longer than any grace period that makes sense there: container
/// runtimes and service managers lose patience earlier.
const HALT_DEADLINE: Duration = Duration::from_secs(300);

/// Starts what does not run, loggers first; each type begins when the one before it is up or has failed.
pub async fn start(roster: &Roster, names: &[String], deadline: Duration) -> Vec<Outcome> {
    let end = until(deadline);
    in_order(roster, names, Order::Starting, |job| bring_up(job, Verb::Start, end)).await
}

/// Stops what runs, workers first, ends what those left running, and archives the logs of those that had to be killed. It is
/// no success while a process of the node lives.
pub async fn stop(roster: &Roster, dir: &ClusterDir, names: &[String], deadline: Duration) -> Vec<Outcome> {
    let end = until(deadline);
    let mut outcomes = in_order(roster, names, Order::Stopping, |job| bring_down(job, end)).await;
    survivors::end(dir, &mut outcomes).await;
    archive_leftovers(roster, dir, &outcomes, end).await;
    outcomes
}

/// Ends the processes of all nodes, workers first, and waits until they are gone; what operators want of them stays, so
/// that the next agent starts them again. A node that does not end within its grace period is killed by its own task.
pub async fn halt(roster: &Roster) {
    let names: Vec<String> = roster.jobs().into_iter().map(|(name, _)| name).collect();
    for outcome in in_order(roster, &names, Order::Stopping, |job| async move { halt_one(job).await }).await {
        if let Some(error) = outcome.error {
            tracing::error!(node = %outcome.target, "{}", error.what);
        }
    }
}

/// [`stop`] for every node that the roster has or that ever ran in the folder.
pub async fn stop_all(roster: &Roster, dir: &ClusterDir, deadline: Duration) -> Vec<Outcome> {
    let names: Vec<String> = roster.jobs().into_iter().map(|(name, _)| name).collect();
    let mut outcomes = stop(roster, dir, &names, deadline).await;
    let mut others: Vec<Outcome> = survivors::names(dir)
        .into_iter()
        .filter(|name| !names.contains(name))
        .map(|name| outcome(&name, &host(roster), Duration::ZERO, Done::new(Kind::Unchanged, "stop")))
        .collect();
    survivors::end(dir, &mut others).await;
    outcomes.extend(others.into_iter().filter(|outcome| outcome.kind != Kind::Unchanged));
    outcomes
}

/// Gives each a new process, one type after the other, loggers first. A node is wanted throughout, so that an agent that
/// ends half way leaves nothing stopped for good.
pub async fn restart(roster: &Roster, names: &[String], deadline: Duration) -> Vec<Outcome> {
    let end = until(deadline);
    in_order(roster, names, Order::Starting, |job| bring_up(job, Verb::Restart, end)).await
}

/// Brings nodes to what the current release says: new ones are started, changed ones restarted, those that the release no
/// longer names stopped, and those that run on are given the new node table.
pub async fn apply(roster: &Roster, dir: &ClusterDir, names: &[String], deadline: Duration) -> Vec<Outcome> {
    let end = until(deadline);
    let manifest = roster.manifest();
    let is_named =
        |name: &String| manifest.as_ref().is_some_and(|manifest| manifest.nodes.iter().any(|node| node.name == *name));
    let (named, gone): (Vec<String>, Vec<String>) = names.iter().cloned().partition(is_named);
    let mut outcomes = in_order(roster, &gone, Order::Stopping, |job| bring_down(job, end)).await;
    survivors::end(dir, &mut outcomes).await;
    archive_leftovers(roster, dir, &outcomes, end).await;
    for outcome in &mut outcomes {
        if outcome.kind.is_success() {
            forget(roster, outcome);
        }
    }
    outcomes.extend(in_order(roster, &named, Order::Starting, |job| apply_one(dir, job, end)).await);
    outcomes.sort_by_key(|outcome| names.iter().position(|name| *name == outcome.target));
    outcomes
}

/// After the agent's own start: starts what should run and does not, in order.
pub async fn resume(roster: &Roster) {
    let names: Vec<String> = roster.jobs().into_iter().map(|(name, _)| name).collect();
    in_order(roster, &names, Order::Starting, |job| bring_up(job, Verb::Resume, until(RESUME_DEADLINE))).await;
}

/// Of nodes that do not run any more.
async fn archive_leftovers(roster: &Roster, dir: &ClusterDir, outcomes: &[Outcome], end: Instant) {
    let binary = roster.manifest().map(|manifest| dir.binary(&manifest.binary));
    let stopped = outcomes.iter().filter(|outcome| outcome.kind.is_success());
    join_all(stopped.map(|outcome| leftovers::archive(dir, binary.clone(), &outcome.target, end))).await;
}

fn forget(roster: &Roster, outcome: &mut Outcome) {
    if let Err(error) = roster.forget(&outcome.target) {
        outcome.kind = Kind::Failed;
        outcome.error = Some(ErrorInfo { what: format!("its saved state cannot be removed: {error}"), hint: None });
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Starting,
    Stopping,
}

fn until(deadline: Duration) -> Instant {
    Instant::now() + deadline
}

/// How an operation on one node ended.
struct Done {
    kind: Kind,
    step: &'static str,
    error: Option<ErrorInfo>,
}

impl Done {
    fn new(kind: Kind, step: &'static str) -> Done {
        Done { kind, step, error: None }
    }

    fn because(kind: Kind, step: &'static str, what: String, hint: Option<String>) -> Done {
        Done { kind, step, error: Some(ErrorInfo { what, hint }) }
    }
}

/// One rank of node types after the other, all nodes of a rank at once; outcomes in the order of the names.
async fn in_order<F: Future<Output = Done>>(
    roster: &Roster,
    names: &[String],
    order: Order,
    operate: impl Fn(Job) -> F,
) -> Vec<Outcome> {
    let host = host(roster);
    let mut ranks: BTreeMap<i16, Vec<(&String, Job)>> = BTreeMap::new();
    let mut outcomes: BTreeMap<&String, Outcome> = BTreeMap::new();
    for name in names {
        match roster.job(name) {
            Some(job) => {
                let rank = i16::from(job.view().status.node_type.start_rank());
                let rank = if order == Order::Starting { rank } else { -rank };
                ranks.entry(rank).or_default().push((name, job));
            }
            None => {
                outcomes.insert(name, outcome(name, &host, Duration::ZERO, unknown_node(name)));
            }
        }
    }
    for nodes in ranks.into_values() {
        let operations = nodes.into_iter().map(|(name, job)| {
            let (begun, operation) = (Instant::now(), operate(job));
            async move { (name, operation.await, begun.elapsed()) }
        });
        for (name, done, elapsed) in join_all(operations).await {
            outcomes.insert(name, outcome(name, &host, elapsed, done));
        }
    }
    names.iter().filter_map(|name| outcomes.remove(name)).collect()
}

fn host(roster: &Roster) -> String {
    roster.manifest().map_or_else(String::new, |manifest| manifest.host.clone())
}

fn unknown_node(name: &str) -> Done {
    let hint = "deploy the layout that has it".to_owned();
    Done::because(Kind::Failed, "find", format!("there is no node {name} on this host"), Some(hint))
}

fn outcome(name: &str, host: &str, elapsed: Duration, done: Done) -> Outcome {
    Outcome {
        target: name.to_owned(),
        host: host.to_owned(),
        kind: done.kind,
        step: done.step.to_owned(),
        elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        error: done.error,
    }
}

/// Asks for a process, and waits until it came up or ended.
async fn bring_up(job: Job, verb: Verb, end: Instant) -> Done {
    match job.ask(verb).await {
        Ok(Answer::Unchanged) => Done::new(Kind::Unchanged, "start"),
        Ok(Answer::Began { exits }) => came_up(&job, exits, end).await,
        Err(error) => unsupervised("start", error),
    }
}

fn unsupervised(step: &'static str, error: TaskEnded) -> Done {
    Done::because(Kind::Failed, step, error.to_string(), Some("ask again: the next agent takes over".into()))
}

async fn came_up(job: &Job, exits: u64, end: Instant) -> Done {
    let stopped = |view: &JobView| view.status.state == NodeState::Stopped;
    let decided = job.until(|view| view.ready || view.exits > exits || stopped(view));
    match tokio::time::timeout_at(end.into(), decided).await {
        Ok(Err(error)) => unsupervised("start", error),
        Ok(Ok(view)) if view.exits > exits => {
            let what = view.status.error.unwrap_or_else(|| "it ended at once".into());
            Done::because(Kind::Failed, "start", what, None)
        }
        Ok(Ok(view)) if view.ready => Done::new(Kind::Ok, "start"),
        Ok(Ok(_)) => Done::because(Kind::Failed, "start", "another operator stopped it meanwhile".into(), None),
        Err(_) => {
            let why = job.view().status.error.map(|error| format!(": {error}")).unwrap_or_default();
            let what = format!("it runs and has not answered within the deadline{why}");
            Done::because(Kind::TimedOut, "start", what, None)
        }
    }
}

async fn bring_down(job: Job, end: Instant) -> Done {
    match job.ask(Verb::Stop).await {
        Ok(Answer::Unchanged) => return Done::new(Kind::Unchanged, "stop"),
        Ok(Answer::Began { .. }) => {}
        Err(error) => return unsupervised("stop", error),
    }
    let down = job.until(|view| view.status.pid.is_none());
    match tokio::time::timeout_at(end.into(), down).await {
        Ok(Err(error)) => unsupervised("stop", error),
        Ok(Ok(view)) if view.status.state != NodeState::Stopped => {
            Done::because(Kind::Failed, "stop", "another operator started it meanwhile".into(), None)
        }
        Ok(Ok(view)) => Done::new(Kind::Ok, if view.killed { "kill" } else { "stop" }),
        Err(_) => {
            let pid = job.view().status.pid.unwrap_or_default();
            let what = format!("process {pid} has not ended within the deadline");
            Done::because(Kind::TimedOut, "stop", what, Some("ask for the status: SIGKILL follows by itself".into()))
        }
    }
}

async fn halt_one(job: Job) -> Done {
    match job.ask(Verb::Halt).await {
        Ok(Answer::Unchanged) => return Done::new(Kind::Unchanged, "stop"),
        Ok(Answer::Began { .. }) => {}
        Err(error) => return unsupervised("stop", error),
    }
    match tokio::time::timeout(HALT_DEADLINE, job.until(|view| view.status.pid.is_none())).await {
        Ok(Ok(view)) => Done::new(Kind::Ok, if view.killed { "kill" } else { "stop" }),
        Ok(Err(error)) => unsupervised("stop", error),
        Err(_) => Done::because(Kind::TimedOut, "stop", "it was sent SIGKILL and has not ended".into(), None),
    }
}

async fn apply_one(dir: &ClusterDir, job: Job, end: Instant) -> Done {
    match job.ask(Verb::Apply).await {
        Ok(Answer::Began { exits }) => came_up(&job, exits, end).await,
        Ok(Answer::Unchanged) => {
            let view = job.view();
            let is_limited = view.status.pid.is_none() || view.status.limits.live() == view.limits_wanted.live();
            if !is_limited && let Err(error) = job.limit().await {
                return unsupervised("apply", error);
            }
            match (has_all(&view), is_limited) {
                (false, _) => push_changes(dir, &job).await,
                (true, false) => Done::new(Kind::Ok, "update"),
                (true, true) => Done::new(Kind::Unchanged, "apply"),
            }
        }
        Err(error) => unsupervised("apply", error),
    }
}

/// Whether there is nothing that a running node could take over without a restart.
fn has_all(view: &JobView) -> bool {
    let has = view.status.live_hash.as_ref() == Some(&view.live_wanted);
    has || view.live_wanted.is_empty() || view.view.is_none()
}

/// The node table and some options may have changed although nothing has that needs a restart.
async fn push_changes(dir: &ClusterDir, job: &Job) -> Done {
    let JobView { status, live_wanted, .. } = job.view();
    let name = status.name;
    let pushed = match read_config(dir, &name) {
        Ok(config) => match job.client().push_config(&config).await {
            Ok(()) => job.client().push_table(&config.nodes).await,
            refused => refused,
        },
        Err(why) => Err(why),
    };
    match pushed {
        Ok(()) => match job.took_over(live_wanted).await {
            Ok(()) => Done::new(Kind::Ok, "update"),
            Err(error) => unsupervised("update", error),
        },
        Err(why) => {
            let what = format!("it runs on, but has not taken over what changed: {why}");
            Done::because(Kind::Failed, "apply", what, Some(format!("zeek-cluster restart {name}")))
        }
    }
}

fn read_config(dir: &ClusterDir, name: &str) -> Result<NodeConfig, String> {
    let path = dir.current().join("nodes").join(format!("{name}.yaml"));
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_yaml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}
