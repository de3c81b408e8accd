//! The asking end of `agent.sock`: one typed method for each request of [`api::agent`](crate::api::agent).
//!
//! Every method has a deadline. A stream has one until its head arrived; after that it lasts until the agent or the
//! caller ends it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use super::lines::{JsonLines, LineError, TextLines};
use crate::api::agent::{
    AgentStatus, DiskUsage, HistoryEntry, Holder, HostUsage, LockEvent, LogLine, Manifest, NodesRequest, ReleasesView,
    Renewal, RunEnd,
};
use crate::api::diag::HostDiag;
use crate::api::events::HostEvent;
use crate::api::keys::CurveKeys;
use crate::api::node::{NodeView, OptionView};
use crate::api::notify::NotifyTested;
use crate::api::outcome::{ErrorInfo, Outcome};
use crate::api::store::{StoreChange, StoreRequest, StoreView};
use crate::{processes, socket};

/// Who asks, as `user@machine`; the agent's history names them.
pub const OPERATOR_HEADER: &str = "x-zeek-cluster-operator";

/// The run that a request is part of.
pub const RUN_HEADER: &str = "x-zeek-cluster-run";

/// Who changes the cluster while the answer is given: a [`Holder`] as JSON.
pub const WRITER_HEADER: &str = "x-zeek-cluster-writer";

/// Deadline of requests that the agent answers from memory or a few small files.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(10);

/// How long a store may take: a clone whose master is just being started again waits for it.
pub(super) const STORE_DEADLINE: Duration = Duration::from_secs(30);

/// Deadline of requests that the agent answers when its disk has everything for good: one with a few hundred megabytes still
/// to write was seen to take more than 10 s for a small file (ext4, 2026-11-25).
pub const DISK_DEADLINE: Duration = Duration::from_secs(60);

/// An agent begins to answer most requests within milliseconds. One that takes this long is asked beside for a sign of life.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long it may take for that: its status comes from memory.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// What the agent may need beyond the deadline it was given, to say which node exceeded it.
const ANSWER_MARGIN: Duration = Duration::from_secs(5);

/// A connection pool to one agent. Cheap to clone; nothing is dialled before the first request.
///
/// Every request fails with [`ClientError::Connect`] where no agent listens, with [`ClientError::TimedOut`] at its deadline,
/// with [`ClientError::Hung`] when it gives no sign of life, with [`ClientError::Broken`] when the connection ends before the answer, with [`ClientError::Shape`] when the answer is
/// another than this version knows, and with [`ClientError::Refused`] (404) when the agent does not know the request. What
/// else an agent refuses is told at each.
#[derive(Clone, Debug)]
pub struct AgentClient {
    http: reqwest::Client,
    socket: PathBuf,
    operator: Option<HeaderValue>,
    run: Option<HeaderValue>,
    deadline: Duration,
    writer: Arc<Mutex<Option<Holder>>>,
}

/// Why a request was not answered as asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens on the socket, or it may not be opened.
    #[error("no agent answers on {}", socket.display())]
    Connect {
        /// The socket that was dialled.
        socket: PathBuf,
        /// What the system says.
        #[source]
        source: reqwest::Error,
    },
    /// The deadline passed.
    #[error("the agent did not answer {request} within {:.1} s", after.as_secs_f64())]
    TimedOut {
        /// Method and path.
        request: String,
        /// The deadline.
        after: Duration,
    },
    /// It accepts connections and answers nothing, not even whether it is there: it hangs, or was stopped.
    #[error("the agent{} does not answer", pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    Hung {
        /// Method and path.
        request: String,
        /// Its process, where it is one of this machine.
        pid: Option<u32>,
    },
    /// The connection broke after it was made.
    #[error("the connection to the agent broke during {request}")]
    Broken {
        /// Method and path.
        request: String,
        /// What happened to the connection.
        #[source]
        source: reqwest::Error,
    },
    /// The agent refused; what it says is meant for the operator.
    #[error("{}", info.what)]
    Refused {
        /// Method and path.
        request: String,
        /// HTTP status.
        status: u16,
        /// What the agent says.
        info: ErrorInfo,
    },
    /// The answer is not of the shape that this version knows.
    #[error("the agent's answer to {request} cannot be read")]
    Shape {
        /// Method and path.
        request: String,
        /// What the parser says.
        #[source]
        source: serde_json::Error,
    },
    /// A stream broke off.
    #[error(transparent)]
    Stream(#[from] LineError),
}

