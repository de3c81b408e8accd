//! What a rollout will do, as data: phases in order, each a step on some hosts, each able to say itself in a sentence.

use std::collections::BTreeMap;
use std::fmt;

use super::steps::check_scripts;
use crate::api::agent::{AgentStatus, NodeState};
use crate::data::NodeType;
use crate::render::{HostRelease, Release};

/// Everything that a rollout will do, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The release that is rolled out.
    pub release: String,
    /// One after the other; the hosts of one phase at once.
    pub phases: Vec<Phase>,
}

/// One step, on all hosts that need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// What is done.
    pub step: Step,
    /// Where, and to which nodes.
    pub work: Vec<HostWork>,
}

/// A phase's part on one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostWork {
    /// The host.
    pub host: String,
    /// The nodes that the step touches; empty for steps about the host itself.
    pub nodes: Vec<String>,
}

/// The steps of a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Bring the release's files to the host; nothing there changes its behaviour.
    Stage,
    /// Let the host's Zeek read the staged scripts; nothing there changes.
    CheckScripts,
    /// Make the release the current one; no node is touched.
    Activate,
    /// Stop nodes that the layout no longer has.
    Retire,
    /// Start nodes that do not run, restart those whose configuration changed, leave the others alone.
    Apply(NodeType),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Stage => f.write_str("staging the release"),
            Step::CheckScripts => f.write_str("checking Zeek's scripts"),
            Step::Activate => f.write_str("switching to the release"),
            Step::Retire => f.write_str("stopping nodes that the layout no longer has"),
            Step::Apply(NodeType::Proxy) => f.write_str("starting proxies"),
            Step::Apply(node_type) => write!(f, "starting {node_type}s"),
        }
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

impl Plan {
    /// Decides what has to be done on the hosts that answered, from what each of them says of itself.
    pub fn new(release: &Release, hosts: &BTreeMap<String, AgentStatus>) -> Plan {
        let reached: Vec<(&HostRelease, &AgentStatus)> = release
            .hosts
            .iter()
            .filter_map(|part| hosts.get(&part.manifest.host).map(|status| (part, status)))
            .collect();
        let mut phases = vec![
            about_hosts(Step::Stage, &reached, |_, status| !has_staged(status, &release.id)),
            about_hosts(Step::CheckScripts, &reached, |part, status| {
                check_scripts::is_needed(part) && status.release.as_deref() != Some(&release.id)
            }),
            about_hosts(Step::Activate, &reached, |_, status| status.release.as_deref() != Some(&release.id)),
            about_nodes(Step::Retire, &reached, removed),
        ];
        for node_type in [NodeType::Logger, NodeType::Manager, NodeType::Proxy, NodeType::Worker] {
            phases.push(about_nodes(Step::Apply(node_type), &reached, |part, _| of_type(part, node_type)));
        }
        phases.retain(|phase| !phase.work.is_empty());
        Plan { release: release.id.clone(), phases }
    }
}

/// Whether the release is complete on the host already.
fn has_staged(status: &AgentStatus, release: &str) -> bool {
    status.release.as_deref() == Some(release) || status.releases.iter().any(|id| id == release)
}

fn about_hosts(
    step: Step,
    reached: &[(&HostRelease, &AgentStatus)],
    needs: impl Fn(&HostRelease, &AgentStatus) -> bool,
) -> Phase {
    let work = reached.iter().filter(|(part, status)| needs(part, status));
    let work = work.map(|(part, _)| HostWork { host: part.manifest.host.clone(), nodes: Vec::new() });
    Phase { step, work: work.collect() }
}

fn about_nodes(
    step: Step,
    reached: &[(&HostRelease, &AgentStatus)],
    nodes: impl Fn(&HostRelease, &AgentStatus) -> Vec<String>,
) -> Phase {
    let work =
        reached.iter().map(|(part, status)| HostWork { host: part.manifest.host.clone(), nodes: nodes(part, status) });
    Phase { step, work: work.filter(|work| !work.nodes.is_empty()).collect() }
}

/// Nodes that the host runs or would run and that the release does not have.
fn removed(part: &HostRelease, status: &AgentStatus) -> Vec<String> {
    let kept = |name: &str| part.manifest.nodes.iter().any(|node| node.name == name);
    let gone = status.nodes.iter().filter(|node| node.state != NodeState::Stopped && !kept(&node.name));
    gone.map(|node| node.name.clone()).collect()
}

