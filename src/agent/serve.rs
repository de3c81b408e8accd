//! The answering end of `agent.sock`: the table of [`api::agent`](crate::api::agent), request by request.

use std::convert::Infallible;
use std::fs;
use std::io::{self, Read};
use std::path::Path as FsPath;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, Query, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::map_response_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use futures_util::{Stream, StreamExt, stream};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, watch};

use super::client::{Backtrace, STORE_DEADLINE, WRITER_HEADER};
use super::diag::{Examiner, Wanted};
use super::events::{self, EventLog, EventQuery};
use super::folder::{FolderLock, LockError};
use super::folder_id;
use super::history::{self, Asked, History};
use super::inspect::Inspector;
use super::install;
use super::lock::{Lease, Lock};
use super::logfeed;
use super::logtail::LogQuery;
use super::notify::Notifier;
use super::operate;
use super::refusal::Refusal;
use super::releases::Releases;
use super::roster::Roster;
use super::supervise::{follow, tail};
use super::systemd;
use super::usage;
use crate::api::agent::{
    API_VERSION, AgentStatus, Damage, Holder, LockEvent, Manifest, NodesRequest, ReleaseView, ReleasesView, Renewal,
    RunEnd,
};
use crate::api::events::{Happening, MAX_NAMES, RELEASE_INCIDENT};
use crate::api::node::NodeView;
use crate::api::outcome::Outcome;
use crate::api::paths::ClusterDir;
use crate::api::store::{StoreAsk, StoreRequest};
use crate::socket::NameKeeper;

/// Bodies of JSON: a manifest of twenty thousand files is a quarter of it.
const MAX_JSON: usize = 16 << 20;

/// How long a whole JSON body may take to arrive.
const JSON_DEADLINE: Duration = Duration::from_secs(30);

/// One file of a release.
const MAX_BLOB: u64 = 1 << 30;

/// The longest pause within an upload.
const BLOB_PAUSE: Duration = Duration::from_secs(30);

/// What a request about nodes may take when it does not say.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(60);

/// What it may ask for at most.
const MAX_DEADLINE: Duration = Duration::from_secs(3600);

/// How often a lease's answer shows that the agent is still there.
const STILL_THERE: Duration = Duration::from_secs(2);

/// The type of lines of JSON.
const NDJSON: &str = "application/x-ndjson";

/// Lines of output when the request does not say, and at most.
const DEFAULT_LINES: u64 = 100;

/// Lines of each output that a diagnosis has when the request does not say.
const DIAG_LINES: u64 = 50;

/// Events of each node that it has.
const DIAG_EVENTS: usize = 50;

/// Where the agent writes down what happens.
pub struct Records {
    /// The requests that change something.
    pub history: History,
    /// The record of events.
    pub events: Arc<EventLog>,
    /// Sends messages about incidents.
    pub notifier: Notifier,
}

/// What the handlers share.
pub struct Service {
    dir: ClusterDir,
    releases: Mutex<Releases>,
    /// Waited for only with the releases.
    inspector: std::sync::Mutex<Inspector>,
    /// Who is supervised.
    pub roster: Roster,
    history: History,
    /// The record of events.
    pub events: Arc<EventLog>,
    notifier: Notifier,
    lock: Lock,
    binary: String,
    started_at: f64,
    folder_id: Option<String>,
    end: watch::Sender<bool>,
    removed: AtomicBool,
    /// Of the socket, once there is one.
    socket: OnceLock<NameKeeper>,
}

impl Service {
    /// `binary` is the hash of the agent's own executable, `started_at` seconds since the epoch.
    pub fn new(
        dir: ClusterDir,
        releases: Releases,
        roster: Roster,
        records: Records,
        binary: String,
        started_at: f64,
    ) -> Service {
        let Records { history, events, notifier } = records;
        let end = watch::channel(false).0;
        let releases = Mutex::new(releases);
        let inspector = std::sync::Mutex::new(Inspector::default());
        let (lock, removed) = (Lock::new(), AtomicBool::new(false));
        let (folder_id, socket) = (folder_id::of(dir.path()), OnceLock::new());
        Service {
            dir,
            releases,
            inspector,
            roster,
            history,
            events,
            notifier,
            lock,
            binary,
            started_at,
            folder_id,
            end,
            removed,
            socket,
        }
    }

    /// Becomes true when the agent is to end.
    pub fn told_to_end(&self) -> watch::Receiver<bool> {
        self.end.subscribe()
    }

