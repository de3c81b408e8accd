//! `run/agent.sock`: HTTP and JSON on a Unix socket of mode 0600, served by the agent of one host and cluster.
//!
//! | request | body | answer |
//! |---|---|---|
//! | `GET /v1/status` | – | [`AgentStatus`]; from memory, never waits for a node |
//! | `GET /v1/watch` | – | one [`AgentStatus`] a line, the first at once, then one at each change, until the client leaves |
//! | `GET /v1/peers` | – | array of [`NodeView`](super::node::NodeView), one for each node that answered |
//! | `GET /v1/usage?sample_ms=N` (500, at most 5000) | – | [`HostUsage`]; the share of a processor is measured for that long |
//! | `GET /v1/disk` | – | [`DiskUsage`] |
//! | `POST /v1/blobs/missing` | array of hashes | array of those that are not here |
//! | `PUT /v1/blobs/HASH` | the file | 204; 422 when the content has another hash |
//! | `PUT /v1/releases/ID` | [`Manifest`] | 204 when every blob is here, its hash was computed again, and the release is complete on disk |
//! | `GET /v1/releases/ID` (`current` for the current one) | – | [`Manifest`] |
//! | `GET /v1/releases/ID/files/PATH` | – | a file of the release; 403 for one that only its owner may read: keys stay on the host |
//! | `GET /v1/keys` | – | [`CurveKeys`](super::keys::CurveKeys) of the current release, for the owner of the socket; 404 on a host that has none or not all of them |
//! | `GET /v1/releases` | – | [`ReleasesView`] |
//! | `POST /v1/releases/ID/verify` | – | [`Manifest`]: every file's and the executable's hash was computed again; a damaged file was mended from its blob, else 409 |
//! | `POST /v1/releases/ID/activate?keep=ID,ID` | – | 204: `current` points to it; no node is touched. Old releases are removed, but those to keep, which are current on other hosts |
//! | `POST /v1/nodes/start`, `/stop`, `/restart`, `/apply` with `?deadline_ms=N` (60 s) | [`NodesRequest`] | array of [`Outcome`], one for each node named |
//! | `GET /v1/nodes/NAME/output?stream=stdout\|stderr&lines=N&follow=BOOL` | – | the text |
//! | `GET /v1/nodes/NAME/api/…` | – | what the node's own socket answers |
//! | `POST /v1/nodes/NAME/api/v1/stores/ask` | [`StoreRequest`](super::store::StoreRequest) | the same |
//! | `GET /v1/log?lines=N&since=SECONDS&until=SECONDS&node=A,B&grep=REGEX&follow=BOOL` | – | one [`LogLine`] a line, oldest first |
//! | `GET /v1/events?lines=N&since=SECONDS&until=SECONDS&after=SEQ&node=A,B&follow=BOOL` | – | one [`HostEvent`](super::events::HostEvent) a line, oldest first; `after`: those with a higher number |
//! | `GET /v1/diag?nodes=A,B&lines=N&events=N&backtrace=BOOL` (no nodes, 50, 50, false) | – | [`HostDiag`](super::diag::HostDiag), secrets left out |
//! | `POST /v1/notify/test?target=NAME` | – | array of [`NotifyTested`](super::notify::NotifyTested), one for each target of `notify:`, or for that one |
//! | `POST /v1/lock?wait_ms=N` (0) | [`Holder`] | one [`LockEvent`] a line: `granted` or `held` at once (or after the wait); after `granted` the lock is kept as long as the answer is read and the lease is renewed |
//! | `PUT /v1/lock` | [`Renewal`] | 204: ten seconds more; 409 when that run does not hold the lock |
//! | `POST /v1/lock/end` | [`RunEnd`] | 204: the lock is free; 409 as above |
//! | `DELETE /v1/lock?run=RUN` | – | 204: the lock is taken from that run; 409 as above |
//! | `GET /v1/history?run=RUN&last=N` | – | array of [`HistoryEntry`], oldest first |
//! | `POST /v1/exit` | – | 202; the agent ends, the nodes run on; 423 while another run holds the lock |
//! | `POST /v1/remove?keep_logs=BOOL&deadline_ms=N` (true, 60 s) | – | array of outcomes; nodes stopped, then everything removed that agents and nodes made (unless a node still runs), then the agent ends |
//!
//! Errors are answered with a 4xx or 5xx status and [`ErrorInfo`]. While somebody holds the lock, every answer names the
//! [`Holder`] in the header `x-zeek-cluster-writer`, so that whoever asks anything can say so.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::boot::Boot;
use super::limits::Limits;
use super::notify::NotifyView;
use super::outcome::{ErrorInfo, Outcome};
use crate::data::NodeType;