impl ClientError {
    /// Whether nothing listens there: no agent runs, or its socket is gone.
    pub fn is_not_running(&self) -> bool {
        matches!(self, ClientError::Connect { .. })
    }

    /// The error with its causes, each after a colon.
    pub fn in_words(&self) -> String {
        let causes = std::iter::successors(std::error::Error::source(self), |cause| cause.source());
        causes.fold(self.to_string(), |text, cause| format!("{text}: {cause}"))
    }

    /// Whether the deadline passed, or the agent hangs.
    pub fn is_timeout(&self) -> bool {
        matches!(self, ClientError::TimedOut { .. } | ClientError::Hung { .. })
    }

    /// What to do about it, where that is the same whatever was asked.
    pub fn hint(&self) -> Option<String> {
        let hung = matches!(self, ClientError::Hung { .. });
        hung.then(|| "zeek-cluster doctor --fix ends it and starts a new one; nodes run on".to_owned())
    }
}

/// Which of a node's two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl OutputStream {
    /// The word of the query.
    pub fn as_str(self) -> &'static str {
        match self {
            OutputStream::Stdout => "stdout",
            OutputStream::Stderr => "stderr",
        }
    }
}

/// Whether a stream of lines ends at what is there now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Follow {
    /// Ends with the last line that is there.
    #[default]
    No,
    /// Goes on with what is written from now on.
    Yes,
}

/// Which records of `cluster.log` to read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogQuery {
    /// Only the last so many records; all when none.
    pub lines: Option<u64>,
    /// Not before, seconds since the epoch.
    pub since: Option<f64>,
    /// Not after, seconds since the epoch.
    pub until: Option<f64>,
    /// Only of these nodes; all when empty.
    pub nodes: Vec<String>,
    /// Only messages in which this regular expression is found.
    pub grep: Option<String>,
    /// Whether to wait for more.
    pub follow: Follow,
}

/// Which events of a host to read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventQuery {
    /// Only the last so many events; all when none.
    pub lines: Option<u64>,
    /// Not before, seconds since the epoch.
    pub since: Option<f64>,
    /// Not after, seconds since the epoch.
    pub until: Option<f64>,
    /// Only those with a higher number.
    pub after: Option<u64>,
    /// Only about these nodes; all, and those of the host, when empty.
    pub nodes: Vec<String>,
    /// Whether to wait for more.
    pub follow: Follow,
}

/// How much a diagnosis is to tell.
#[derive(Clone, Debug, PartialEq)]
pub struct DiagQuery {
    /// The nodes in full; those that are not on the host are left out.
    pub nodes: Vec<String>,
    /// Lines of each output.
    pub lines: u64,
    /// Events of each node, and of the host.
    pub events: u64,
    /// Whether the backtrace of the last crash is taken, for which gdb may take its time.
    pub backtrace: Backtrace,
}

/// Whether gdb is asked for the backtrace of a core file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backtrace {
    /// Where there are a core file and gdb.
    #[default]
    Take,
    /// No.
    Leave,
}

/// What `remove` leaves on the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// `logs/` and `stores/` stay.
    #[default]
    LogsAndStores,
    /// Nothing that the agent or its nodes made stays.
    Nothing,
}

impl AgentClient {
    /// A client of the agent behind `socket`: `run/agent.sock`, or a socket that a tunnel made.
    pub fn new(socket: impl Into<PathBuf>) -> AgentClient {
        let socket = socket.into();
        let http = reqwest::Client::builder()
            .no_proxy()
            .unix_socket(socket.as_path())
            .build()
            .expect("a client without TLS and proxies needs nothing from the system");
        let (operator, run, writer) = (None, None, Arc::default());
        AgentClient { http, socket, operator, run, deadline: DEFAULT_DEADLINE, writer }
    }