    /// Ends the agent; also ends every stream.
    pub fn tell_to_end(&self) {
        self.end.send_replace(true);
    }

    /// Takes the name of the socket, to let it go before the folder is removed.
    pub fn keep_socket(&self, keeper: NameKeeper) {
        // There is one socket.
        let _once = self.socket.set(keeper);
    }

    /// Locks the folder that lies where the agent's was, and makes what is missing in it.
    pub fn take_folder_again(&self) -> Result<FolderLock, LockError> {
        let lock = FolderLock::take(&self.dir)?;
        Releases::open(&self.dir).map_err(|error| LockError::Io(self.dir.path().to_owned(), error))?;
        Ok(lock)
    }

    /// Marks the folder as removed, or about to be.
    fn give_up_folder(&self) {
        self.removed.store(true, Ordering::Relaxed);
        self.roster.forget_all();
        self.socket.get().inspect(|socket| socket.let_go());
    }

    /// Whether the cluster's folder was removed, the socket with it.
    pub fn is_removed(&self) -> bool {
        self.removed.load(Ordering::Relaxed)
    }

    /// [`Service::inspect`], unless something is being staged or switched at this moment.
    fn inspect_now(&self) {
        if let Ok(mut releases) = self.releases.try_lock() {
            self.look(&mut releases);
        }
    }

    /// Whether the link to the current release is where it should be, one `readlink`.
    fn has_current(&self, status: &AgentStatus) -> bool {
        let points_to = |release: &String| fs::read_link(self.dir.current()).is_ok_and(|to| to.ends_with(release));
        status.release.as_ref().is_none_or(points_to)
    }

    /// Looks at what is deployed, and mends what can be mended from what is there.
    pub async fn inspect(&self) {
        // What is being staged or switched is not looked at half way.
        self.look(&mut *self.releases.lock().await);
    }

    fn look(&self, releases: &mut Releases) {
        let Some(manifest) = self.roster.manifest().filter(|_| !self.is_removed()) else { return };
        let (damage, mended) = tokio::task::block_in_place(|| {
            let mut inspector = self.inspector.lock().unwrap_or_else(PoisonError::into_inner);
            (inspector.inspect(&manifest, releases), inspector.take_mended())
        });
        self.tell_damage(&damage, mended);
        self.roster.set_damage(damage);
    }

    fn tell_damage(&self, damage: &[Damage], mended: Option<String>) {
        if let Some(what) = mended {
            self.events.host(Happening::Mended { what });
        }
        match (damage.first(), self.events.is_open(RELEASE_INCIDENT)) {
            (Some(first), false) => self.events.host(Happening::Damaged { what: first.what.clone() }),
            (None, true) => self.events.host(Happening::Mended { what: "the release was damaged".to_owned() }),
            _ => {}
        }
    }

    /// What the agent knows of its host; takes every lock that its requests need but that of an upload.
    pub fn status(&self) -> AgentStatus {
        let mut status = AgentStatus {
            api_version: API_VERSION,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            binary: self.binary.clone(),
            pid: std::process::id(),
            started_at: self.started_at,
            folder_id: self.folder_id.clone(),
            boot: Some(systemd::boot(&self.dir)),
            cluster: None,
            host: None,
            release: None,
            releases: Vec::new(),
            nodes: Vec::new(),
            unseen: Vec::new(),
            damage: Vec::new(),
            notify: self.notifier.views(),
        };
        self.roster.fill(&mut status);
        status
    }
}

type Shared = State<Arc<Service>>;
type Answer<T> = Result<T, Refusal>;

/// All requests.
pub fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/watch", get(watch_status))
        .route("/v1/peers", get(peers))
        .route("/v1/usage", get(node_usage))
        .route("/v1/disk", get(disk_usage))
        .route("/v1/blobs/missing", post(missing_blobs))
        .route("/v1/blobs/{hash}", put(put_blob).layer(DefaultBodyLimit::disable()))
        .route("/v1/releases/{id}", put(put_release).get(get_release))
        .route("/v1/releases", get(list_releases))
        .route("/v1/releases/{id}/verify", post(verify))
        .route("/v1/releases/{id}/files/{*path}", get(release_file))
        .route("/v1/releases/{id}/activate", post(activate))
        .route("/v1/keys", get(cluster_keys))
        .route("/v1/nodes/{verb}", post(operate_nodes))
        .route("/v1/nodes/{name}/output", get(output))
        .route("/v1/nodes/{name}/api/{*path}", get(node_api))
        .route("/v1/nodes/{name}/api/v1/stores/ask", post(ask_store))
        .route("/v1/log", get(log))
        .route("/v1/events", get(host_events))
        .route("/v1/diag", get(diagnose))
        .route("/v1/notify/test", post(test_notify))
        .route("/v1/lock", post(lock).put(renew_lock).delete(take_lock_away))
        .route("/v1/lock/end", post(end_lock))
        .route("/v1/history", get(history_entries))
        .route("/v1/exit", post(exit))
        .route("/v1/remove", post(remove))
        .fallback(unknown_request)
        .layer(map_response_with_state(service.clone(), name_writer))
        .with_state(service)
}

