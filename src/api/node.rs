//! `run/NODE/node.sock`: HTTP and JSON on a Unix socket of mode 0600, served by each node of ours.
//!
//! | request | answer |
//! |---|---|
//! | `GET /v1/node` | [`NodeView`] |
//! | `GET /v1/watch` | one [`NodeView`] a line (JSON), the first at once, then one at each change, until the client leaves |
//! | `GET /v1/watch?beat=true` | the same, and between them a [`Beat`] a line every 2 s: one [`WatchLine`] a line |
//! | `GET /v1/metrics` | array of [`MetricFamily`](super::metrics::MetricFamily) |
//! | `GET /v1/options` | object: option name to [`OptionView`] |
//! | `POST /v1/config` | body: [`NodeConfig`](super::config::NodeConfig), the node's table left out; takes what needs no restart (`layout::live`), the rest waits for one |
//! | `GET /v1/stores` | array of [`StoreView`](super::store::StoreView): the stores of this node |
//! | `POST /v1/stores/ask` | body: [`StoreRequest`](super::store::StoreRequest); a value of broker-json-v1 |
//! | `GET /v1/stores/watch?store=NAME` | one [`StoreChange`](super::store::StoreChange) a line, from now on |
//! | `POST /v1/layout` | body: array of [`NodeEntry`](super::config::NodeEntry); takes the new table without a restart |

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::outcome::ErrorInfo;
use crate::data::NodeType;

/// Environment variable in which an agent tells a node how often it had to be started again.
pub const RESTARTS_VARIABLE: &str = "ZEEK_CLUSTER_NODE_RESTARTS";

/// Environment variable in which an agent tells a node that its limit of open files is the layout's, and not to be raised.
pub const OPEN_FILES_VARIABLE: &str = "ZEEK_CLUSTER_OPEN_FILES";

/// What a node says of itself and of the cluster as it sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeView {
    /// `Cluster::node`.
    pub name: String,
    /// The node's type.
    #[serde(rename = "type")]
    pub node_type: NodeType,
    /// `Cluster::node_id()`: new at each start.
    pub id: String,
    /// The process.
    pub pid: u32,
    /// Version of the program.
    pub version: String,
    /// Start of the process, seconds since the epoch.
    pub started_at: f64,
    /// Whether the node takes part: its subscriptions came back through the hub and, unless it is the manager itself, it
    /// sees the manager up.
    pub joined: bool,
    /// When `joined` last changed, seconds since the epoch.
    pub joined_since: f64,
    /// Why it has not joined, in words; none when joined.
    #[serde(default)]
    pub not_joined_because: Option<String>,
    /// What it cannot do as it should although it has joined, by kind and subject; empty when all is well. An agent shows
    /// such a node as `degraded`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<Trouble>,
    /// Every other node of the layout, in layout order.
    pub peers: Vec<PeerView>,
    /// By node type: how many the layout defines and how many this node sees up (itself never counted as active).
    pub counts: BTreeMap<NodeType, Count>,
    /// The program that runs under the node; none when the layout has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<ProgramView>,
    /// Queue and drop counters by name, such as `xpub_drops`, `onloop_drops`, `msg_errors`, `log_drops`.
    pub counters: BTreeMap<String, u64>,
}

/// Something that a node cannot do as it should.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trouble {
    /// A short word with hyphens, such as `log-stalled`.
    pub kind: String,
    /// The thing in trouble, such as a file or a peer; empty where there is only one.
    pub subject: String,
    /// The whole of it in words, the subject included.
    pub text: String,
    /// Since when, seconds since the epoch.
    pub since: f64,
}

/// How often a node says that its event loop turns.
pub const BEAT_EVERY: Duration = Duration::from_secs(2);

/// A line of `/v1/watch?beat=true`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum WatchLine {
    /// The event loop turns.
    Beat(Beat),
    /// Something changed.
    View(Box<NodeView>),
}

/// A node's event loop says that it turns. It is made by the loop itself and every [`BEAT_EVERY`], so its absence tells of a
/// process that hangs, was stopped, or waits for a disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Beat {
    /// Counts from 1 on.
    pub beat: u64,
    /// Threads of the node that have not moved for 10 s or longer; the loop looks at them.
    pub stuck: Vec<StuckPart>,
}

/// A thread of a node that does not move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StuckPart {
    /// Such as `log writer`.
    pub part: String,
    /// Seconds.
    pub for_s: u64,
}

impl StuckPart {
    /// What it does, in words.
    pub fn how(&self) -> String {
        format!("stands still for {} s", self.for_s)
    }
}

/// A program that runs under a node (`command` of the layout).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramView {
    /// The process, while there is one.
    #[serde(default)]
    pub pid: Option<u32>,
    /// How often the node started it again.
    pub restarts: u64,
    /// How often it ended by itself, or could not even be started.
    pub exits: u64,
    /// Why it does not run, or did not until a moment ago, in words; none when all is well.
    #[serde(default)]
    pub trouble: Option<String>,
    /// Whether it runs for a second or longer; before that it may be one that cannot run at all.
    #[serde(default = "settled")]
    pub settled: bool,
    /// Whether it ended so often that pauses are long; it is started again all the same.
    #[serde(default)]
    pub failing: bool,
    /// Whether it runs and its health command says that it does not work.
    #[serde(default)]
    pub unhealthy: bool,
}

impl ProgramView {
    /// Whether it runs, and has for long enough to tell.
    pub fn is_up(&self) -> bool {
        self.pid.is_some() && self.settled
    }
}

/// Of a node of an older program, which does not say.
fn settled() -> bool {
    true
}

/// What a real Zeek says of the scripts of nodes that would be started alike; `node check` answers with an array of these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScriptsChecked {
    /// The nodes.
    pub nodes: Vec<String>,
    /// What Zeek refuses, and what can be done; none when all is well.
    #[serde(default)]
    pub error: Option<ErrorInfo>,
}

/// Another node as one node sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeerView {
    /// The peer's name.
    pub peer: String,
    /// The peer's type.
    #[serde(rename = "type")]
    pub node_type: NodeType,
    /// Its node id while it is up.
    #[serde(default)]
    pub id: Option<String>,
    /// Whether it is up for this node.
    pub up: bool,
    /// Since when it is up or down, seconds since the epoch; none when it was never seen.
    #[serde(default)]
    pub since: Option<f64>,
}

/// How many nodes of a type there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// `Cluster::get_node_count`.
    pub defined: u64,
    /// `Cluster::get_active_node_count`.
    pub active: u64,
}

/// The effective value of an option.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OptionView {
    /// In Zeek's script syntax.
    pub value: String,
    /// `default`, `layout`, or the environment variable that won.
    pub origin: String,
}
