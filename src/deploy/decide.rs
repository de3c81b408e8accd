//! From the release and what each host said of itself to a [`Plan`]: a function of both, nothing is asked here.

use std::collections::{BTreeMap, BTreeSet};

use super::diff::{self, Before};
use super::ledger::Trouble;
use super::plan::*;
use super::steps::check_scripts;
use crate::api::agent::{AgentStatus, DamagedPart, ManifestNode, NodeState, NodeStatus};
use crate::data::NodeType;
use crate::layout::nodeset;
use crate::render::{HostRelease, Release};

#[cfg(test)]
mod tests;

/// The order in which types start and restart.
const ORDER: [NodeType; 4] = [NodeType::Logger, NodeType::Manager, NodeType::Proxy, NodeType::Worker];

/// Why a node starts that was nowhere before.
const NEW: &str = "it is new";

/// What is known of a host.
pub(super) enum Found {
    /// It was reached, and nothing is deployed there.
    Empty,
    /// Its agent answered.
    Seen(Box<AgentStatus>, Before),
    /// It gave no answer.
    Silent(Trouble),
}

/// A host that is not in the layout any more, and the nodes that it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Former {
    pub(super) host: String,
    pub(super) nodes: Vec<String>,
}

/// What a plan is made from.
pub(super) struct Question<'a> {
    pub(super) cluster: &'a str,
    /// SHA-256 of the layout.
    pub(super) layout: &'a str,
    pub(super) release: &'a Release,
    /// Whether the release was on the hosts before: then it, and not the layout, says what there is.
    pub(super) back: bool,
    /// By host; a host of which nothing is known is left out like a silent one.
    pub(super) found: &'a BTreeMap<String, Found>,
    /// What was deployed last, host by host, those of the layout included.
    pub(super) last: &'a [Former],
    pub(super) allow_partial: bool,
    /// The hosts that it is about; none for all.
    pub(super) only: Option<&'a [String]>,
    /// By host: ports of the layout that other programs hold.
    pub(super) taken_ports: &'a BTreeMap<String, Vec<TakenPort>>,
}

impl Question<'_> {
    fn part(&self, host: &str) -> Option<&HostRelease> {
        self.release.hosts.iter().find(|part| part.manifest.host == host)
    }

    /// Whether the operator left the host out.
    fn leaves_out(&self, host: &str) -> bool {
        self.only.is_some_and(|only| only.iter().all(|chosen| chosen != host))
    }

    /// Why something that is there has to go.
    fn has_not(&self, what: &str) -> String {
        match self.back {
            true => format!("release {} does not have {what}", self.release.id),
            false => format!("the layout no longer has {what}"),
        }
    }
}

/// Decides what has to be done.
pub(super) fn decide(question: &Question<'_>) -> Plan {
    let parts = || question.release.hosts.iter();
    let plan_for = |part: &HostRelease| match question.leaves_out(&part.manifest.host) {
        true => left_out(question, &part.manifest.host),
        false => host(question, part),
    };
    let mut hosts: Vec<HostPlan> = parts().map(plan_for).collect();
    let is_former = |name: &&String| parts().all(|part| part.manifest.host != **name);
    hosts.extend(question.found.keys().filter(is_former).map(|name| match question.leaves_out(name) {
        true => left_out(question, name),
        false => leaving(question, name, &question.found[name]),
    }));
    let chosen = || parts().filter(|part| !question.leaves_out(&part.manifest.host));
    let together = chosen().find_map(|part| match question.found.get(&part.manifest.host) {
        Some(Found::Seen(_, before)) => diff::splits(before, part),
        _ => None,
    });
    let mut plan = Plan {
        schema: SCHEMA.to_owned(),
        cluster: question.cluster.to_owned(),
        layout: question.layout.to_owned(),
        release: question.release.id.clone(),
        back: question.back,
        only: question.only.unwrap_or_default().to_vec(),
        allow_partial: question.allow_partial,
        together: None,
        hosts,
        steps: Vec::new(),
        consequences: Vec::new(),
    };
    let restarts = plan.changes().filter(|(_, change)| change.action == Action::Restart).count();
    plan.together = together.filter(|_| restarts > 0);
    plan.steps = steps(question, &plan);
    plan.consequences = consequences(question, &plan);
    plan
}

