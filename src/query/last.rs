//! What each host said last: so that a node of a host without an answer is shown as it was, with how long ago.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::memory::Memory;
use crate::api::agent::{AgentStatus, NodeState};
use crate::layout::{Layout, Node};

/// The file of the cluster's [`Memory`].
const FILE: &str = "answers.json";

/// What was known of a node when its host last answered.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LastKnown {
    /// Its state then.
    pub state: NodeState,
    /// Its process then.
    pub pid: Option<u32>,
    /// When the host answered, seconds since the epoch.
    pub at: f64,
}

/// The last answer of each host.
pub(super) struct LastAnswers {
    memory: Memory,
    hosts: BTreeMap<String, Answer>,
    /// Whether there is anything new to keep.
    changed: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Answer {
    at: f64,
    nodes: BTreeMap<String, (NodeState, Option<u32>)>,
}

impl LastAnswers {
    /// What this machine remembers of the layout's hosts.
    pub(super) fn of(layout: &Layout) -> LastAnswers {
        let memory = Memory::of(&layout.name);
        let mut hosts: BTreeMap<String, Answer> = memory.read(FILE).unwrap_or_default();
        hosts.retain(|name, _| layout.host(name).is_some());
        LastAnswers { memory, hosts, changed: false }
    }

    /// A host has answered now.
    pub(super) fn note(&mut self, host: &str, status: &AgentStatus) {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let nodes = status.nodes.iter().map(|node| (node.name.clone(), (node.state, node.pid))).collect();
        self.hosts.insert(host.to_owned(), Answer { at, nodes });
        self.changed = true;
    }

    /// What is remembered of a node.
    pub(super) fn known(&self, node: &Node) -> Option<LastKnown> {
        let answer = self.hosts.get(&node.host)?;
        let (state, pid) = *answer.nodes.get(&node.name)?;
        Some(LastKnown { state, pid, at: answer.at })
    }

    /// Remembers the answers for the next command.
    pub(super) fn keep(&self) {
        if self.changed {
            self.memory.write(FILE, &self.hosts);
        }
    }
}