/// Version of this API; a control of another version refuses with both numbers.
pub const API_VERSION: u32 = 1;

/// What an agent knows of its host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentStatus {
    /// [`API_VERSION`] of the agent.
    pub api_version: u32,
    /// Version of the program.
    pub version: String,
    /// SHA-256 of the agent's own executable, lower-case hex.
    pub binary: String,
    /// The agent's process.
    pub pid: u32,
    /// Seconds since the epoch.
    pub started_at: f64,
    /// Identity of the cluster's folder on the machine that runs this agent: two hosts of a layout with the same one are one
    /// machine. None from an agent that does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder_id: Option<String>,
    /// What starts this agent when its host starts; none from an agent that does not say.
    #[serde(default)]
    pub boot: Option<Boot>,
    /// The cluster's name; none before the first release.
    #[serde(default)]
    pub cluster: Option<String>,
    /// The host's name in the layout; none before the first release.
    #[serde(default)]
    pub host: Option<String>,
    /// The release that `current` points to.
    #[serde(default)]
    pub release: Option<String>,
    /// Releases that are complete on this host, newest first.
    #[serde(default)]
    pub releases: Vec<String>,
    /// The nodes of the current release, in its order, and nodes that still run though no release names them.
    pub nodes: Vec<NodeStatus>,
    /// Nodes of the layout, of whatever host, that a node of this host does not see although it has joined itself; one entry
    /// for each, by the manager where it says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unseen: Vec<Unseen>,
    /// What of the current release is not on disk as it was deployed, and could not be mended from what is there.
    #[serde(default)]
    pub damage: Vec<Damage>,
    /// Targets of `notify:` that cannot be reached, or that have lost messages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<NotifyView>,
}

impl AgentStatus {
    /// Identity of the machine and folder that this agent works for; its process where it does not say.
    pub fn place_id(&self) -> String {
        match &self.folder_id {
            Some(id) => id.clone(),
            None => format!("process {} started at {}", self.pid, self.started_at),
        }
    }
}

/// A node that another one does not see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unseen {
    /// The node.
    pub peer: String,
    /// The node that does not see it.
    pub by: String,
    /// Whether that is the manager.
    pub by_manager: bool,
    /// Since when, seconds since the epoch.
    pub since: f64,
}

/// Something that was deployed and is gone, or is another now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// What kind of thing.
    pub part: DamagedPart,
    /// A sentence that names it.
    pub what: String,
}

/// What can be damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DamagedPart {
    /// The link `current`.
    Current,
    /// The manifest of the current release, or one of its files.
    Release,
    /// The program in `bin/`.
    Program,
}

/// One node as its agent sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Node name.
    pub name: String,
    /// Node type.
    #[serde(rename = "type")]
    pub node_type: NodeType,
    /// See [`NodeState`].
    pub state: NodeState,
    /// The process, while there is one.
    #[serde(default)]
    pub pid: Option<u32>,
    /// How often the agent had to start it again since the node was first deployed on this host.
    pub restarts: u64,
    /// When it did so last, seconds since the epoch.
    #[serde(default)]
    pub last_restart_at: Option<f64>,
    /// When it will start it again, seconds since the epoch; none while it need not.
    #[serde(default)]
    pub next_try_at: Option<f64>,
    /// Start of the running process, seconds since the epoch.
    #[serde(default)]
    pub started_at: Option<f64>,
    /// What an operator has to know: last exit, the fatal line of its standard error, why it has not joined.
    #[serde(default)]
    pub error: Option<String>,
    /// [`ManifestNode::hash`] of the configuration that the running process was started with.
    #[serde(default)]
    pub running_hash: Option<String>,
    /// [`ManifestNode::live`] of what the running process took last, at its start or since; none when that is not known.
    #[serde(default)]
    pub live_hash: Option<String>,
    /// Whether it sees a node up that takes its logs, itself included; none when it does not say.
    #[serde(default)]
    pub logger_up: Option<bool>,
    /// Peers that it sees up and peers that it has in the layout, when it says so.
    #[serde(default)]
    pub peers_up: Option<(u64, u64)>,
    /// The limits that the running process was given.
    #[serde(default, skip_serializing_if = "Limits::is_empty")]
    pub limits: Limits,
    /// Of these, what the host does not keep, or keeps in another way, each with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits_missed: Vec<String>,
    /// The cgroup that keeps its limits of memory; none where each of its processes is limited for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<PathBuf>,
    /// `Cluster::node_id()` of the running process, when it says so.
    #[serde(default)]
    pub id: Option<String>,
}