async fn unknown_request(method: axum::http::Method, uri: axum::http::Uri) -> Refusal {
    let hint = "control and agent may be of different versions: deploy again";
    Refusal::new(StatusCode::NOT_FOUND, format!("the agent knows no request {method} {}", uri.path())).hint(hint)
}

async fn status(State(service): Shared) -> Response {
    let status = service.status();
    if status.damage.is_empty() && service.has_current(&status) {
        return json(&status);
    }
    // An answer from memory would be about what was seconds ago, and commands decide by it what has to be done.
    service.inspect_now();
    json(&service.status())
}

async fn peers(State(service): Shared) -> Response {
    json::<Vec<NodeView>>(&service.roster.views())
}

#[derive(Deserialize)]
struct Sample {
    sample_ms: Option<u64>,
}

async fn node_usage(State(service): Shared, Query(asked): Query<Sample>) -> Response {
    let sample = asked.sample_ms.map_or(usage::SAMPLE, Duration::from_millis).min(usage::MAX_SAMPLE);
    json(&usage::usage(&service.roster, sample).await)
}

async fn disk_usage(State(service): Shared) -> Answer<Response> {
    let counted = tokio::task::block_in_place(|| usage::disk(&service.dir));
    Ok(json(&counted.map_err(|error| io_refusal(service.dir.path(), &error))?))
}

/// The status now and after each change; changes that come while a line is being sent become one line.
async fn watch_status(State(service): Shared) -> Response {
    let mut changes = service.roster.changes();
    changes.mark_changed();
    let shared = service.clone();
    let lines = stream::unfold((changes, None), move |(mut changes, mut last)| {
        let service = shared.clone();
        async move {
            loop {
                changes.changed().await.ok()?;
                let now = Some(service.status());
                if now != last {
                    last = now;
                    let line = json_line(last.as_ref());
                    return Some((Ok::<_, Infallible>(line), (changes, last)));
                }
            }
        }
    });
    endless(&service, NDJSON, lines)
}

async fn missing_blobs(State(service): Shared, body: Body) -> Answer<Response> {
    let hashes: Vec<String> = read_json(body).await?;
    Ok(json(&service.releases.lock().await.missing(&hashes)?))
}

async fn put_blob(State(service): Shared, Path(hash): Path<String>, body: Body) -> Answer<StatusCode> {
    let mut incoming = service.releases.lock().await.receive(&hash)?;
    let mut pieces = body.into_data_stream();
    let mut size = 0;
    loop {
        let piece = match tokio::time::timeout(BLOB_PAUSE, pieces.next()).await {
            Ok(Some(piece)) => piece.map_err(|error| Refusal::bad(format!("the upload broke off: {error}")))?,
            Ok(None) => break,
            Err(_) => return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "the upload stood still".into())),
        };
        size += piece.len() as u64;
        if size > MAX_BLOB {
            return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("a file has more than {MAX_BLOB} bytes")));
        }
        tokio::task::block_in_place(|| incoming.write(&piece))?;
    }
    tokio::task::block_in_place(|| incoming.finish())?;
    Ok(StatusCode::NO_CONTENT)
}