    /// Who asks, as `user@machine`; characters that a header cannot carry are replaced by `?`.
    pub fn with_operator(mut self, operator: &str) -> AgentClient {
        let plain: String = operator.chars().map(|c| if c.is_ascii_graphic() { c } else { '?' }).take(256).collect();
        self.operator = HeaderValue::from_str(&plain).ok();
        self
    }

    /// The run that the requests are part of: 8 hex digits.
    pub fn with_run(mut self, run: &str) -> AgentClient {
        self.run = HeaderValue::from_str(run).ok();
        self
    }

    /// Who held the cluster's lock when the agent gave its last answer; none also while none was given.
    pub fn writer(&self) -> Option<Holder> {
        self.writer.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// Another deadline than [`DEFAULT_DEADLINE`] for requests whose method takes none.
    pub fn with_deadline(mut self, deadline: Duration) -> AgentClient {
        self.deadline = deadline;
        self
    }

    /// The socket that is dialled.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// `GET /v1/status`.
    ///
    /// # Errors
    /// As for every request ([`AgentClient`]).
    pub async fn status(&self) -> Result<AgentStatus, ClientError> {
        self.get("/v1/status").json(self.deadline).await
    }

    /// `GET /v1/watch`: the status now and at each change, until the stream is dropped or the agent ends.
    ///
    /// # Errors
    /// As for every request ([`AgentClient`]). What ends the stream later is a [`LineError`].
    pub async fn watch(&self) -> Result<JsonLines<AgentStatus>, ClientError> {
        self.get("/v1/watch").json_lines(self.deadline).await
    }

    /// `GET /v1/peers`: what each node of the host that answers says of itself and of the cluster.
    ///
    /// # Errors
    /// As for every request ([`AgentClient`]).
    pub async fn peers(&self) -> Result<Vec<NodeView>, ClientError> {
        self.get("/v1/peers").json(self.deadline).await
    }

    /// `GET /v1/usage`: what the host's nodes use; the share of a processor is that of the time `sample`, 5 s at most.
    ///
    /// # Errors
    /// As for every request ([`AgentClient`]).
    pub async fn usage(&self, sample: Duration) -> Result<HostUsage, ClientError> {
        let mut request = self.get("/v1/usage");
        request.query("sample_ms", sample.as_millis());
        request.json(self.deadline + sample).await
    }

    /// `GET /v1/disk`: the file system of the cluster's folder.
    ///
    /// # Errors
    /// As for every request ([`AgentClient`]). [`ClientError::Refused`] with 500 when the system does not tell of the
    /// file system.
    pub async fn disk(&self) -> Result<DiskUsage, ClientError> {
        self.get("/v1/disk").json(self.deadline).await
    }

    /// `POST /v1/blobs/missing`: those of `hashes` that have to be uploaded.
    ///
    /// # Errors
    /// As for every request ([`AgentClient`]). [`ClientError::Refused`] with 400 for what is no SHA-256 in lower-case
    /// hex.
    pub async fn missing_blobs(&self, hashes: &[String]) -> Result<Vec<String>, ClientError> {
        self.post("/v1/blobs/missing").body_json(&hashes).json(self.deadline).await
    }

    /// `PUT /v1/blobs/HASH`; safe to repeat.
    ///
    /// # Errors
    /// As for every request ([`AgentClient`]). [`ClientError::Refused`] with 400 for what is no SHA-256, 408 when the
    /// upload stands still, 413 beyond 1 GiB, 422 when the content has another hash, 507 when the disk is full.
    pub async fn put_blob(&self, hash: &str, content: Bytes, deadline: Duration) -> Result<(), ClientError> {
        let mut request = self.request(Method::PUT, format!("/v1/blobs/{hash}"));
        request.body = Some(Body::Bytes(content));
        request.done(deadline).await
    }

    /// `PUT /v1/releases/ID`: builds the release from its blobs; safe to repeat. 409 when a blob or the executable of the
    /// nodes is missing.
    ///
    /// # Errors
    /// As for every request ([`AgentClient`]). [`ClientError::Refused`] with 400 when the manifest names what a release
    /// may not have, with the 409 of above, with 507 when the disk is full.
    pub async fn put_release(&self, manifest: &Manifest, deadline: Duration) -> Result<(), ClientError> {
        let path = format!("/v1/releases/{}", manifest.id);
        self.request(Method::PUT, path).body_json(manifest).done(deadline).await
    }

    /// `GET /v1/releases`.
    ///
    /// # Errors
    /// As for every request ([`AgentClient`]).
    pub async fn releases(&self) -> Result<ReleasesView, ClientError> {
        self.get("/v1/releases").json(self.deadline).await
    }

    /// `POST /v1/releases/ID/verify`: the manifest of a release that is here, whole.
    ///
    /// # Errors
    /// As for every request ([`AgentClient`]). [`ClientError::Refused`] with 404 when the release is not there, with
    /// 409 when a file or the executable of the nodes is missing or damaged and no blob can mend it.
    pub async fn verify(&self, release: &str, deadline: Duration) -> Result<Manifest, ClientError> {
        self.post(format!("/v1/releases/{release}/verify")).json(deadline).await
    }

    /// `POST /v1/releases/ID/activate`: switches `current`; touches no node. Releases to `keep` are not removed.
    ///
    /// # Errors
    /// As for every request ([`AgentClient`]). [`ClientError::Refused`] with 404 when the release is not there, with
    /// 500 or 507 when the link cannot be written.
    pub async fn activate(&self, release: &str, keep: &[String]) -> Result<(), ClientError> {
        let mut request = self.post(format!("/v1/releases/{release}/activate"));
        request.query_some("keep", (!keep.is_empty()).then(|| keep.join(",")));
        request.done(DISK_DEADLINE).await
    }

    /// `POST /v1/nodes/start`: one outcome for each name, in their order. A node that has not answered when `deadline`
    /// ends is `timed_out`; it is not stopped.
    ///
    /// # Errors
    /// As for every request ([`AgentClient`]). [`ClientError::Refused`] with 400 when a node is named twice; a node
    /// that the host does not have is an outcome.
    pub async fn start(&self, nodes: &[String], deadline: Duration) -> Result<Vec<Outcome>, ClientError> {
        self.nodes("start", nodes, deadline).await
    }

    /// `POST /v1/nodes/stop`: SIGTERM, and SIGKILL after the release's grace period.
    ///
    /// # Errors
    /// As [`AgentClient::start`].
    pub async fn stop(&self, nodes: &[String], deadline: Duration) -> Result<Vec<Outcome>, ClientError> {
        self.nodes("stop", nodes, deadline).await
    }

    /// `POST /v1/nodes/restart`: starts those that do not run, too.
    ///
    /// # Errors
    /// As [`AgentClient::start`].
    pub async fn restart(&self, nodes: &[String], deadline: Duration) -> Result<Vec<Outcome>, ClientError> {
        self.nodes("restart", nodes, deadline).await
    }

    /// `GET /v1/releases/ID`: what a release of the host is made of; `current` names the current one.
    ///
    /// # Errors
    /// As for every request ([`AgentClient`]). [`ClientError::Refused`] with 404 when the release is not there.
    pub async fn release(&self, id: &str) -> Result<Manifest, ClientError> {
        self.get(format!("/v1/releases/{id}")).json(self.deadline).await
    }

    /// `GET /v1/releases/ID/files/PATH`: a file of a release; the agent refuses those with keys.
    ///
    /// # Errors
    /// As for every request ([`AgentClient`]). [`ClientError::Refused`] with 404 when release or file is not there,
    /// with 403 when the file holds a key.
    pub async fn release_file(&self, id: &str, path: &Path) -> Result<Bytes, ClientError> {
        self.get(format!("/v1/releases/{id}/files/{}", path.display())).whole(self.deadline).await
    }

    /// `GET /v1/keys`: the cluster's keys, as the current release of the host holds them.
    ///
    /// # Errors
    /// As for every request ([`AgentClient`]). [`ClientError::Refused`] with 404 on a host that has none or not all of
    /// them.
    pub async fn keys(&self) -> Result<CurveKeys, ClientError> {
        self.get("/v1/keys").json(self.deadline).await
    }

    /// `POST /v1/nodes/apply`: brings the nodes to what the current release says.
    ///
    /// # Errors
    /// As [`AgentClient::start`].
    pub async fn apply(&self, nodes: &[String], deadline: Duration) -> Result<Vec<Outcome>, ClientError> {
        self.nodes("apply", nodes, deadline).await
    }

    /// `GET /v1/nodes/NAME/output`: the last `lines` of a stream.
    ///
    /// # Errors
    /// As for every request ([`AgentClient`]). [`ClientError::Refused`] with 404 when the host has no such node, with
    /// 500 when its output cannot be read. What ends the stream later is a [`LineError`].
    pub async fn output(
        &self,
        node: &str,
        stream: OutputStream,
        lines: u64,
        follow: Follow,
    ) -> Result<TextLines, ClientError> {
        let mut request = self.get(format!("/v1/nodes/{node}/output"));
        request.query("stream", stream.as_str());
        request.query("lines", lines);
        request.query("follow", follow == Follow::Yes);
        request.text_lines(self.deadline).await
    }

    /// `GET /v1/log`: records of `cluster.log` on this host, oldest first.
    ///
    /// # Errors
    /// As for every request ([`AgentClient`]). [`ClientError::Refused`] with 400 when `grep` is no regular expression,
    /// with 500 when the logs cannot be read. What ends the stream later is a [`LineError`].
    pub async fn log(&self, query: &LogQuery) -> Result<JsonLines<LogLine>, ClientError> {
        let mut request = self.get("/v1/log");
        request.query_some("lines", query.lines);
        request.query_some("since", query.since);
        request.query_some("until", query.until);
        request.query_some("node", (!query.nodes.is_empty()).then(|| query.nodes.join(",")));
        request.query_some("grep", query.grep.as_ref());
        request.query("follow", query.follow == Follow::Yes);
        request.json_lines(self.deadline).await
    }

    /// `GET /v1/events`: what happened on this host, oldest first.
    ///
    /// # Errors
    /// As for every request ([`AgentClient`]). [`ClientError::Refused`] with 500 when the record cannot be read. What
    /// ends the stream later is a [`LineError`].
    pub async fn events(&self, query: &EventQuery) -> Result<JsonLines<HostEvent>, ClientError> {
        let mut request = self.get("/v1/events");
        request.query_some("lines", query.lines);
        request.query_some("since", query.since);
        request.query_some("until", query.until);
        request.query_some("after", query.after);
        request.query_some("node", (!query.nodes.is_empty()).then(|| query.nodes.join(",")));
        request.query("follow", query.follow == Follow::Yes);
        request.json_lines(self.deadline).await
    }

    /// `POST /v1/notify/test`: what became of a test message to one target of `notify:`, or to each.
    ///
    /// # Errors
    /// As for every request ([`AgentClient`]). [`ClientError::Refused`] with 404 when there is no such target.
    pub async fn test_notify(&self, target: Option<&str>) -> Result<Vec<NotifyTested>, ClientError> {
        let mut request = self.post("/v1/notify/test");
        request.query_some("target", target);
        request.json(self.deadline + ANSWER_MARGIN).await
    }

    /// `GET /v1/diag`: all that the host can tell about some of its nodes, secrets left out.
    ///
    /// # Errors
    /// As for every request ([`AgentClient`]).
    pub async fn diag(&self, query: &DiagQuery, deadline: Duration) -> Result<HostDiag, ClientError> {
        let mut request = self.get("/v1/diag");
        request.query("nodes", query.nodes.join(","));
        request.query("lines", query.lines);
        request.query("events", query.events);
        request.query("backtrace", query.backtrace == Backtrace::Take);
        request.json(deadline).await
    }

    /// `GET /v1/nodes/NAME/api/v1/node`: asked from the node itself.
    ///
    /// # Errors
    /// As [`AgentClient::node_api`].
    pub async fn node_view(&self, node: &str) -> Result<NodeView, ClientError> {
        self.node_api(node, "v1/node").await
    }

    /// `GET /v1/nodes/NAME/api/v1/options`: the options as the node has them.
    ///
    /// # Errors
    /// As [`AgentClient::node_api`].
    pub async fn node_options(&self, node: &str) -> Result<BTreeMap<String, OptionView>, ClientError> {
        self.node_api(node, "v1/options").await
    }

    /// `GET /v1/nodes/NAME/api/PATH`: what the node's own socket answers, as `T`.
    ///
    /// # Errors
    /// As for every request ([`AgentClient`]). [`ClientError::Refused`] with 404 when the host has no such node, with
    /// 502 when the node does not answer on its socket, and with the status of the node when the node itself refuses.
    pub async fn node_api<T: DeserializeOwned>(&self, node: &str, path: &str) -> Result<T, ClientError> {
        let path = path.trim_start_matches('/');
        self.get(format!("/v1/nodes/{node}/api/{path}")).json(self.deadline).await
    }

    /// `POST /v1/lock`: the lock's events; after `granted` it is held until the stream is dropped. Waits `wait` for it.
    ///
    /// # Errors
    /// As for every request ([`AgentClient`]). That another run holds the lock is an event, not an error. What ends the
    /// stream later is a [`LineError`].
    pub async fn lock(&self, holder: &Holder, wait: Duration) -> Result<JsonLines<LockEvent>, ClientError> {
        let mut request = self.post("/v1/lock").body_json(holder);
        request.query("wait_ms", wait.as_millis());
        request.json_lines(wait + self.deadline).await
    }

    /// `PUT /v1/lock`: holds it on.
    ///
    /// # Errors
    /// As for every request ([`AgentClient`]). [`ClientError::Refused`] with 409 when that run does not hold the lock.
    pub async fn renew_lock(&self, renewal: &Renewal) -> Result<(), ClientError> {
        self.request(Method::PUT, "/v1/lock").body_json(renewal).done(self.deadline).await
    }

    /// `POST /v1/lock/end`: gives it back.
    ///
    /// # Errors
    /// As for every request ([`AgentClient`]). [`ClientError::Refused`] with 409 when that run does not hold the lock.
    pub async fn end_lock(&self, end: &RunEnd) -> Result<(), ClientError> {
        self.post("/v1/lock/end").body_json(end).done(self.deadline).await
    }

    /// `DELETE /v1/lock`: takes it from a run.
    ///
    /// # Errors
    /// As for every request ([`AgentClient`]). [`ClientError::Refused`] with 409 when that run does not hold the lock.
    pub async fn take_lock_away(&self, run: &str) -> Result<(), ClientError> {
        let mut request = self.request(Method::DELETE, "/v1/lock");
        request.query("run", run);
        request.done(self.deadline).await
    }

    /// `GET /v1/history`: what changed this host, oldest first: of one run or of all, the last so many entries.
    ///
    /// # Errors
    /// As for every request ([`AgentClient`]). [`ClientError::Refused`] with 500 when the history cannot be read; one
    /// that is not there has no entries.
    pub async fn history(&self, run: Option<&str>, last: usize) -> Result<Vec<HistoryEntry>, ClientError> {
        let mut request = self.get("/v1/history");
        request.query_some("run", run);
        request.query("last", last);
        request.json(self.deadline).await
    }

    /// `GET /v1/nodes/NAME/api/v1/stores`: the stores of a node.
    ///
    /// # Errors
    /// As [`AgentClient::node_api`].
    pub async fn stores(&self, node: &str) -> Result<Vec<StoreView>, ClientError> {
        self.node_api(node, "v1/stores").await
    }

    /// `POST /v1/nodes/NAME/api/v1/stores/ask`: what a store of the node answers, a value of broker-json-v1.
    ///
    /// # Errors
    /// As [`AgentClient::node_api`]; the node refuses with 404 when it has no such store or the key is not there, with
    /// 400 for what is no value, with 409 when the values do not go together, with 413 when they are too large, with
    /// 503 when no master answers.
    pub async fn ask_store(&self, node: &str, request: &StoreRequest) -> Result<Value, ClientError> {
        let request = self.post(format!("/v1/nodes/{node}/api/v1/stores/ask")).body_json(request);
        request.json(STORE_DEADLINE + ANSWER_MARGIN).await
    }

    /// `GET /v1/nodes/NAME/api/v1/stores/watch`: the changes of a store from now on, until the stream is dropped.
    ///
    /// # Errors
    /// As [`AgentClient::node_api`]; the node refuses with 404 when it has no such store. What ends the stream later is
    /// a [`LineError`].
    pub async fn watch_store(&self, node: &str, store: &str) -> Result<JsonLines<StoreChange>, ClientError> {
        let mut request = self.get(format!("/v1/nodes/{node}/api/v1/stores/watch"));
        request.query("store", store);
        request.json_lines(self.deadline).await
    }

    /// `POST /v1/exit`: the agent ends, its nodes run on.
    ///
    /// # Errors
    /// As for every request ([`AgentClient`]). [`ClientError::Refused`] with 423 while another run holds the lock.
    pub async fn exit(&self) -> Result<(), ClientError> {
        self.post("/v1/exit").done(self.deadline).await
    }

    /// `POST /v1/remove`: stops all nodes, removes what was deployed, then the agent ends.
    ///
    /// # Errors
    /// As for every request ([`AgentClient`]). [`ClientError::Refused`] with 500 when something cannot be removed. A
    /// node that does not stop is an outcome, and then nothing is removed.
    pub async fn remove(&self, keep: Keep, deadline: Duration) -> Result<Vec<Outcome>, ClientError> {
        let mut request = self.post("/v1/remove");
        request.query("keep_logs", keep == Keep::LogsAndStores);
        request.query("deadline_ms", deadline.as_millis());
        request.json(deadline + ANSWER_MARGIN).await
    }

    async fn nodes(&self, verb: &str, nodes: &[String], deadline: Duration) -> Result<Vec<Outcome>, ClientError> {
        let mut request = self.post(format!("/v1/nodes/{verb}")).body_json(&NodesRequest { nodes: nodes.to_vec() });
        request.query("deadline_ms", deadline.as_millis());
        request.json(deadline + ANSWER_MARGIN).await
    }

    fn get(&self, path: impl Into<String>) -> Request<'_> {
        self.request(Method::GET, path)
    }

