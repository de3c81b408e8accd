//! What runs where: the agents' view, one row for each node that was asked for.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::StreamExt;
use serde::Serialize;
use tokio::time::timeout;

use super::ask::{self, Known, Silent};
use super::last::{LastAnswers, LastKnown};
use super::settings::Settings;
use super::skew::Versions;
use super::standing;
use crate::agent::client::ClientError;
use crate::api::agent::{AgentStatus, NodeState};
use crate::api::notify::NotifyView;
use crate::data::NodeType;
use crate::fleet::{self, Double, Session};
use crate::layout::{Layout, Node};

/// One row for each node that was asked for, in the order of the layout.
#[derive(Clone, Debug, PartialEq)]
pub struct StatusReport {
    /// The rows.
    pub rows: Vec<StatusRow>,
    /// Hosts that gave no answer.
    pub silent: Vec<Silent>,
    /// Hosts whose next start leaves their nodes down, as their agents say.
    pub unbooted: Vec<String>,
    /// Agents of another version than this program, in words; none when all are of one.
    pub skew: Option<String>,
    /// Targets of `notify:` that a host cannot reach, or that have lost messages, in words.
    pub notify: Vec<String>,
    /// Hosts of the layout that are one machine.
    pub doubles: Vec<Double>,
}

/// The state of one node. This is the JSON of `status`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StatusRow {
    /// Node name.
    pub name: String,
    /// Node type.
    #[serde(rename = "type")]
    pub node_type: NodeType,
    /// The host of the layout.
    pub host: String,
    /// `unknown` when the host gives no answer.
    pub state: NodeState,
    /// The process, while there is one.
    pub pid: Option<u32>,
    /// Restarts by the agent since it was first deployed on its host; unset when that is not known.
    pub restarts: Option<u64>,
    /// Seconds since the epoch.
    pub started_at: Option<f64>,
    /// Seconds since the process started.
    pub uptime_s: Option<f64>,
    /// What an operator has to know.
    pub error: Option<String>,
    /// Peers that it sees up, as it says itself.
    pub peers_up: Option<u64>,
    /// Peers that it has in the layout.
    pub peers: Option<u64>,
    /// The release that is current on its host.
    pub release: Option<String>,
    /// What was known of it when its host last answered; set only while that gives no answer.
    pub last_known: Option<LastKnown>,
    /// When it was restarted last, seconds since the epoch.
    pub last_restart_at: Option<f64>,
    /// When its agent will start it again, seconds since the epoch; unset while it need not.
    pub next_try_at: Option<f64>,
    /// The limits that its process was given, as a layout writes them.
    pub limits: BTreeMap<&'static str, String>,
    /// The cgroup that keeps those of memory; unset where each process is limited for itself.
    pub cgroup: Option<PathBuf>,
}

/// Asks the agents for the nodes' states; `arrived` hears each host's rows as soon as it answered or was given up.
pub async fn status(
    layout: &Layout,
    nodes: &[&Node],
    settings: &Settings,
    mut arrived: impl FnMut(&[StatusRow]),
) -> StatusReport {
    let names = ask::hosts_of(layout, nodes);
    let hosts = ask::reachable(layout, &names, settings);
    let answers = ask::ask(&hosts, settings, ask_status);
    let mut answers = pin!(answers);
    let mut rows = BTreeMap::new();
    let (mut silent, mut unbooted) = (Vec::new(), Vec::new());
    let mut last = LastAnswers::of(layout);
    let mut versions = Versions::default();
    let (mut of_hosts, mut statuses) = (Vec::new(), Vec::new());
    let mut notify = Vec::new();
    while let Some((host, answer)) = answers.next().await {
        let of_host = rows_of(&host, nodes, &answer, &last);
        if let Ok(status) = &answer {
            last.note(&host, status);
            versions.note(&host, status);
            unbooted.extend(status.boot.filter(|boot| boot.is_missing()).map(|_| host.clone()));
            notify.extend(status.notify.iter().map(|target| in_words(&host, target)));
        }
        arrived(&of_host);
        rows.extend(of_host.into_iter().map(|row| (row.name.clone(), row)));
        match answer {
            Ok(status) => {
                of_hosts.push(host);
                statuses.push(status);
            }
            Err(reason) => silent.push(reason),
        }
    }
    let doubles = fleet::doubles(of_hosts.iter().map(String::as_str).zip(&statuses));
    let rows = nodes.iter().filter_map(|node| rows.remove(&node.name));
    let rows = rows.map(|row| seen_by_the_cluster(row, &statuses)).collect();
    last.keep();
    StatusReport { rows, silent, unbooted, skew: versions.skew(), notify, doubles }
}

