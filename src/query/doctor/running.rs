//! What runs: the agent is asked on its socket, and through it every node on its own.

use std::time::Duration;

use futures_util::future::join_all;

use super::facts::Facts;
use super::{Finding, Remedy, Verdict};
use crate::agent::client::ClientError;
use crate::api::agent::{AgentStatus, DamagedPart, NodeState, NodeStatus};
use crate::api::outcome::ErrorInfo;
use crate::fleet::{Deadlines, Host, Presence, ReachKind, Session, Step};
use crate::layout::Layout;

/// How long the agent, and each node after it, may take to answer from memory.
const WITHIN: Duration = Duration::from_secs(10);

/// What the agent of a host said.
pub(super) enum Asked {
    /// No agent answers; the facts say what is there instead.
    NoAgent,
    /// One is there and gives no sign of life.
    Hung(ErrorInfo),
    /// It cannot be asked, or does not answer as it should.
    Silent(ErrorInfo),
    /// It answered.
    Said(Box<AgentStatus>, Vec<Unheard>),
}

/// A running node that does not answer on its socket.
pub(super) struct Unheard {
    name: String,
    why: String,
}

/// Asks the agent of a host, starting none, and every node that it says runs.
pub(super) async fn ask(host: &dyn Host) -> Asked {
    let deadlines = Deadlines { step: WITHIN, ..Deadlines::default() };
    let session = match host.open(Presence::Running, deadlines).await {
        Ok(session) => session,
        Err(error) if matches!(error.kind, ReachKind::NotDeployed | ReachKind::NoAgent) => return Asked::NoAgent,
        Err(error) if error.step == Step::Agent && error.kind == ReachKind::TimedOut => {
            return Asked::Hung((&error).into());
        }
        Err(error) => return Asked::Silent((&error).into()),
    };
    match session.first_status().await {
        Ok(status) => {
            let unheard = unheard(&session, &status).await;
            Asked::Said(Box::new(status), unheard)
        }
        Err(error) if error.is_not_running() => Asked::NoAgent,
        Err(error @ ClientError::Hung { .. }) => Asked::Hung(ErrorInfo { what: error.in_words(), hint: error.hint() }),
        Err(error) => Asked::Silent(ErrorInfo { what: error.in_words(), hint: error.hint() }),
    }
}

async fn unheard(session: &Session, status: &AgentStatus) -> Vec<Unheard> {
    let running = status.nodes.iter().filter(|node| matches!(node.state, NodeState::Running | NodeState::Degraded));
    let asked = running.map(|node| async move {
        let answer = session.agent().node_view(&node.name).await;
        answer.err().map(|error| Unheard { name: node.name.clone(), why: in_short(&error) })
    });
    join_all(asked).await.into_iter().flatten().collect()
}

fn in_short(error: &ClientError) -> String {
    match error {
        ClientError::Refused { info, .. } => info.what.clone(),
        other => other.in_words(),
    }
}

/// Rows of the agent, of what it says is damaged, and of each node of the layout on this host.
pub(super) fn rows(asked: &Asked, facts: &Facts, layout: &Layout, host: &str) -> Vec<Finding> {
    match asked {
        Asked::NoAgent => super::checks::agent(facts).into_iter().collect(),
        Asked::Hung(error) => vec![
            Finding::of(host, "agent", Verdict::Failed, error.what.clone())
                .hint("zeek-cluster doctor --fix ends it and starts a new one; nodes run on")
                .remedy(Remedy::StartAgent),
        ],
        Asked::Silent(error) => {
            let row = Finding::of(host, "agent", Verdict::Failed, error.what.clone());
            vec![Finding { hint: error.hint.clone(), ..row }]
        }
        Asked::Said(status, unheard) => {
            let mut rows = vec![Finding::of(host, "agent", Verdict::Ok, format!("it answers (pid {})", status.pid))];
            rows.extend(damage(status, host));
            if status.release.is_some() {
                rows.extend(nodes(status, unheard, layout, host));
            }
            rows
        }
    }
}

fn damage(status: &AgentStatus, host: &str) -> Vec<Finding> {
    let damaged = status.damage.iter().filter(|damage| damage.part != DamagedPart::Program);
    let row = |what: &str| {
        Finding::of(host, "release", Verdict::Failed, what).hint("zeek-cluster deploy brings it again; nodes run on")
    };
    damaged.map(|damage| row(&damage.what)).collect()
}

fn nodes(status: &AgentStatus, unheard: &[Unheard], layout: &Layout, host: &str) -> Vec<Finding> {
    let wanted: Vec<&str> =
        layout.nodes.iter().filter(|node| node.host == host).map(|node| node.name.as_str()).collect();
    let mut rows = Vec::new();
    for name in &wanted {
        let there = status.nodes.iter().find(|node| node.name == *name);
        let silent = unheard.iter().find(|node| node.name == *name);
        rows.extend(match (there, silent) {
            (None, _) => Some(
                node(host, Verdict::Warning, format!("{name} is not part of the deployed release"))
                    .hint("zeek-cluster deploy"),
            ),
            (Some(_), Some(Unheard { why, .. })) => {
                Some(node(host, Verdict::Failed, format!("{name}: {why}")).hint(format!("zeek-cluster restart {name}")))
            }
            (Some(there), None) => not_running(host, there),
        });
    }
    let strangers = status.nodes.iter().filter(|node| node.pid.is_some() && !wanted.contains(&node.name.as_str()));
    rows.extend(strangers.map(|stranger| {
        node(host, Verdict::Warning, format!("{} runs and is not in the layout", stranger.name))
            .hint("zeek-cluster deploy --yes stops it")
    }));
    match rows.is_empty() {
        true => vec![node(host, Verdict::Ok, format!("{} run and answer", wanted.len()))],
        false => rows,
    }
}

fn not_running(host: &str, there: &NodeStatus) -> Option<Finding> {
    let NodeStatus { name, state, error, .. } = there;
    let why = error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    let what = format!("{name} is {}{why}", state.as_str());
    Some(match state {
        NodeState::Running => return None,
        NodeState::Stopped => node(host, Verdict::Warning, what).hint(format!("zeek-cluster start {name}")),
        // On their way; what keeps them from arriving they say themselves, as `isolated` or `backoff`.
        NodeState::Starting | NodeState::Joining => node(host, Verdict::Warning, what).hint("zeek-cluster wait"),
        NodeState::Failing => node(host, Verdict::Failed, what).hint(format!("zeek-cluster restart {name}")),
        _ => node(host, Verdict::Failed, what).hint(format!("zeek-cluster output {name}")),
    })
}

fn node(host: &str, verdict: Verdict, what: String) -> Finding {
    Finding::of(host, "nodes", verdict, what)
}