fn host(question: &Question<'_>, part: &HostRelease) -> HostPlan {
    let mut plan = HostPlan {
        host: part.manifest.host.clone(),
        state: HostState::Silent,
        error: None,
        kind: None,
        observed: Observed::default(),
        program: None,
        files: Vec::new(),
        nodes: Vec::new(),
        taken_ports: Vec::new(),
    };
    let none = Before::default();
    let (status, before) = match question.found.get(&plan.host) {
        None => return plan,
        Some(Found::Silent(trouble)) => {
            (plan.kind, plan.error) = (Some(trouble.kind), Some(trouble.error.clone()));
            return plan;
        }
        Some(Found::Empty) => (None, &none),
        Some(Found::Seen(status, before)) => (Some(&**status), before),
    };
    plan.state = if status.is_some_and(|s| s.release.is_some()) { HostState::Deployed } else { HostState::Empty };
    plan.observed = status.map(|status| observed(status, before)).unwrap_or_default();
    if status.and_then(|status| status.release.as_ref()) != Some(&question.release.id) {
        plan.files = diff::files(before, part);
        let old = before.manifest.as_ref().map(|manifest| &manifest.binary);
        plan.program = old
            .filter(|old| **old != part.manifest.binary)
            .map(|old| ProgramChange { from: old.clone(), to: part.manifest.binary.clone() });
    }
    let nodes = part.manifest.nodes.iter();
    plan.nodes.extend(nodes.filter_map(|node| change(question, part, node, status, before)));
    plan.nodes.extend(status.into_iter().flat_map(|status| gone(question, part, status)));
    let taken = question.taken_ports.get(&plan.host).into_iter().flatten();
    plan.taken_ports =
        taken.filter(|taken| plan.nodes.iter().any(|change| listens_anew(change, taken))).cloned().collect();
    plan
}

/// Whether a change needs the port.
fn listens_anew(change: &NodeChange, taken: &TakenPort) -> bool {
    change.name == taken.node && matches!(change.action, Action::Start | Action::Restart)
}

fn observed(status: &AgentStatus, before: &Before) -> Observed {
    let running = |node: &NodeStatus| node.pid.and(node.running_hash.clone());
    Observed {
        release: status.release.clone(),
        binary: before.manifest.as_ref().map(|manifest| manifest.binary.clone()),
        running: status.nodes.iter().map(|node| (node.name.clone(), running(node))).collect(),
    }
}

fn change(
    question: &Question<'_>,
    part: &HostRelease,
    node: &ManifestNode,
    status: Option<&AgentStatus>,
    before: &Before,
) -> Option<NodeChange> {
    let there = status.and_then(|status| status.nodes.iter().find(|there| there.name == node.name));
    let (action, why) = match there {
        Some(there) if there.pid.is_some() && there.state != NodeState::Stopping => {
            let is_current = status.and_then(|status| status.release.as_ref()) == Some(&question.release.id);
            match there.running_hash.as_ref() == Some(&node.hash) {
                false if is_current => (Action::Restart, vec!["it runs an earlier configuration".to_owned()]),
                false => (Action::Restart, diff::reasons(before, part, node)),
                true if has_all(there, node) => return None,
                true => (Action::Update, diff::live_reasons(before, part, node)),
            }
        }
        there => start(question, part, node, there),
    };
    Some(NodeChange { name: node.name.clone(), node_type: node.node_type, action, why })
}

/// Whether a running process has everything that it can be given without a restart.
fn has_all(there: &NodeStatus, node: &ManifestNode) -> bool {
    let has_configuration = node.live.is_empty() || there.live_hash.as_ref() == Some(&node.live);
    has_configuration && there.limits.live() == node.limits.live()
}

/// A node without a process: it starts, unless it may still run elsewhere.
fn start(
    question: &Question<'_>,
    part: &HostRelease,
    node: &ManifestNode,
    there: Option<&NodeStatus>,
) -> (Action, Vec<String>) {
    let had = |last: &&Former| last.nodes.contains(&node.name);
    let was_here = question.last.iter().filter(had).any(|last| last.host == part.manifest.host);
    let elsewhere = question.last.iter().filter(had).find(|last| last.host != part.manifest.host && !was_here);
    let is_silent = |host: &str| !matches!(question.found.get(host), Some(Found::Empty | Found::Seen(..)));
    if let Some(last) = elsewhere.filter(|last| is_silent(&last.host) && !question.allow_partial) {
        return (Action::Hold, vec![format!("it may still run on {}, which gives no answer", last.host)]);
    }
    let former = elsewhere.map(|last| last.host.as_str()).or_else(|| from(question, part, &node.name));
    let why = match (there, former) {
        (Some(NodeStatus { error: Some(error), state, .. }), _) => format!("it is {}: {error}", state.as_str()),
        (_, Some(host)) => format!("it moves here from {host}"),
        (Some(NodeStatus { state: NodeState::Stopped, .. }), None) => "it does not run".to_owned(),
        (Some(there), None) => format!("it is {}", there.state.as_str()),
        (None, None) => NEW.to_owned(),
    };
    (Action::Start, vec![why])
}