    fn post(&self, path: impl Into<String>) -> Request<'_> {
        self.request(Method::POST, path)
    }

    /// Returns when the agent has given no sign of life for [`SIGN_OF_LIFE`].
    async fn is_silent(&self) {
        loop {
            let asked = self.get("/v1/status").send_alone();
            if tokio::time::timeout(SIGN_OF_LIFE, asked).await.is_err() {
                return;
            }
            tokio::time::sleep(PATIENCE).await;
        }
    }

    fn hung(&self, request: String) -> ClientError {
        let listening = socket::listening_process(&self.socket);
        // Behind a tunnel it is another process that listens here.
        ClientError::Hung { request, pid: listening.filter(|pid| processes::is_agent(*pid)) }
    }

    fn request(&self, method: Method, path: impl Into<String>) -> Request<'_> {
        Request { client: self, method, path: path.into(), query: Vec::new(), body: None }
    }
}

/// One request being put together.
struct Request<'a> {
    client: &'a AgentClient,
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    body: Option<Body>,
}

enum Body {
    Bytes(Bytes),
    Json(Vec<u8>),
}

impl Request<'_> {
    fn query(&mut self, key: &'static str, value: impl ToString) {
        self.query.push((key, value.to_string()));
    }

    fn query_some(&mut self, key: &'static str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.query(key, value);
        }
    }

    fn body_json(mut self, body: &impl Serialize) -> Self {
        self.body = Some(Body::Json(serde_json::to_vec(body).expect("the shapes of the API have string keys only")));
        self
    }

    /// Method and path, for messages.
    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn url(&self) -> Url {
        // The host is for the eye only: the connector dials the socket whatever it says.
        let mut url = Url::parse("http://agent/").expect("a constant address");
        url.set_path(&self.path);
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        url
    }

    /// Sends, reads the whole answer within `deadline`, and takes it as `T`.
    async fn json<T: DeserializeOwned>(self, deadline: Duration) -> Result<T, ClientError> {
        let name = self.name();
        let body = self.whole(deadline).await?;
        serde_json::from_slice(&body).map_err(|source| ClientError::Shape { request: name, source })
    }

    /// Sends, and expects nothing but success.
    async fn done(self, deadline: Duration) -> Result<(), ClientError> {
        self.whole(deadline).await.map(drop)
    }

    async fn json_lines<T: DeserializeOwned>(self, deadline: Duration) -> Result<JsonLines<T>, ClientError> {
        Ok(JsonLines::new(self.head(deadline).await?))
    }

    async fn text_lines(self, deadline: Duration) -> Result<TextLines, ClientError> {
        Ok(TextLines::new(self.head(deadline).await?))
    }

    async fn whole(self, deadline: Duration) -> Result<Bytes, ClientError> {
        let name = self.name();
        let read = async {
            let response = self.send().await?;
            response.bytes().await.map_err(|source| ClientError::Broken { request: name.clone(), source })
        };
        match tokio::time::timeout(deadline, read).await {
            Ok(answer) => answer,
            Err(_) => Err(ClientError::TimedOut { request: name, after: deadline }),
        }
    }

    async fn head(self, deadline: Duration) -> Result<Response, ClientError> {
        let name = self.name();
        match tokio::time::timeout(deadline, self.send()).await {
            Ok(answer) => answer,
            Err(_) => Err(ClientError::TimedOut { request: name, after: deadline }),
        }
    }

    /// Gives up on an agent that hangs. What is uploaded may hold up everything else on the way, and has its own deadline.
    async fn send(self) -> Result<Response, ClientError> {
        if matches!(self.body, Some(Body::Bytes(_))) {
            return self.send_alone().await;
        }
        let (client, name) = (self.client, self.name());
        let mut answer = pin!(self.send_alone());
        if let Ok(answer) = tokio::time::timeout(PATIENCE, &mut answer).await {
            return answer;
        }
        tokio::select! {
            answer = &mut answer => answer,
            () = client.is_silent() => Err(client.hung(name)),
        }
    }

    async fn send_alone(self) -> Result<Response, ClientError> {
        let name = self.name();
        let mut builder = self.client.http.request(self.method.clone(), self.url());
        if let Some(operator) = &self.client.operator {
            builder = builder.header(OPERATOR_HEADER, operator.clone());
        }
        if let Some(run) = &self.client.run {
            builder = builder.header(RUN_HEADER, run.clone());
        }
        builder = match self.body {
            Some(Body::Bytes(bytes)) => builder.body(bytes),
            Some(Body::Json(json)) => builder.header(CONTENT_TYPE, "application/json").body(json),
            None => builder,
        };
        let answer = builder.send().await;
        if let Ok(response) = &answer {
            let holder = response.headers().get(WRITER_HEADER);
            let holder = holder.and_then(|holder| serde_json::from_slice(holder.as_bytes()).ok());
            *self.client.writer.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = holder;
        }
        match answer {
            Ok(response) if response.status().is_success() => Ok(response),
            Ok(response) => Err(refusal(name, response).await),
            Err(source) if source.is_connect() => {
                Err(ClientError::Connect { socket: self.client.socket.clone(), source })
            }
            Err(source) => Err(ClientError::Broken { request: name, source }),
        }
    }
}

/// The agent's words where it sent some; else what its status means.
async fn refusal(request: String, response: Response) -> ClientError {
    let status = response.status();
    let info = match response.bytes().await {
        Ok(body) => serde_json::from_slice(&body).unwrap_or_else(|_| unknown_refusal(&request, status)),
        Err(_) => unknown_refusal(&request, status),
    };
    ClientError::Refused { request, status: status.as_u16(), info }
}

fn unknown_refusal(request: &str, status: StatusCode) -> ErrorInfo {
    ErrorInfo { what: format!("the agent answered {request} with {status}"), hint: None }
}
