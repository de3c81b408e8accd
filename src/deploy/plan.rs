//! What a deploy will do, as a value: per host what differs and why, then the steps in order. `plan` shows it, `deploy`
//! performs it; saved as JSON it can be reviewed and performed later, if nothing moved meanwhile.
//!
//! Compatibility: [`SCHEMA`] names the shape. A secret is never in a plan: of files with keys only that they change.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::api::outcome::{ErrorInfo, Kind};
use crate::data::NodeType;

/// The shape of a plan's JSON.
pub const SCHEMA: &str = "zeek-cluster/plan/v1";

/// Everything that a deploy will do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// [`SCHEMA`].
    pub schema: String,
    /// The cluster's name.
    pub cluster: String,
    /// SHA-256 of the resolved layout, lower-case hex.
    pub layout: String,
    /// The release that the layout becomes.
    pub release: String,
    /// Whether that release was on the hosts before: what `rollback` would do.
    #[serde(default)]
    pub back: bool,
    /// The hosts that it is about; empty for all.
    #[serde(default)]
    pub only: Vec<String>,
    /// Whether it goes on although something keeps a host from taking part.
    pub allow_partial: bool,
    /// Why the changed nodes restart all at once; none: one part after the other, each waiting for the one before.
    #[serde(default)]
    pub together: Option<String>,
    /// The hosts of the layout in its order, then those that it no longer has.
    pub hosts: Vec<HostPlan>,
    /// One after the other; the hosts of one phase at once.
    pub steps: Vec<Phase>,
    /// What the change of the layout means beyond its nodes, in sentences.
    #[serde(default)]
    pub consequences: Vec<String>,
}

/// What differs on one host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostPlan {
    /// The host.
    pub host: String,
    /// How it was found.
    pub state: HostState,
    /// Why it gave no answer.
    #[serde(default)]
    pub error: Option<ErrorInfo>,
    /// Whether it was not reached, or refused; set together with `error`.
    #[serde(default)]
    pub kind: Option<Kind>,
    /// What it said of itself: a plan is performed only while this holds.
    pub observed: Observed,
    /// The nodes' program, when it changes.
    #[serde(default)]
    pub program: Option<ProgramChange>,
    /// Files of the release that differ.
    #[serde(default)]
    pub files: Vec<FileChange>,
    /// Nodes for which something is done.
    #[serde(default)]
    pub nodes: Vec<NodeChange>,
    /// Ports that nodes which start or restart need and other programs hold: with any of them nothing is switched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taken_ports: Vec<TakenPort>,
}

/// A port that a node needs and another program holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenPort {
    /// TCP.
    pub port: u16,
    /// The node.
    pub node: String,
    /// The program and its process, such as `nginx (pid 77)`.
    pub by: String,
}

impl TakenPort {
    /// As a sentence.
    pub fn on(&self, host: &str) -> String {
        format!("port {} of {} on {host} is held by {}", self.port, self.node, self.by)
    }
}

/// How a host was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostState {
    /// It has a release.
    Deployed,
    /// Nothing was deployed there yet.
    Empty,
    /// It gave no answer, and is left out.
    Silent,
    /// It is not in the layout any more.
    Leaving,
    /// The operator left it out: it stays as it is.
    LeftOut,
}

/// What a host said of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// Its current release.
    pub release: Option<String>,
    /// The program of that release.
    pub binary: Option<String>,
    /// By node: the hash of the configuration that its process runs with; none without a process.
    pub running: BTreeMap<String, Option<String>>,
}

/// The program that runs the nodes, by SHA-256.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramChange {
    /// Now.
    pub from: String,
    /// Then.
    pub to: String,
}

/// A file of a release that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChange {
    /// Within the release.
    pub path: PathBuf,
    /// What happens to it.
    pub change: Change,
    /// Whether it holds a key, so that it is never shown.
    #[serde(default)]
    pub secret: bool,
    /// Unified, without its two header lines; none for a secret, for a file that comes or goes, and for one that is not text.
    #[serde(default)]
    pub diff: Option<String>,
}

/// What happens to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is new.
    Added,
    /// Its content differs.
    Changed,
    /// The release no longer has it.
    Removed,
}

