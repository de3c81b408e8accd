//! A node's own socket: what it says of itself, and the few things that the agent tells it.

use std::time::Duration;

use reqwest::{Method, Response};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::agent::lines::JsonLines;
use crate::api::config::{NodeConfig, NodeEntry};
use crate::api::node::{NodeView, StuckPart, WatchLine};
use crate::api::paths::ClusterDir;

/// A node answers from memory.
const DEADLINE: Duration = Duration::from_secs(5);

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A connection pool to one node.
#[derive(Clone)]
pub struct NodeClient {
    http: reqwest::Client,
}

impl NodeClient {
    /// Nothing is dialled before the first request.
    pub fn new(dir: &ClusterDir, node: &str) -> NodeClient {
        let http = reqwest::Client::builder()
            .no_proxy()
            .unix_socket(dir.node_socket(node))
            .build()
            .expect("a client without TLS and proxies needs nothing from the system");
        NodeClient { http }
    }

    /// `GET /v1/watch?beat=true`.
    pub async fn watch(&self) -> Result<JsonLines<WatchLine>, String> {
        let response = self.send(Method::GET, "v1/watch?beat=true", None).await?;
        response.error_for_status_ref().map_err(|error| root_cause(&error))?;
        Ok(JsonLines::new(response))
    }

    /// `POST /v1/layout`: the new node table, which needs no restart.
    pub async fn push_table(&self, table: &[NodeEntry]) -> Result<(), String> {
        let body = serde_json::to_vec(table).map_err(|error| error.to_string())?;
        let response = self.send(Method::POST, "v1/layout", Some(body)).await?;
        response.error_for_status().map(drop).map_err(|error| root_cause(&error))
    }

    /// `POST /v1/config`: the node's configuration; the node takes what needs no restart.
    pub async fn push_config(&self, config: &NodeConfig) -> Result<(), String> {
        let body = serde_json::to_vec(config).map_err(|error| error.to_string())?;
        let response = self.send(Method::POST, "v1/config", Some(body)).await?;
        response.error_for_status().map(drop).map_err(|error| root_cause(&error))
    }

    /// `GET PATH?QUERY`: whatever the node answers, status included.
    pub async fn get(&self, path_and_query: &str) -> Result<Response, String> {
        self.send(Method::GET, path_and_query, None).await
    }

    /// `POST PATH` with a JSON body: whatever the node answers within `deadline`, status included.
    pub async fn post(&self, path: &str, body: Vec<u8>, deadline: Duration) -> Result<Response, String> {
        self.send_within(Method::POST, path, Some(body), deadline).await
    }

    async fn send(&self, method: Method, path: &str, body: Option<Vec<u8>>) -> Result<Response, String> {
        self.send_within(method, path, body, DEADLINE).await
    }

    async fn send_within(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        deadline: Duration,
    ) -> Result<Response, String> {
        let mut request = self.http.request(method, format!("http://node/{path}"));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        match tokio::time::timeout(deadline, request.send()).await {
            Ok(sent) => sent.map_err(|error| root_cause(&error)),
            Err(_) => Err(format!("no answer within {} s", deadline.as_secs())),
        }
    }
}

/// What the system said, without the layers of clients above it.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// What a link tells its task.
#[derive(Debug)]
pub enum Seen {
    /// The node says this of itself.
    View(Box<NodeView>),
    /// Its event loop turns, and these parts of it stand still.
    Beat(Vec<StuckPart>),
    /// It gives no answer, and why.
    Silence(String),
}

/// The standing question to one process; ends when dropped.
pub struct Link {
    seen: mpsc::Receiver<Seen>,
    asking: JoinHandle<()>,
}

impl Link {
    /// Asks until dropped, with pauses that double from 20 ms to 1 s while there is no answer. Answers of another process
    /// than `pid` (left on the socket by an older one) count as silence.
    pub fn open(client: NodeClient, pid: Option<u32>) -> Link {
        // Small on purpose: a node that talks faster than its task listens has to wait.
        let (tell, seen) = mpsc::channel(4);
        Link { seen, asking: tokio::spawn(ask(client, pid, tell)) }
    }

    /// What comes next. Cancel safe.
    pub async fn next(&mut self) -> Option<Seen> {
        self.seen.recv().await
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.asking.abort();
    }
}

async fn ask(client: NodeClient, pid: Option<u32>, tell: mpsc::Sender<Seen>) {
    let mut pause = FIRST_PAUSE;
    let mut told = String::new();
    loop {
        let (answered, why) = watch_once(&client, pid, &tell).await;
        if answered {
            pause = FIRST_PAUSE;
            told.clear();
        }
        if told != why {
            told.clone_from(&why);
            if tell.send(Seen::Silence(why)).await.is_err() {
                return;
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// One connection, from its first answer to its end: whether there was one, and why it ended.
async fn watch_once(client: &NodeClient, pid: Option<u32>, tell: &mpsc::Sender<Seen>) -> (bool, String) {
    let mut views = match client.watch().await {
        Ok(views) => views,
        Err(why) => return (false, why),
    };
    let mut answered = false;
    loop {
        match views.next().await {
            Some(Ok(WatchLine::View(view))) if pid.is_some_and(|pid| pid != view.pid) => {
                return (answered, format!("process {} answers in its place", view.pid));
            }
            Some(Ok(line)) => {
                let seen = match line {
                    WatchLine::View(view) => Seen::View(view),
                    WatchLine::Beat(beat) => Seen::Beat(beat.stuck),
                };
                answered = true;
                if tell.send(seen).await.is_err() {
                    return (answered, String::new());
                }
            }
            Some(Err(error)) => return (answered, root_cause(&error)),
            None => return (answered, "it closed the connection".into()),
        }
    }
}
