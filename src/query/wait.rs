//! `wait`: until the cluster is as expected, driven by the agents' streams of changes.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::ask::Silent;
use super::settings::Settings;
use super::standing;
use super::watch::follow;
use crate::api::agent::{AgentStatus, NodeState, NodeStatus};
use crate::api::outcome::{ErrorInfo, Kind, Outcome};
use crate::layout::{Layout, Node};

/// What to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// All selected nodes have joined.
    AllActive,
    /// At least so many of them have.
    Active(usize),
    /// None of them runs.
    AllStopped,
}

impl Condition {
    fn wants(self, state: NodeState) -> bool {
        match self {
            Condition::AllStopped => state == NodeState::Stopped,
            Condition::AllActive | Condition::Active(_) => state == NodeState::Running,
        }
    }

    fn holds(self, there: usize, nodes: usize) -> bool {
        match self {
            Condition::AllActive | Condition::AllStopped => there == nodes,
            Condition::Active(enough) => there >= enough,
        }
    }
}

/// What each host said last.
type Answers = BTreeMap<String, Result<AgentStatus, Silent>>;

/// Waits until the condition holds, `within` at most; one outcome per node: `ok` when it is as expected or need not be any
/// more, `timed_out` with the reason when it is late.
pub async fn wait(
    layout: &Layout,
    nodes: &[&Node],
    settings: &Settings,
    condition: Condition,
    within: Duration,
) -> Vec<Outcome> {
    let started = Instant::now();
    let mut news = follow(layout, nodes, settings);
    let mut answers = Answers::new();
    loop {
        let there = nodes.iter().filter(|node| condition.wants(state(node, &answers))).count();
        let met = condition.holds(there, nodes.len());
        let next = match met {
            true => None,
            false => timeout_at(started + within, news.recv()).await.ok().flatten(),
        };
        let Some((host, answer)) = next else {
            let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            return nodes
                .iter()
                .filter(|node| !met || condition.wants(state(node, &answers)))
                .map(|node| outcome(node, condition, &answers, elapsed_ms))
                .collect();
        };
        answers.insert(host, answer);
    }
}

fn find<'a>(node: &Node, answers: &'a Answers) -> Option<&'a NodeStatus> {
    let status = answers.get(&node.host)?.as_ref().ok()?;
    status.nodes.iter().find(|found| found.name == node.name)
}

/// A node that is not deployed is as stopped as one can be; of a host without an answer nothing is known.
fn state(node: &Node, answers: &Answers) -> NodeState {
    match answers.get(&node.host) {
        Some(Ok(_)) => match find(node, answers) {
            None => NodeState::Stopped,
            Some(found) if unseen(found, answers).is_some() => NodeState::Degraded,
            Some(found) => found.state,
        },
        Some(Err(silent)) => silent.state(&node.name).0,
        None => NodeState::Unknown,
    }
}

/// See [`standing::unseen`].
fn unseen(found: &NodeStatus, answers: &Answers) -> Option<String> {
    standing::unseen(found, answers.values().filter_map(|answer| answer.as_ref().ok()))
}

fn outcome(node: &Node, condition: Condition, answers: &Answers, elapsed_ms: u64) -> Outcome {
    let state = state(node, answers);
    let as_expected = condition.wants(state);
    let hint = match answers.get(&node.host) {
        Some(Err(silent)) => silent.error.hint.clone(),
        _ => None,
    };
    let error = (!as_expected).then(|| ErrorInfo { what: why(node, state, answers), hint });
    Outcome {
        target: node.name.clone(),
        host: node.host.clone(),
        kind: if as_expected { Kind::Ok } else { Kind::TimedOut },
        step: "wait".to_owned(),
        elapsed_ms,
        error,
    }
}

fn why(node: &Node, state: NodeState, answers: &Answers) -> String {
    let reason = match answers.get(&node.host) {
        Some(Err(silent)) => Some(silent.state(&node.name).1),
        _ => find(node, answers).and_then(|found| unseen(found, answers).or_else(|| found.error.clone())),
    };
    match reason {
        Some(reason) => format!("still {}: {reason}", state.as_str()),
        None => format!("still {}", state.as_str()),
    }
}