/// Another host on which a node of that name runs.
fn from<'a>(question: &'a Question<'_>, part: &HostRelease, name: &str) -> Option<&'a str> {
    let others = question.found.iter().filter(|(host, _)| **host != part.manifest.host);
    let runs = |found: &Found| match found {
        Found::Seen(status, _) => status.nodes.iter().any(|node| node.name == name && runs_or_would(node)),
        _ => false,
    };
    others.filter(|(_, found)| runs(found)).map(|(host, _)| host.as_str()).next()
}

fn runs_or_would(node: &NodeStatus) -> bool {
    node.state != NodeState::Stopped
}

/// Nodes that the host runs or would run and that the release does not have there.
fn gone(question: &Question<'_>, part: &HostRelease, status: &AgentStatus) -> Vec<NodeChange> {
    let kept = |name: &str| part.manifest.nodes.iter().any(|node| node.name == name);
    let gone = status.nodes.iter().filter(|node| runs_or_would(node) && !kept(&node.name));
    gone.map(|node| stop(question, node)).collect()
}

fn place_now<'a>(question: &Question<'a>, name: &str) -> Option<&'a str> {
    let has = |part: &&HostRelease| part.manifest.nodes.iter().any(|node| node.name == name);
    question.release.hosts.iter().find(has).map(|part| part.manifest.host.as_str())
}

fn stop(question: &Question<'_>, node: &NodeStatus) -> NodeChange {
    let why = match place_now(question, &node.name) {
        Some(host) => format!("it moves to {host}"),
        None => question.has_not("it"),
    };
    NodeChange { name: node.name.clone(), node_type: node.node_type, action: Action::Stop, why: vec![why] }
}

/// A host that stays as it is, whatever it has.
fn left_out(question: &Question<'_>, name: &str) -> HostPlan {
    let observed = match question.found.get(name) {
        Some(Found::Seen(status, before)) => observed(status, before),
        _ => Observed::default(),
    };
    HostPlan {
        host: name.to_owned(),
        state: HostState::LeftOut,
        error: None,
        kind: None,
        observed,
        program: None,
        files: Vec::new(),
        nodes: Vec::new(),
        taken_ports: Vec::new(),
    }
}

/// Why a plan for some hosts would leave the cluster worse than it is, in sentences: a node that moves needs both its hosts,
/// and what splits the cluster needs all. A host that gives no answer is no reason: nothing can be done there.
pub(super) fn crossings(question: &Question<'_>, plan: &Plan) -> Vec<String> {
    let mut why = Vec::new();
    for (host, change) in plan.changes() {
        let other = match change.action {
            Action::Start => question.part(host).and_then(|part| from(question, part, &change.name)),
            Action::Stop => place_now(question, &change.name).filter(|place| !has(question, place, &change.name)),
            _ => None,
        };
        if let Some(other) = other.filter(|other| question.leaves_out(other)) {
            let (from, to) = if change.action == Action::Start { (other, host) } else { (host, other) };
            why.push(format!("{} moves from {from} to {to}, and {other} is left out", change.name));
        }
    }
    let comes_up = |change: &NodeChange| matches!(change.action, Action::Start | Action::Restart);
    if plan.changes().any(|(_, change)| comes_up(change)) {
        let mut apart: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (name, _) in plan.left_out() {
            if let (Some(Found::Seen(status, before)), Some(part)) = (question.found.get(name), question.part(name))
                && status.nodes.iter().any(runs_or_would)
                && let Some(split) = diff::splits(before, part)
            {
                apart.entry(split).or_default().push(name);
            }
        }
        why.extend(apart.into_iter().map(|(split, hosts)| {
            let hosts = nodeset::fold(hosts);
            format!("{split}, and the nodes of {hosts}, left out, would be apart from the others")
        }));
    }
    why
}

/// Whether a host has a node already.
fn has(question: &Question<'_>, host: &str, name: &str) -> bool {
    match question.found.get(host) {
        Some(Found::Seen(status, _)) => status.nodes.iter().any(|node| node.name == name),
        _ => false,
    }
}

/// A host that the layout no longer has: whatever runs there is stopped.
fn leaving(question: &Question<'_>, name: &str, found: &Found) -> HostPlan {
    let (kind, error) = match found {
        Found::Silent(trouble) => (Some(trouble.kind), Some(trouble.error.clone())),
        _ => (None, None),
    };
    let (observed, nodes) = match found {
        Found::Seen(status, before) => (observed(status, before), status.nodes.as_slice()),
        _ => (Observed::default(), [].as_slice()),
    };
    let stop = |node: &NodeStatus| NodeChange {
        name: node.name.clone(),
        node_type: node.node_type,
        action: Action::Stop,
        why: vec![question.has_not(&format!("host {name}"))],
    };
    HostPlan {
        host: name.to_owned(),
        state: HostState::Leaving,
        error,
        kind,
        observed,
        program: None,
        files: Vec::new(),
        nodes: nodes.iter().filter(|node| runs_or_would(node)).map(stop).collect(),
        taken_ports: Vec::new(),
    }
}