/// A target that is not told what it should be.
fn in_words(host: &str, target: &NotifyView) -> String {
    let NotifyView { target, waiting, dropped, error, .. } = target;
    let why = error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    format!("{host} cannot send messages to {target} ({waiting} waiting, {dropped} dropped){why}")
}

/// A node that its agent calls running and that the cluster does not see does not work.
fn seen_by_the_cluster(row: StatusRow, statuses: &[AgentStatus]) -> StatusRow {
    let found = statuses.iter().flat_map(|status| &status.nodes).find(|found| found.name == row.name);
    match found.and_then(|found| standing::unseen(found, statuses.iter())) {
        Some(why) => StatusRow { state: NodeState::Degraded, error: Some(why), ..row },
        None => row,
    }
}

/// How long nodes that an agent has just adopted may take to be heard.
const ADOPTION_WITHIN: Duration = Duration::from_secs(1);

/// The agent's status; of one that was started a moment ago only when it has heard the nodes that it adopted, or has had
/// time to.
async fn ask_status(session: &Session) -> Result<AgentStatus, ClientError> {
    let mut status = session.agent().status().await?;
    if !has_unheard_nodes(&status) {
        return Ok(status);
    }
    let mut changes = session.agent().watch().await?;
    let heard = async {
        while has_unheard_nodes(&status) {
            match changes.next().await {
                Some(Ok(change)) => status = change,
                // What is known already is an answer too.
                _ => break,
            }
        }
    };
    // A node that stays silent is shown as the agent has it.
    let _ = timeout(ADOPTION_WITHIN, heard).await;
    Ok(status)
}

/// A process older than its agent that is still `starting` was adopted and not yet heard.
fn has_unheard_nodes(status: &AgentStatus) -> bool {
    status.nodes.iter().any(|node| {
        node.state == NodeState::Starting && node.started_at.is_some_and(|started| started < status.started_at)
    })
}

/// The rows of one host's nodes, in the order of the layout.
pub(super) fn rows_of(
    host: &str,
    nodes: &[&Node],
    answer: &Result<AgentStatus, Silent>,
    last: &LastAnswers,
) -> Vec<StatusRow> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let on_host = nodes.iter().filter(|node| node.host == host);
    on_host
        .map(|node| match answer {
            Ok(status) => known(node, status, now),
            Err(silent) => unknown(node, silent, last),
        })
        .collect()
}

fn known(node: &Node, status: &AgentStatus, now: f64) -> StatusRow {
    let Some(found) = status.nodes.iter().find(|found| found.name == node.name) else {
        let reason = "not part of the deployed release (zeek-cluster deploy)".to_owned();
        return StatusRow { error: Some(reason), release: status.release.clone(), ..blank(node, NodeState::Stopped) };
    };
    StatusRow {
        pid: found.pid,
        restarts: Some(found.restarts),
        last_restart_at: found.last_restart_at,
        next_try_at: found.next_try_at,
        started_at: found.started_at,
        uptime_s: found.started_at.map(|started| (now - started).max(0.0)),
        error: found.error.clone().or_else(|| damage(status)).or_else(|| missed(&found.limits_missed)),
        peers_up: found.peers_up.map(|(up, _)| up),
        peers: found.peers_up.map(|(_, all)| all),
        release: status.release.clone(),
        limits: found.limits.words(),
        cgroup: found.cgroup.clone(),
        ..blank(node, found.state)
    }
}

/// What a node that runs well cannot know: it would not come up again, or not as it was deployed.
fn damage(status: &AgentStatus) -> Option<String> {
    status.damage.first().map(|damage| format!("{} (zeek-cluster deploy)", damage.what))
}

/// Limits that the host does not keep, or keeps in another way.
fn missed(limits: &[String]) -> Option<String> {
    (!limits.is_empty()).then(|| limits.join("; "))
}

fn unknown(node: &Node, silent: &Silent, last: &LastAnswers) -> StatusRow {
    let (state, why) = silent.state(&node.name);
    // What it was once says nothing of a node of which the present is known.
    let last_known = (silent.known == Known::Nothing).then(|| last.known(node)).flatten();
    StatusRow { error: Some(why), last_known, ..blank(node, state) }
}

fn blank(node: &Node, state: NodeState) -> StatusRow {
    StatusRow {
        name: node.name.clone(),
        node_type: node.node_type,
        host: node.host.clone(),
        state,
        pid: None,
        restarts: None,
        last_restart_at: None,
        next_try_at: None,
        limits: BTreeMap::new(),
        cgroup: None,
        started_at: None,
        uptime_s: None,
        error: None,
        peers_up: None,
        peers: None,
        release: None,
        last_known: None,
    }
}