async fn put_release(
    State(service): Shared,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer<StatusCode> {
    let asked = Asked::new(format!("PUT /v1/releases/{id}"), &headers);
    let manifest: Manifest = read_json(body).await?;
    let mut releases = service.releases.lock().await;
    let staged = tokio::task::block_in_place(|| releases.stage(&manifest, &id)).map_err(Refusal::from);
    service.history.ended(&asked, &[], staged.as_ref().err());
    staged?;
    let what = Happening::Staged { release: id, operator: asked.operator().to_owned() };
    service.events.step(asked.run(), what);
    service.roster.set_releases(ids(&releases));
    Ok(StatusCode::NO_CONTENT)
}

async fn get_release(State(service): Shared, Path(id): Path<String>) -> Answer<Response> {
    Ok(json(&service.releases.lock().await.named(&id)?))
}

async fn release_file(State(service): Shared, Path((id, path)): Path<(String, String)>) -> Answer<Response> {
    let file = service.releases.lock().await.open_file(&id, &path)?;
    let mut content = Vec::new();
    let read = tokio::task::block_in_place(|| file.take(MAX_BLOB).read_to_end(&mut content));
    read.map_err(|error| io_refusal(FsPath::new(&path), &error))?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], content).into_response())
}

async fn cluster_keys(State(service): Shared) -> Answer<Response> {
    Ok(json(&service.releases.lock().await.keys()?))
}

async fn list_releases(State(service): Shared) -> Response {
    let releases = service.releases.lock().await;
    let id = |manifest: Option<Manifest>| manifest.map(|manifest| manifest.id);
    json(&ReleasesView {
        current: id(releases.current()),
        previous: id(releases.previous()),
        releases: releases.list().into_iter().map(in_short).collect(),
    })
}

fn in_short(manifest: Manifest) -> ReleaseView {
    let Manifest { id, created_at, created_by, layout, binary, hosts, nodes, .. } = manifest;
    let nodes = nodes.into_iter().map(|node| node.name).collect();
    ReleaseView { id, created_at, created_by, layout, binary, hosts, nodes }
}

async fn verify(State(service): Shared, Path(id): Path<String>) -> Answer<Response> {
    let mut releases = service.releases.lock().await;
    Ok(json(&tokio::task::block_in_place(|| releases.verify(&id))?))
}

#[derive(Deserialize)]
struct KeepQuery {
    #[serde(default)]
    keep: String,
}

async fn activate(
    State(service): Shared,
    Path(id): Path<String>,
    Query(KeepQuery { keep }): Query<KeepQuery>,
    headers: HeaderMap,
) -> Answer<StatusCode> {
    let keep: Vec<String> = keep.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect();
    let asked = Asked::new(format!("POST /v1/releases/{id}/activate"), &headers);
    let mut releases = service.releases.lock().await;
    let activated = tokio::task::block_in_place(|| releases.activate(&id, &keep, SystemTime::now(), &service.binary));
    let activated = activated.map_err(Refusal::from);
    service.history.ended(&asked, &[], activated.as_ref().err());
    if activated.is_ok() {
        let what = Happening::Activated { release: id.clone(), operator: asked.operator().to_owned() };
        service.events.step(asked.run(), what);
    }
    // Still under the lock, so that the roster takes releases in the order in which they became current.
    let manifest = activated?;
    service.notifier.take_release(Some(&manifest));
    service.roster.take_release(manifest, ids(&releases)).await;
    Ok(StatusCode::NO_CONTENT)
}

fn ids(releases: &Releases) -> Vec<String> {
    releases.list().into_iter().map(|manifest| manifest.id).collect()
}

#[derive(Deserialize)]
struct Deadline {
    deadline_ms: Option<u64>,
}

impl Deadline {
    fn get(&self) -> Duration {
        self.deadline_ms.map_or(DEFAULT_DEADLINE, Duration::from_millis).min(MAX_DEADLINE)
    }
}