/// The state of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// The process was started and has not yet answered.
    Starting,
    /// It answers and has not yet joined the cluster.
    Joining,
    /// It has joined the cluster and works.
    Running,
    /// It has joined the cluster and cannot do all that it should, or gives no sign of life.
    Degraded,
    /// It has not joined within the deadline, or lost the cluster for that long.
    Isolated,
    /// It was told to stop.
    Stopping,
    /// It does not run and should not.
    Stopped,
    /// It ended by itself and will be started again.
    Backoff,
    /// It ended by itself so often that the pauses between its starts grow up to five minutes; only a stop ends them.
    #[serde(alias = "failed")]
    Failing,
    /// Its host gives no answer.
    Unknown,
}

impl NodeState {
    /// The word of the machine formats.
    pub fn as_str(self) -> &'static str {
        match self {
            NodeState::Starting => "starting",
            NodeState::Joining => "joining",
            NodeState::Running => "running",
            NodeState::Degraded => "degraded",
            NodeState::Isolated => "isolated",
            NodeState::Stopping => "stopping",
            NodeState::Stopped => "stopped",
            NodeState::Backoff => "backoff",
            NodeState::Failing => "failing",
            NodeState::Unknown => "unknown",
        }
    }
}

/// One host's part of a release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The release, the same on all hosts: the first 12 hex digits of the SHA-256 over all hosts' contents.
    pub id: String,
    /// The cluster's name.
    pub cluster: String,
    /// The host's name in the layout.
    pub host: String,
    /// Seconds since the epoch.
    pub created_at: f64,
    /// `user@machine` of whoever deployed it.
    pub created_by: String,
    /// SHA-256 of the layout that it was made from first, lower-case hex; empty when that was not written down.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub layout: String,
    /// SHA-256 of the executable that runs the nodes; it lies in `bin/zeek-cluster-HASH`.
    pub binary: String,
    /// How long a node may take to end after SIGTERM before SIGKILL, milliseconds.
    pub stop_grace_ms: u64,
    /// The files of the release.
    pub files: Vec<FileEntry>,
    /// The nodes of this host, in the order of the layout.
    pub nodes: Vec<ManifestNode>,
    /// All hosts of the release, in the order of the layout.
    #[serde(default)]
    pub hosts: Vec<String>,
}

/// The releases of a host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReleasesView {
    /// The one that `current` points to.
    pub current: Option<String>,
    /// The one that was current before, if it is still here.
    pub previous: Option<String>,
    /// All that are complete, newest first.
    pub releases: Vec<ReleaseView>,
}

/// A release in short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReleaseView {
    /// [`Manifest::id`].
    pub id: String,
    /// [`Manifest::created_at`].
    pub created_at: f64,
    /// [`Manifest::created_by`].
    pub created_by: String,
    /// [`Manifest::layout`].
    #[serde(default)]
    pub layout: String,
    /// [`Manifest::binary`].
    pub binary: String,
    /// [`Manifest::hosts`].
    pub hosts: Vec<String>,
    /// Its nodes on this host.
    pub nodes: Vec<String>,
}

/// One file of a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Relative to the release's folder; no `..`, not absolute.
    pub path: PathBuf,
    /// SHA-256 of the content, lower-case hex.
    pub hash: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Permission bits, such as `0o600`.
    pub mode: u32,
}

/// One node of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestNode {
    /// Node name.
    pub name: String,
    /// Node type.
    #[serde(rename = "type")]
    pub node_type: NodeType,
    /// Its configuration file, relative to the release's folder.
    pub config: PathBuf,
    /// SHA-256 over everything whose change needs a restart (its configuration without the node table, executable,
    /// arguments, environment); equal hash, no restart. With encryption `+` and 16 hex digits of the keys' hash follow.
    pub hash: String,
    /// SHA-256 over what a running process takes over without a restart (the node table, some options); empty for a real Zeek, which
    /// takes nothing over.
    #[serde(default)]
    pub live: String,
    /// Program and arguments; none starts `bin/zeek-cluster-HASH node run NAME`.
    #[serde(default)]
    pub command: Option<Vec<String>>,
    /// Environment beside that of the agent.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// CPUs the process may run on; empty for all.
    #[serde(default)]
    pub pin_cpus: Vec<u32>,
    /// How long it may give no sign of life before it gets another process, milliseconds; none for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_when_silent_ms: Option<u64>,
    /// What its processes may take of the host.
    #[serde(default, skip_serializing_if = "Limits::is_empty")]
    pub limits: Limits,
}

/// Which nodes to start, stop, restart, or bring to what the current release says (`apply`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodesRequest {
    /// Node names.
    pub nodes: Vec<String>,
}