fn of_type(part: &HostRelease, node_type: NodeType) -> Vec<String> {
    let nodes = part.manifest.nodes.iter().filter(|node| node.node_type == node_type);
    nodes.map(|node| node.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::agent::{API_VERSION, Manifest, ManifestNode, NodeStatus};

    fn release(hosts: &[(&str, &[(&str, NodeType)])]) -> Release {
        let part = |(host, nodes): &(&str, &[(&str, NodeType)])| HostRelease {
            manifest: Manifest {
                id: "abc".into(),
                cluster: "campus".into(),
                host: (*host).into(),
                created_at: 0.0,
                created_by: "ana@ops1".into(),
                binary: String::new(),
                stop_grace_ms: 10_000,
                files: Vec::new(),
                nodes: nodes.iter().map(|(name, node_type)| manifest_node(name, *node_type)).collect(),
                hosts: Vec::new(),
            },
            blobs: BTreeMap::new(),
        };
        Release { id: "abc".into(), hosts: hosts.iter().map(part).collect() }
    }

    fn manifest_node(name: &str, node_type: NodeType) -> ManifestNode {
        ManifestNode {
            name: name.into(),
            node_type,
            config: format!("nodes/{name}.yaml").into(),
            hash: String::new(),
            command: None,
            env: BTreeMap::new(),
            pin_cpus: Vec::new(),
        }
    }

    fn status(release: Option<&str>, nodes: &[(&str, NodeState)]) -> AgentStatus {
        let node = |(name, state): &(&str, NodeState)| NodeStatus {
            name: (*name).into(),
            node_type: NodeType::Worker,
            state: *state,
            pid: None,
            restarts: 0,
            started_at: None,
            error: None,
            running_hash: None,
            peers_up: None,
            id: None,
        };
        AgentStatus {
            api_version: API_VERSION,
            version: String::new(),
            binary: String::new(),
            pid: 1,
            started_at: 0.0,
            cluster: None,
            host: None,
            release: release.map(str::to_owned),
            releases: release.map(str::to_owned).into_iter().collect(),
            nodes: nodes.iter().map(node).collect(),
        }
    }

    fn check(release: &Release, hosts: &[(&str, AgentStatus)], expected: &[&str]) {
        let hosts = hosts.iter().map(|(host, status)| ((*host).to_owned(), status.clone())).collect();
        let phases: Vec<String> = Plan::new(release, &hosts).phases.iter().map(ToString::to_string).collect();
        assert_eq!(phases, expected);
    }

    #[test]
    fn a_first_rollout_stages_switches_and_starts_in_order() {
        let release = release(&[
            ("head", &[("manager", NodeType::Manager), ("logger", NodeType::Logger)]),
            ("sensor", &[("worker-1", NodeType::Worker), ("worker-2", NodeType::Worker)]),
        ]);
        check(
            &release,
            &[("head", status(None, &[])), ("sensor", status(None, &[]))],
            &[
                "staging the release: head, sensor",
                "switching to the release: head, sensor",
                "starting loggers: head (logger)",
                "starting managers: head (manager)",
                "starting workers: sensor (worker-1, worker-2)",
            ],
        );
    }

    #[test]
    fn what_is_there_is_not_staged_again_and_silent_hosts_are_left_out() {
        let release =
            release(&[("head", &[("manager", NodeType::Manager)]), ("sensor", &[("worker-1", NodeType::Worker)])]);
        let head = status(Some("abc"), &[("manager", NodeState::Running)]);
        check(&release, &[("head", head)], &["starting managers: head (manager)"]);
    }

    #[test]
    fn nodes_that_the_layout_lost_are_stopped_before_anything_starts() {
        let release = release(&[("head", &[("manager", NodeType::Manager)])]);
        let nodes = [("manager", NodeState::Running), ("worker-9", NodeState::Backoff), ("old", NodeState::Stopped)];
        check(
            &release,
            &[("head", status(Some("abc"), &nodes))],
            &["stopping nodes that the layout no longer has: head (worker-9)", "starting managers: head (manager)"],
        );
    }
}
