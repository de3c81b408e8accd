//! The answer to `GET /v1/diag`: all that a host can tell about its nodes, secrets left out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::agent::{AgentStatus, NodeStatus};
use super::events::HostEvent;
use super::node::NodeView;

/// Replaces a secret.
pub const REDACTED: &str = "[redacted]";

/// One host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostDiag {
    /// The agent and all nodes of the host in short.
    pub agent: AgentStatus,
    /// The end of what the agent says of itself (`agent.log`).
    pub agent_log: String,
    /// The last events of the host, oldest first.
    pub events: Vec<HostEvent>,
    /// The nodes that were asked for.
    pub nodes: Vec<NodeDiag>,
}

/// One node in full.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeDiag {
    /// Its state, and why.
    pub status: NodeStatus,
    /// Since when it is in that state, as far as the events tell, seconds since the epoch.
    pub since: Option<f64>,
    /// The node's own view of itself and its peers, while it answers.
    pub view: Option<NodeView>,
    /// Current and peak memory of its processes, while it has any.
    pub memory: Option<PeakMemory>,
    /// Its last crashes, the newest first.
    pub crashes: Vec<CrashView>,
    /// The core file of the last crash.
    pub core: Option<CoreView>,
    /// Its configuration file in the current release (YAML).
    pub config: Option<String>,
    /// The environment that the layout sets.
    pub env: BTreeMap<String, String>,
    /// Its last events, oldest first.
    pub events: Vec<HostEvent>,
    /// The end of its standard error.
    pub stderr: String,
    /// The end of its standard output.
    pub stdout: String,
}

/// Memory of all processes of a node's session together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeakMemory {
    /// How many processes they are.
    pub processes: u64,
    /// Resident now, bytes (`VmRSS`).
    pub rss_bytes: u64,
    /// Sum of the peaks of each process, bytes (`VmHWM`).
    pub peak_bytes: u64,
    /// Peak of the node's own cgroup, bytes (`memory.peak`); none when it has no cgroup of its own.
    #[serde(default)]
    pub cgroup_peak_bytes: Option<u64>,
}

/// One folder `run/NODE/crash/TIME`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CrashView {
    /// Its name: the time in UTC.
    pub time: String,
    /// How the process ended.
    pub exit: String,
    /// The process.
    pub pid: Option<u32>,
    /// Start of the process, seconds since the epoch.
    pub started_at: Option<f64>,
    /// Its end, seconds since the epoch.
    pub ended_at: Option<f64>,
    /// The end of its standard error.
    pub stderr: String,
}

/// The core file of a crash.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CoreView {
    /// Where the kernel writes them (`/proc/sys/kernel/core_pattern`).
    pub pattern: String,
    /// The file.
    pub file: Option<String>,
    /// Its size, bytes.
    pub bytes: Option<u64>,
    /// The backtrace of all threads.
    pub backtrace: Option<String>,
    /// Why there is no file or no backtrace, and what to do about it.
    pub note: Option<String>,
}