/// One record of `cluster.log`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    /// Seconds since the epoch, as the node wrote them.
    pub ts: f64,
    /// The node that wrote the line.
    pub node: String,
    /// The message.
    pub message: String,
}

/// Who changes the cluster now: the holder of its lock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Holder {
    /// The run: 8 hex digits.
    pub run: String,
    /// `user@machine`.
    pub operator: String,
    /// The operator's process, on their machine.
    pub pid: u32,
    /// As it was typed, without the program's name.
    pub command: String,
    /// Since when it holds the lock, seconds since the epoch by the clock of the lock's host.
    #[serde(default)]
    pub since: f64,
    /// What it is doing, in words.
    #[serde(default)]
    pub step: Option<String>,
}

/// What happens to a lock that was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockEvent {
    /// It is the asker's now.
    Granted,
    /// Another run has it; the answer ends.
    Held(Holder),
    /// It was the asker's and is no longer, for this reason; the answer ends.
    Lost(String),
}

/// A holder that is still there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewal {
    /// The run.
    pub run: String,
    /// What it is doing, in words.
    pub step: Option<String>,
}

/// A holder that is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEnd {
    /// The run.
    pub run: String,
    /// How it ended, in a word.
    pub ending: String,
    /// The release that it was about.
    pub release: Option<String>,
    /// Why it ended without an answer.
    pub error: Option<String>,
    /// Nodes that it no longer waits for, the first fifty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub late: Vec<Outcome>,
}

/// A line of a host's `history.jsonl`: the beginning or the end of a request that changes something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// Seconds since the epoch.
    pub ts: f64,
    /// The run that the request was part of; none when the asker did not say.
    #[serde(default)]
    pub run: Option<String>,
    /// `user@machine`, as they call themselves; none when they did not.
    pub operator: Option<String>,
    /// Method and path.
    pub request: String,
    /// What came of it; none in the line of its beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<HistoryDone>,
    /// The command that took the lock, where the request did that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder>,
    /// How the command ended, where the request says that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<RunEnd>,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryDone {
    /// Milliseconds.
    pub elapsed_ms: u64,
    /// What became of the nodes, where the request was about nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outcomes: Vec<Outcome>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorInfo>,
}

/// What a host has, and what its nodes use of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostUsage {
    /// Processors that the agent may use.
    pub cpus: u64,
    /// Load average of the last minute, in processes (`/proc/loadavg`).
    pub load_1m: f64,
    /// Memory of the host, bytes (`MemTotal` of `/proc/meminfo`).
    pub memory_bytes: u64,
    /// What of it is there for new processes, bytes (`MemAvailable`).
    pub memory_available_bytes: u64,
    /// The supervised nodes, those of the release in its order.
    pub nodes: Vec<NodeUsage>,
}

/// What the processes of one node use, all of its session together; unset where it has none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeUsage {
    /// Node name.
    pub name: String,
    /// See [`NodeState`].
    pub state: NodeState,
    /// The process that leads the session.
    pub pid: Option<u32>,
    /// Of one processor, while it was measured; 100 is one whole processor.
    pub cpu_percent: Option<f64>,
    /// Processor time since the start, seconds.
    pub cpu_s: Option<f64>,
    /// Resident memory, bytes; what processes share counts for each.
    pub rss_bytes: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// Open file descriptors.
    pub fds: Option<u64>,
    /// Batches of log records that wait to be written here; unset for a node that does not tell.
    pub log_waiting: Option<u64>,
}

/// The file system of the cluster's folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DiskUsage {
    /// The cluster's folder.
    pub path: PathBuf,
    /// Size of the file system, bytes (`statvfs`).
    pub total_bytes: u64,
    /// What is used of it, by whomever, bytes.
    pub used_bytes: u64,
    /// What is free for whom the agent runs as, bytes.
    pub free_bytes: u64,
    /// Inodes of the file system; 0 where it has no fixed number.
    pub inodes: u64,
    /// Free ones.
    pub inodes_free: u64,
    /// What lies in the cluster's folder: `logs`, `stores`, `releases`, `blobs`, `bin`, `run`.
    pub parts: Vec<DiskPart>,
    /// Whether all files were counted; else the parts are larger than they say.
    pub complete: bool,
}

/// A part of the cluster's folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskPart {
    /// Its name.
    pub name: String,
    /// What it takes on disk, bytes: whole blocks, not the lengths of its files.
    pub bytes: u64,
    /// Its files and folders.
    pub files: u64,
}

/// The answer to a refused request.
pub type ApiError = ErrorInfo;