/// A node for which something is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeChange {
    /// The node.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub node_type: NodeType,
    /// What is done.
    pub action: Action,
    /// Why, in words; at least one reason.
    pub why: Vec<String>,
}

/// What is done with a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is stopped, as this host no longer has it.
    Stop,
    /// It takes over what changed while it runs.
    Update,
    /// It is started.
    Start,
    /// It is stopped and started again.
    Restart,
    /// It should start and does not, as it may still run elsewhere.
    Hold,
}

impl Action {
    /// The word of the machine formats.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Stop => "stop",
            Action::Update => "update",
            Action::Start => "start",
            Action::Restart => "restart",
            Action::Hold => "hold",
        }
    }
}

/// One step, on all hosts that need it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// What is done.
    #[serde(flatten)]
    pub step: Step,
    /// The same as a sentence.
    pub what: String,
    /// Where, and to which nodes.
    pub work: Vec<HostWork>,
}

/// A phase's part on one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostWork {
    /// The host.
    pub host: String,
    /// The nodes that the step touches; empty for steps about the host itself.
    #[serde(default)]
    pub nodes: Vec<String>,
}

/// The steps of a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", content = "type", rename_all = "snake_case")]
pub enum Step {
    /// Bring the release's files to the host; nothing there changes its behaviour.
    Stage,
    /// Let the host's Zeek read the staged scripts; nothing there changes.
    CheckScripts,
    /// Make the release the current one; no node is touched.
    Activate,
    /// Stop nodes that the layout no longer has on this host.
    Retire,
    /// Give nodes that run on what they can take over without a restart.
    Update,
    /// Start nodes that do not run.
    Start(NodeType),
    /// Restart nodes whose configuration or program changed.
    Restart(NodeType),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Stage => f.write_str("staging the release"),
            Step::CheckScripts => f.write_str("checking Zeek's scripts"),
            Step::Activate => f.write_str("switching to the release"),
            Step::Retire => f.write_str("stopping nodes that do not belong there any more"),
            Step::Update => f.write_str("telling running nodes what changed"),
            Step::Start(node_type) => write!(f, "starting {}", plural(*node_type)),
            Step::Restart(node_type) => write!(f, "restarting {}", plural(*node_type)),
        }
    }
}

fn plural(node_type: NodeType) -> String {
    match node_type {
        NodeType::Proxy => "proxies".to_owned(),
        other => format!("{other}s"),
    }
}

impl fmt::Display for Phase {
    /// Such as `starting workers: sensor-1 (worker-1, worker-2), sensor-2 (worker-3)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let work = self.work.iter().map(|work| match work.nodes.is_empty() {
            true => work.host.clone(),
            false => format!("{} ({})", work.host, work.nodes.join(", ")),
        });
        write!(f, "{}: {}", self.step, work.collect::<Vec<_>>().join(", "))
    }
}

impl Phase {
    /// A step that says itself.
    pub fn new(step: Step, work: Vec<HostWork>) -> Phase {
        Phase { step, what: step.to_string(), work }
    }
}

impl Plan {
    /// Whether everything that answered is as the layout says.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Hosts that gave no answer, with what kept them from it.
    pub fn silent(&self) -> impl Iterator<Item = (&str, Kind, &ErrorInfo)> {
        self.hosts.iter().filter_map(|host| Some((host.host.as_str(), host.kind?, host.error.as_ref()?)))
    }

    /// Hosts that stay as they are because the operator left them out, and the release that each has, where it said so.
    pub fn left_out(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let left_out = self.hosts.iter().filter(|host| host.state == HostState::LeftOut);
        left_out.map(|host| (host.host.as_str(), host.observed.release.as_deref()))
    }

    /// What is done with nodes: the host of each and the change.
    pub fn changes(&self) -> impl Iterator<Item = (&str, &NodeChange)> {
        self.hosts.iter().flat_map(|host| host.nodes.iter().map(|change| (host.host.as_str(), change)))
    }

