//! Waits until nodes have joined the cluster, as their agent's stream of changes says.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::api::agent::{AgentStatus, NodeState, NodeStatus};
use crate::api::outcome::{ErrorInfo, Kind, Outcome};
use crate::data::NodeType;
use crate::deploy::ledger::{self, Place, Trouble};
use crate::deploy::progress::{Event, Progress};
use crate::deploy::site::Site;
use crate::faults;
use crate::layout::Layout;

/// The step's word.
pub(in crate::deploy) const STEP: &str = "joined";

/// What a node has to have reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::deploy) enum Gate {
    /// It has joined the cluster.
    Joined,
    /// It has joined, and sees somebody who takes its logs; the time is the one that it is given, for the message.
    WithLogger(Duration),
}

/// The node without which nobody joins.
pub(in crate::deploy) fn hub(layout: &Layout) -> Option<&str> {
    let mut nodes = layout.nodes.iter();
    nodes.find(|node| node.node_type == NodeType::Manager).map(|node| node.name.as_str())
}

/// What becomes of a node that was waited for until the hub was known not to come up.
pub(in crate::deploy) fn not_waited_for(host: &str, name: &str, hub: &str) -> Outcome {
    let what = format!("not waited for any longer: {hub}, without which nobody joins, did not come up");
    let error = ErrorInfo { what, hint: Some(format!("zeek-cluster output {hub}")) };
    Trouble { error, ..Trouble::skipped(STEP, String::new()) }.outcome(name, host)
}

/// Waits for `nodes` of one host until `deadline`; one outcome per node. Nobody is stopped for being late. When the `hub` is
/// among them and does not come up, the others are waited for no longer.
pub(in crate::deploy) async fn run(
    site: &Site,
    nodes: &[String],
    deadline: Instant,
    gate: Gate,
    hub: Option<&str>,
    progress: &dyn Progress,
) -> Result<Vec<Outcome>, Trouble> {
    let trouble = |error| site.trouble(STEP, &error);
    let mut changes = site.session.agent().watch().await.map_err(trouble)?;
    faults::point("joined");
    let mut late: Vec<String> = nodes.to_vec();
    let mut outcomes = Vec::new();
    let mut last: Option<AgentStatus> = None;
    while !late.is_empty() {
        let Ok(change) = timeout_at(deadline, changes.next()).await else { break };
        let status = match change {
            Some(change) => change.map_err(|error| site.trouble(STEP, &error.into()))?,
            None => return Err(agent_ended(site)),
        };
        late.retain(|name| match settled(&site.host, name, &status, gate) {
            Some(outcome) => {
                progress.tell(Event::Done { target: name });
                outcomes.push(outcome);
                false
            }
            None => true,
        });
        last = Some(status);
        let is_lost = |hub: &&str| outcomes.iter().any(|outcome| outcome.target == *hub && !outcome.kind.is_success());
        if let Some(hub) = hub.filter(is_lost) {
            outcomes.extend(late.drain(..).map(|name| not_waited_for(&site.host, &name, hub)));
        }
    }
    outcomes.extend(late.iter().map(|name| too_late(&site.host, name, last.as_ref(), gate)));
    Ok(outcomes)
}

/// What became of a node, when that is certain: it has joined, or it does not come up by itself.
fn settled(host: &str, name: &str, status: &AgentStatus, gate: Gate) -> Option<Outcome> {
    let node = find(status, name)?;
    match node.state {
        // It gives no sign of life.
        NodeState::Degraded if node.peers_up.is_none() => None,
        // Degraded nodes take part; a deploy may be what helps them.
        NodeState::Running | NodeState::Degraded if gate != Gate::Joined && node.logger_up == Some(false) => None,
        NodeState::Running | NodeState::Degraded => Some(ledger::ok(name, host, STEP)),
        NodeState::Failing | NodeState::Stopped => {
            let what = node.error.clone().unwrap_or_else(|| format!("it is {}", node.state.as_str()));
            Some(not_joined(host, name, Kind::Failed, what))
        }
        _ => None,
    }
}

fn too_late(host: &str, name: &str, status: Option<&AgentStatus>, gate: Gate) -> Outcome {
    let still = match status.and_then(|status| find(status, name)) {
        Some(NodeStatus { state: NodeState::Running | NodeState::Degraded, .. }) => {
            "it has joined and sees no logger".to_owned()
        }
        Some(node) => match &node.error {
            Some(error) => format!("still {}: {error}", node.state.as_str()),
            None => format!("still {}", node.state.as_str()),
        },
        None => "its agent does not know it".to_owned(),
    };
    let what = match gate {
        Gate::Joined => still,
        Gate::WithLogger(after) => format!("not joined after {} s ({still})", after.as_secs_f64()),
    };
    not_joined(host, name, Kind::TimedOut, what)
}

fn not_joined(host: &str, name: &str, kind: Kind, what: String) -> Outcome {
    let hint = Some(format!("zeek-cluster output {name}"));
    let trouble = Trouble { kind, step: STEP.to_owned(), error: ErrorInfo { what, hint }, place: Place::AtWork };
    trouble.outcome(name, host)
}

fn find<'a>(status: &'a AgentStatus, name: &str) -> Option<&'a NodeStatus> {
    status.nodes.iter().find(|node| node.name == name)
}

fn agent_ended(site: &Site) -> Trouble {
    let what = format!("the agent of {} ended while its nodes were joining", site.host);
    Trouble { kind: Kind::Failed, step: STEP.to_owned(), error: ErrorInfo { what, hint: None }, place: Place::AtWork }
}