/// Whether the current release has to be brought again; a program that is gone is brought before a plan is made.
fn is_damaged(status: &AgentStatus) -> bool {
    status.damage.iter().any(|damage| damage.part != DamagedPart::Program)
}

fn steps(question: &Question<'_>, plan: &Plan) -> Vec<Phase> {
    let id = &question.release.id;
    let reached = || {
        let chosen = question.release.hosts.iter().filter(|part| !question.leaves_out(&part.manifest.host));
        chosen.filter_map(|part| match question.found.get(&part.manifest.host)? {
            Found::Empty => Some((part, None)),
            Found::Seen(status, _) => Some((part, Some(&**status))),
            Found::Silent(_) => None,
        })
    };
    let is_current = |status: Option<&AgentStatus>| {
        status.is_some_and(|status| status.release.as_ref() == Some(id) && !is_damaged(status))
    };
    let has_staged = |status: Option<&AgentStatus>| {
        is_current(status) || status.is_some_and(|status| status.releases.contains(id) && !is_damaged(status))
    };
    let hosts = |step: Step, needs: &dyn Fn(&HostRelease, Option<&AgentStatus>) -> bool| {
        let needing = reached().filter(|(part, status)| needs(part, *status));
        let work = needing.map(|(part, _)| HostWork { host: part.manifest.host.clone(), nodes: Vec::new() });
        Phase::new(step, work.collect())
    };
    let nodes = |step: Step, action: Action, node_type: Option<NodeType>| {
        let wanted =
            |change: &&NodeChange| change.action == action && node_type.is_none_or(|wanted| wanted == change.node_type);
        let work = plan.hosts.iter().map(|host| HostWork {
            host: host.host.clone(),
            nodes: host.nodes.iter().filter(wanted).map(|change| change.name.clone()).collect(),
        });
        Phase::new(step, work.filter(|work| !work.nodes.is_empty()).collect())
    };
    let mut steps = vec![
        hosts(Step::Stage, &|_, status| !has_staged(status)),
        hosts(Step::CheckScripts, &|part, status| check_scripts::is_needed(part) && !is_current(status)),
        hosts(Step::Activate, &|_, status| !is_current(status)),
        nodes(Step::Retire, Action::Stop, None),
        nodes(Step::Update, Action::Update, None),
    ];
    let start = |node_type| nodes(Step::Start(node_type), Action::Start, Some(node_type));
    let restart = |node_type| nodes(Step::Restart(node_type), Action::Restart, Some(node_type));
    match plan.together {
        Some(_) => steps.extend(ORDER.into_iter().flat_map(|node_type| [start(node_type), restart(node_type)])),
        None => {
            steps.extend(ORDER.into_iter().map(start));
            steps.extend(ORDER.into_iter().map(restart));
        }
    }
    steps.retain(|phase| !phase.work.is_empty());
    steps
}

/// What comes and goes, as far as it changes the work of others. Nothing is said of a first deploy.
fn consequences(question: &Question<'_>, plan: &Plan) -> Vec<String> {
    let is_first = plan.hosts.iter().all(|host| host.state != HostState::Deployed);
    if is_first {
        return Vec::new();
    }
    let damaged = question.found.iter().filter(|(host, _)| !question.leaves_out(host)).flat_map(|(host, found)| {
        let damage = if let Found::Seen(status, _) = found { status.damage.as_slice() } else { &[] };
        damage.iter().map(move |damage| format!("{host}: {}: it is brought again", damage.what))
    });
    let everywhere: BTreeSet<&str> =
        question.release.hosts.iter().flat_map(|part| &part.manifest.nodes).map(|node| node.name.as_str()).collect();
    let mut said: Vec<String> = damaged.collect();
    for (_, change) in plan.changes() {
        let moves = || plan.changes().filter(|(_, other)| other.name == change.name).count() > 1;
        let verb = match change.action {
            Action::Stop if !everywhere.contains(change.name.as_str()) => "leaves",
            Action::Start if change.why.iter().any(|why| why == NEW) && !moves() => "joins",
            _ => continue,
        };
        let effect = match (change.node_type, verb) {
            (NodeType::Proxy, _) => "pool keys are redistributed",
            (NodeType::Logger, "leaves") => "its log streams go to the other loggers",
            (NodeType::Logger, _) => "log streams are shared with it",
            _ => continue,
        };
        said.push(format!("{} {verb}: {effect}", change.name));
    }
    said
}