    /// Such as `2 hosts, 3 files, restart 4 of 12 nodes`; `nodes` is how many the layout has.
    pub fn summary(&self, nodes: usize) -> String {
        if self.is_empty() {
            let answered = |host: &&HostPlan| host.error.is_none() && host.state != HostState::LeftOut;
            let answered = self.hosts.iter().filter(answered).count();
            let says = if self.back { format!("in release {}", self.release) } else { "as the layout says".to_owned() };
            return format!("nothing to do: {} {says}", counted(answered, "host is", "hosts are"));
        }
        let touched = self.steps.iter().flat_map(|phase| &phase.work).map(|work| &work.host);
        let hosts = touched.collect::<std::collections::BTreeSet<_>>().len();
        let files: usize = self.hosts.iter().map(|host| host.files.len()).sum();
        let words = [Action::Stop, Action::Update, Action::Start, Action::Restart, Action::Hold].map(|action| {
            let count = self.changes().filter(|(_, change)| change.action == action).count();
            (count > 0).then(|| format!("{} {count}", action.as_str()))
        });
        let words: Vec<String> = words.into_iter().flatten().collect();
        let done = match words.is_empty() {
            true => "no node is touched".to_owned(),
            false => format!("{} of {}", words.join(", "), counted(nodes, "node", "nodes")),
        };
        format!("{}, {}, {done}", counted(hosts, "host", "hosts"), counted(files, "file", "files"))
    }

    /// What is otherwise now than when `saved` was made; empty when `self` is the same plan.
    pub fn moved_since(&self, saved: &Plan) -> Vec<String> {
        let mut moved = Vec::new();
        if self.cluster != saved.cluster {
            moved.push(format!("the plan is for cluster {}, the layout for {}", saved.cluster, self.cluster));
        }
        if self.only != saved.only {
            moved.push("it is about other hosts".to_owned());
        }
        if self.layout != saved.layout {
            moved.push("the layout was changed".to_owned());
        }
        if self.release != saved.release && moved.is_empty() {
            let why = "this program, the keys or an address changed";
            moved.push(format!("the release would be {} instead of {}: {why}", self.release, saved.release));
        }
        for host in &saved.hosts {
            match self.hosts.iter().find(|now| now.host == host.host) {
                Some(now) => moved.extend(host_moved(host, now)),
                None => moved.push(format!("{} takes no part any more", host.host)),
            }
        }
        let known = |name: &str| saved.hosts.iter().any(|host| host.host == name);
        moved.extend(self.hosts.iter().filter(|now| !known(&now.host)).map(|now| format!("{} is new", now.host)));
        if moved.is_empty() && (self.steps != saved.steps || self.together != saved.together) {
            moved.push("other steps are needed".to_owned());
        }
        moved
    }
}

fn host_moved(saved: &HostPlan, now: &HostPlan) -> Vec<String> {
    let host = &now.host;
    // What becomes of it does not concern the plan.
    if saved.state == HostState::LeftOut && now.state == HostState::LeftOut {
        return Vec::new();
    }
    if saved.state != now.state {
        let word = |state: HostState| match state {
            HostState::Deployed => "had a release",
            HostState::Empty => "had nothing deployed",
            HostState::Silent => "gave no answer",
            HostState::Leaving => "was not in the layout",
            HostState::LeftOut => "was left out",
        };
        return vec![format!("{host} {} then and now {}", word(saved.state), word(now.state))];
    }
    let (then, now) = (&saved.observed, &now.observed);
    let mut moved = Vec::new();
    if then.release != now.release {
        let name = |release: &Option<String>| release.clone().unwrap_or_else(|| "none".to_owned());
        moved.push(format!("{host} had release {} then and has {} now", name(&then.release), name(&now.release)));
    } else if then.binary != now.binary {
        moved.push(format!("{host} runs another program"));
    }
    let names: std::collections::BTreeSet<&String> = then.running.keys().chain(now.running.keys()).collect();
    for name in names {
        let running = |observed: &Observed| observed.running.get(name).cloned().flatten();
        match (running(then), running(now)) {
            (then, now) if then == now => {}
            (None, Some(_)) => moved.push(format!("{name} was started on {host}")),
            (Some(_), None) => moved.push(format!("{name} stopped on {host}")),
            (_, _) => moved.push(format!("{name} on {host} was restarted with another configuration")),
        }
    }
    moved
}

/// `1 host`, `2 hosts`.
pub(super) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// The nodes that one phase touches, all hosts together.
pub(super) fn nodes_of(phase: &Phase) -> impl Iterator<Item = (&str, &str)> {
    phase.work.iter().flat_map(|work| work.nodes.iter().map(|node| (work.host.as_str(), node.as_str())))
}
