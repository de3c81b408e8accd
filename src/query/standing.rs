//! Whether the cluster sees a node that its own agent calls running: both views count.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::api::agent::{AgentStatus, NodeState, NodeStatus, Unseen};

/// A node that the others have not seen for so long is not just arriving.
const UNSEEN_AFTER_S: f64 = 10.0;

/// Why a node that its agent calls running does not work as far as the others can see; none when they see it, or when none
/// of them says. The manager's view counts before all others'.
pub(super) fn unseen<'a>(node: &NodeStatus, statuses: impl Iterator<Item = &'a AgentStatus>) -> Option<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    unseen_at(node, statuses, now)
}

fn unseen_at<'a>(node: &NodeStatus, statuses: impl Iterator<Item = &'a AgentStatus>, now: f64) -> Option<String> {
    if node.state != NodeState::Running {
        return None;
    }
    // What was before its start is not about this process.
    let since = |unseen: &Unseen| unseen.since.max(node.started_at.unwrap_or_default());
    let said = statuses.flat_map(|status| &status.unseen).filter(|unseen| unseen.peer == node.name);
    let said: Vec<&Unseen> = said.filter(|unseen| now - since(unseen) >= UNSEEN_AFTER_S).collect();
    let by = said.iter().find(|unseen| unseen.by_manager).or(said.first())?;
    let seconds = (now - since(by)) as u64;
    Some(format!("{} has not seen it for {seconds} s, though it says that it has joined", by.by))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(unseen: &[(&str, &str, bool, f64)]) -> AgentStatus {
        let unseen = unseen.iter().map(|(peer, by, by_manager, since)| Unseen {
            peer: (*peer).to_owned(),
            by: (*by).to_owned(),
            by_manager: *by_manager,
            since: *since,
        });
        AgentStatus {
            api_version: 1,
            version: String::new(),
            binary: String::new(),
            pid: 1,
            started_at: 0.0,
            folder_id: None,
            cluster: None,
            host: None,
            release: None,
            releases: Vec::new(),
            nodes: Vec::new(),
            unseen: unseen.collect(),
            boot: None,
            damage: Vec::new(),
            notify: Vec::new(),
        }
    }

    #[test]
    fn ten_seconds_out_of_sight_are_enough_and_the_manager_is_named_first() {
        let statuses = [status(&[("w", "proxy", false, 80.0)]), status(&[("w", "manager", true, 85.0)])];
        let node = |name: &str, state, started_at| NodeStatus {
            name: name.to_owned(),
            node_type: crate::data::NodeType::Worker,
            state,
            pid: Some(1),
            restarts: 0,
            last_restart_at: None,
            next_try_at: None,
            started_at: Some(started_at),
            error: None,
            running_hash: None,
            live_hash: None,
            logger_up: None,
            peers_up: None,
            limits: Default::default(),
            limits_missed: Vec::new(),
            cgroup: None,
            id: None,
        };
        let at = |node: NodeStatus, now| unseen_at(&node, statuses.iter(), now);
        let why = |by: &str, seconds: u64| {
            Some(format!("{by} has not seen it for {seconds} s, though it says that it has joined"))
        };
        assert_eq!(at(node("w", NodeState::Running, 1.0), 89.0), None);
        assert_eq!(at(node("w", NodeState::Running, 1.0), 94.0), why("proxy", 14));
        assert_eq!(at(node("w", NodeState::Running, 1.0), 100.0), why("manager", 15));
        assert_eq!(at(node("w", NodeState::Running, 91.0), 100.0), None, "it has just been started");
        assert_eq!(at(node("w", NodeState::Isolated, 1.0), 100.0), None, "it knows itself");
        assert_eq!(at(node("x", NodeState::Running, 1.0), 100.0), None);
    }
}