async fn operate_nodes(
    State(service): Shared,
    Path(verb): Path<String>,
    Query(deadline): Query<Deadline>,
    headers: HeaderMap,
    body: Body,
) -> Answer<Response> {
    let asked = Asked::new(format!("POST /v1/nodes/{verb}"), &headers);
    let NodesRequest { nodes } = read_json(body).await?;
    if let Some(name) = nodes.iter().enumerate().find_map(|(n, name)| nodes[..n].contains(name).then_some(name)) {
        return Err(Refusal::bad(format!("node {name} is named twice")));
    }
    let end = deadline.get();
    service.history.begins(&asked);
    if !nodes.is_empty() {
        service.events.step(asked.run(), asks(&verb, &nodes, &asked));
    }
    // A task of its own: an operator who goes away leaves nothing half done.
    let operation = tokio::spawn(async move {
        let roster = &service.roster;
        let outcomes = match verb.as_str() {
            "start" => operate::start(roster, &nodes, end).await,
            "stop" => operate::stop(roster, &service.dir, &nodes, end).await,
            "restart" => operate::restart(roster, &nodes, end).await,
            "apply" => operate::apply(roster, &service.dir, &nodes, end).await,
            _ => return Err(Refusal::new(StatusCode::NOT_FOUND, format!("nodes can not be asked to {verb}"))),
        };
        service.history.ended(&asked, &outcomes, None);
        Ok(json(&outcomes))
    });
    operation.await.map_err(|error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?
}

/// Returns the event for an operator's request.
fn asks(verb: &str, nodes: &[String], asked: &Asked) -> Happening {
    Happening::Asked {
        verb: verb.to_owned(),
        nodes: nodes.iter().take(MAX_NAMES).cloned().collect(),
        count: nodes.len() as u64,
        operator: asked.operator().to_owned(),
    }
}

#[derive(Deserialize)]
struct OutputQuery {
    stream: Option<String>,
    lines: Option<u64>,
    #[serde(default)]
    follow: bool,
}

async fn output(
    State(service): Shared,
    Path(name): Path<String>,
    Query(query): Query<OutputQuery>,
) -> Answer<Response> {
    find(&service, &name)?;
    let path = match query.stream.as_deref() {
        None | Some("stderr") => service.dir.node_stderr(&name),
        Some("stdout") => service.dir.node_stdout(&name),
        Some(other) => return Err(Refusal::bad(format!("there is no stream {other:?}, only stdout and stderr"))),
    };
    let lines = query.lines.unwrap_or(DEFAULT_LINES);
    let (text, end) = tokio::task::block_in_place(|| tail(&path, lines)).map_err(|error| io_refusal(&path, &error))?;
    if !query.follow {
        return Ok(([(header::CONTENT_TYPE, "text/plain")], text).into_response());
    }
    let first = stream::iter((!text.is_empty()).then_some(Ok(text)));
    Ok(endless(&service, "text/plain", first.chain(follow(path, end))))
}

async fn node_api(
    State(service): Shared,
    Path((name, path)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Answer<Response> {
    let job = find(&service, &name)?;
    let asked = match query {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    let answer = job.client().get(&asked).await.map_err(|why| silent_node(&name, &why))?;
    Ok(passed_on(&service, answer))
}

fn silent_node(name: &str, why: &str) -> Refusal {
    Refusal::new(StatusCode::BAD_GATEWAY, format!("node {name} gives no answer on its socket: {why}"))
        .hint(&format!("zeek-cluster status {name}"))
}

/// What a node answers, as it answers it.
fn passed_on(service: &Service, answer: reqwest::Response) -> Response {
    let status = answer.status();
    let kind = answer.headers().get(header::CONTENT_TYPE).cloned();
    let mut response = endless(service, "application/json", answer.bytes_stream());
    *response.status_mut() = status;
    if let Some(kind) = kind {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    response
}

/// A request to a store of a node; the history has those that change something, without keys and values.
async fn ask_store(
    State(service): Shared,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer<Response> {
    let job = find(&service, &name)?;
    let request: StoreRequest = read_json(body).await?;
    let verb = match &request.ask {
        StoreAsk::Put { .. } => Some("put"),
        StoreAsk::Erase { .. } => Some("erase"),
        StoreAsk::Clear => Some("clear"),
        StoreAsk::Get { .. } | StoreAsk::Keys | StoreAsk::Size => None,
    };
    let asked = Asked::new(format!("store {} {} on {name}", verb.unwrap_or("read"), request.store), &headers);
    let body = serde_json::to_vec(&request).expect("the shapes of the API have string keys only");
    let answer = job.client().post("v1/stores/ask", body, STORE_DEADLINE).await.map_err(|why| silent_node(&name, &why));
    if verb.is_some() {
        service.history.ended(&asked, &[], answer.as_ref().err());
    }
    Ok(passed_on(&service, answer?))
}

#[derive(Deserialize)]
struct LogRequest {
    lines: Option<usize>,
    since: Option<f64>,
    until: Option<f64>,
    node: Option<String>,
    grep: Option<String>,
    #[serde(default)]
    follow: bool,
}

async fn log(State(service): Shared, Query(asked): Query<LogRequest>) -> Answer<Response> {
    let grep = match asked.grep.as_deref().map(regex::Regex::new).transpose() {
        Ok(grep) => grep,
        Err(error) => return Err(Refusal::bad(format!("the pattern cannot be read: {error}"))),
    };
    let nodes = asked.node.iter().flat_map(|nodes| nodes.split(',')).map(str::to_owned).collect();
    let LogRequest { lines, since, until, follow, .. } = asked;
    let query = LogQuery { lines, since, until, nodes, grep, follow };
    let logs = service.dir.logs();
    let feed = logfeed::open(logs.clone(), query).await.map_err(|error| io_refusal(&logs, &error))?;
    Ok(endless(&service, NDJSON, feed))
}

#[derive(Deserialize)]
struct EventsRequest {
    lines: Option<usize>,
    since: Option<f64>,
    until: Option<f64>,
    after: Option<u64>,
    node: Option<String>,
    #[serde(default)]
    follow: bool,
}

async fn host_events(State(service): Shared, Query(asked): Query<EventsRequest>) -> Answer<Response> {
    let EventsRequest { lines, since, until, after, node, follow } = asked;
    let nodes = node.iter().flat_map(|nodes| nodes.split(',')).map(str::to_owned).collect();
    let query = EventQuery { lines, since, until, after, nodes, follow };
    let feed = tokio::task::block_in_place(|| events::feed(service.events.clone(), query));
    Ok(endless(&service, NDJSON, feed.map_err(|error| io_refusal(service.events.path(), &error))?))
}

#[derive(Deserialize)]
struct DiagRequest {
    nodes: Option<String>,
    lines: Option<u64>,
    events: Option<usize>,
    #[serde(default)]
    backtrace: bool,
}

async fn diagnose(State(service): Shared, Query(asked): Query<DiagRequest>) -> Answer<Response> {
    let nodes = asked.nodes.iter().flat_map(|nodes| nodes.split(',')).map(str::to_owned).collect();
    let wanted = Wanted {
        nodes,
        lines: asked.lines.unwrap_or(DIAG_LINES),
        events: asked.events.unwrap_or(DIAG_EVENTS),
        backtrace: if asked.backtrace { Backtrace::Take } else { Backtrace::Leave },
    };
    let status = service.status();
    let examiner = Examiner { dir: &service.dir, roster: &service.roster, events: &service.events };
    let text = examiner.examine(status, &wanted).await;
    let text = text.map_err(|error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}

#[derive(Deserialize)]
struct NotifyRequest {
    target: Option<String>,
}

async fn test_notify(
    State(service): Shared,
    Query(NotifyRequest { target }): Query<NotifyRequest>,
    headers: HeaderMap,
) -> Answer<Response> {
    let asked = Asked::new("POST /v1/notify/test".into(), &headers);
    let tested = service.notifier.test(target.as_deref()).await;
    service.history.ended(&asked, &[], None);
    let unknown = || {
        let what = format!("there is no target {} under `notify`", target.as_deref().unwrap_or_default());
        Refusal::new(StatusCode::NOT_FOUND, what).hint("deploy the layout that has it")
    };
    Ok(json(&tested.ok_or_else(unknown)?))
}

#[derive(Deserialize)]
struct LockQuery {
    wait_ms: Option<u64>,
}

async fn lock(
    State(service): Shared,
    Query(query): Query<LockQuery>,
    headers: HeaderMap,
    body: Body,
) -> Answer<Response> {
    let asked = Asked::new("POST /v1/lock".into(), &headers);
    let holder = Holder { since: seconds_since_epoch(), step: None, ..read_json(body).await? };
    let wait = query.wait_ms.map_or(Duration::ZERO, Duration::from_millis).min(MAX_DEADLINE);
    let is_again = service.lock.holder().is_some_and(|before| before.run == holder.run);
    match service.lock.take_within(holder.clone(), wait).await {
        Ok(lease) => {
            service.history.locked(&asked, &holder);
            if !is_again {
                let command = holder.command.chars().take(256).collect();
                let what = Happening::RunBegan { command, operator: asked.operator().to_owned() };
                service.events.step(Some(&holder.run), what);
            }
            Ok(endless(&service, NDJSON, while_leased(lease)))
        }
        Err(other) => Ok(([(header::CONTENT_TYPE, NDJSON)], json_line(LockEvent::Held(other))).into_response()),
    }
}

/// `granted`, an empty line now and then, and why it ended. Whoever drops it gives the lock back.
fn while_leased(lease: Lease) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    let first = stream::iter([Ok(json_line(LockEvent::Granted))]);
    let rest = stream::unfold(Some(lease), |lease| async move {
        let lease = lease?;
        match tokio::time::timeout(STILL_THERE, lease.ended()).await {
            Ok(why) => Some((Ok(json_line(LockEvent::Lost(why))), None)),
            Err(_) => Some((Ok(Bytes::from_static(b"\n")), Some(lease))),
        }
    });
    first.chain(rest)
}

async fn renew_lock(State(service): Shared, body: Body) -> Answer<StatusCode> {
    let Renewal { run, step } = read_json(body).await?;
    let step = step.map(|step| step.chars().take(256).collect());
    held(&service, service.lock.renew(&run, step), &run)
}

async fn end_lock(State(service): Shared, headers: HeaderMap, body: Body) -> Answer<StatusCode> {
    let asked = Asked::new("POST /v1/lock/end".into(), &headers);
    let end: RunEnd = read_json(body).await?;
    let ended = held(&service, service.lock.end(&end.run), &end.run);
    // Also when the lock was lost before: how it ended is worth knowing.
    service.history.unlocked(&asked, &end);
    let RunEnd { run, ending, release, error, late } = end;
    for Outcome { target, elapsed_ms, error, .. } in late.into_iter().take(MAX_NAMES) {
        let (after_s, error) = (elapsed_ms as f64 / 1000.0, error.map(|error| error.what).unwrap_or_default());
        service.events.node_step(&target, Some(&run), Happening::GaveUp { after_s, error });
    }
    service.events.step(Some(&run), Happening::RunEnded { ending, release, error });
    ended
}

#[derive(Deserialize)]
struct RunQuery {
    run: String,
}

async fn take_lock_away(
    State(service): Shared,
    Query(RunQuery { run }): Query<RunQuery>,
    headers: HeaderMap,
) -> Answer<StatusCode> {
    let asked = Asked::new(format!("DELETE /v1/lock?run={run}"), &headers);
    let taken = service.lock.take_from(&run, &format!("unlocked by {}", asked.operator()));
    let taken = held(&service, taken, &run);
    service.history.ended(&asked, &[], taken.as_ref().err());
    taken
}

fn held(service: &Service, held: bool, run: &str) -> Answer<StatusCode> {
    if held {
        return Ok(StatusCode::NO_CONTENT);
    }
    let holder =
        service.lock.holder().map_or_else(|| "nobody does".to_owned(), |other| format!("{} does", whose(&other)));
    Err(Refusal::new(StatusCode::CONFLICT, format!("run {run} does not hold the lock, {holder}")))
}

/// Such as `ana@ops1 (pid 4711): deploy`.
fn whose(holder: &Holder) -> String {
    format!("{} (pid {}): {}", holder.operator, holder.pid, holder.command)
}

/// While the lock is held every answer says by whom.
async fn name_writer(State(service): Shared, mut response: Response) -> Response {
    let holder = service.lock.holder().and_then(|holder| serde_json::to_vec(&holder).ok());
    if let Some(value) = holder.and_then(|holder| HeaderValue::from_bytes(&holder).ok()) {
        response.headers_mut().insert(WRITER_HEADER, value);
    }
    response
}

#[derive(Deserialize)]
struct HistoryQuery {
    run: Option<String>,
    last: Option<usize>,
}

async fn history_entries(State(service): Shared, Query(query): Query<HistoryQuery>) -> Answer<Response> {
    let path = service.dir.history();
    let entries = tokio::task::block_in_place(|| history::entries(&path, query.run.as_deref(), query.last));
    Ok(json(&entries.map_err(|error| io_refusal(&path, &error))?))
}

/// An agent that ends gives the lock up, so another run than the holder's may not end it.
async fn exit(State(service): Shared, headers: HeaderMap) -> Answer<StatusCode> {
    let asked = Asked::new("POST /v1/exit".into(), &headers);
    let other = service.lock.holder().filter(|holder| asked.run() != Some(&holder.run));
    let refused = other.map(|other| {
        let what = format!("the agent cannot be ended while the cluster is locked by {}", whose(&other));
        Refusal::new(StatusCode::LOCKED, what)
    });
    service.history.ended(&asked, &[], refused.as_ref());
    if let Some(refusal) = refused {
        return Err(refusal);
    }
    service.tell_to_end();
    Ok(StatusCode::ACCEPTED)
}

#[derive(Deserialize)]
struct RemoveQuery {
    keep_logs: Option<bool>,
    deadline_ms: Option<u64>,
}

async fn remove(State(service): Shared, Query(query): Query<RemoveQuery>, headers: HeaderMap) -> Answer<Response> {
    let asked = Asked::new("POST /v1/remove".into(), &headers);
    service.history.begins(&asked);
    let deadline = Deadline { deadline_ms: query.deadline_ms }.get();
    let outcomes = operate::stop_all(&service.roster, &service.dir, deadline).await;
    if let Some(first) = outcomes.iter().find(|outcome| !outcome.kind.is_success()) {
        tracing::error!(node = %first.target, "still runs, so nothing is removed");
        service.history.ended(&asked, &outcomes, None);
        return Ok(json(&outcomes));
    }
    let _no_more_releases = service.releases.lock().await;
    let keep_logs = query.keep_logs.unwrap_or(true);
    // A unit that stays would start an agent of an empty folder, for ever.
    if let Err(error) = tokio::task::block_in_place(|| install::forget(&service.dir)) {
        let what = format!("the nodes are stopped, and the unit that starts the agent stays: {error}");
        let refusal =
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, what).hint("zeek-cluster agent uninstall, as root");
        service.history.ended(&asked, &outcomes, Some(&refusal));
        return Err(refusal);
    }
    service.give_up_folder();
    let removed = tokio::task::block_in_place(|| remove_folder(&service.dir, keep_logs));
    // Also where something stays: the next agent takes up what that is.
    service.tell_to_end();
    removed.map_err(|error| io_refusal(service.dir.path(), &error))?;
    Ok(json(&outcomes))
}

/// Only what agents and nodes make is removed: what else lies in the folder stays, and the folder with it.
fn remove_folder(dir: &ClusterDir, keep_logs: bool) -> io::Result<()> {
    use io::ErrorKind::{DirectoryNotEmpty, PermissionDenied, ResourceBusy};
    let mut ours = vec![dir.current(), dir.previous(), dir.releases()];
    ours.extend([dir.history(), dir.events()].into_iter().flat_map(|file| [file.with_extension("jsonl.1"), file]));
    ours.extend(["blobs", "bin", "run"].map(|name| dir.path().join(name)));
    if !keep_logs {
        ours.extend([dir.logs(), dir.stores()]);
    }
    for path in ours {
        let gone = match fs::symlink_metadata(&path) {
            Ok(there) if there.is_dir() => fs::remove_dir_all(&path),
            Ok(_) => fs::remove_file(&path),
            Err(error) => Err(error),
        };
        if let Err(error) = gone
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
    }
    match fs::remove_dir(dir.path()) {
        // Others have files there, it is a disk of its own, or the folder above is not ours: it stays, without what we made.
        Err(error) if matches!(error.kind(), DirectoryNotEmpty | ResourceBusy | PermissionDenied) => Ok(()),
        gone => gone,
    }
}

fn find(service: &Service, name: &str) -> Answer<super::supervise::Job> {
    let unknown = || Refusal::new(StatusCode::NOT_FOUND, format!("there is no node {name} on this host"));
    service.roster.job(name).ok_or_else(unknown)
}

fn io_refusal(path: &FsPath, error: &io::Error) -> Refusal {
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, format!("{}: {error}", path.display()))
}

async fn read_json<T: DeserializeOwned>(body: Body) -> Answer<T> {
    let bytes = match tokio::time::timeout(JSON_DEADLINE, axum::body::to_bytes(body, MAX_JSON)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) => {
            let what = format!("the request broke off, or is larger than {MAX_JSON} bytes: {error}");
            return Err(Refusal::bad(what));
        }
        Err(_) => return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "the request took too long to arrive".into())),
    };
    serde_json::from_slice(&bytes).map_err(|error| Refusal::bad(format!("the request cannot be read: {error}")))
}

fn json<T: Serialize>(value: &T) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], json_line(value)).into_response()
}

fn json_line<T: Serialize>(value: T) -> Bytes {
    let mut line = serde_json::to_vec(&value).expect("the shapes of the API have string keys only");
    line.push(b'\n');
    line.into()
}

/// A stream that also ends when the agent does.
fn endless<S, E>(service: &Service, kind: &'static str, pieces: S) -> Response
where
    S: Stream<Item = Result<Bytes, E>> + Send + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    let mut told = service.told_to_end();
    let end = async move {
        // Without a sender there is no agent any more.
        let _ = told.wait_for(|told| *told).await;
    };
    ([(header::CONTENT_TYPE, kind)], Body::from_stream(pieces.take_until(Box::pin(end)))).into_response()
}

fn seconds_since_epoch() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
