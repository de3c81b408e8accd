//! `run/NAME/node.sock`: the node's own HTTP and JSON socket (`api::node` has the table of requests).

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::core_task::{Request, Requests};
use super::error::NodeError;
use super::live::Live;
use super::metrics::Metrics;
use super::store_api;
use super::stores::Stores;
use crate::api::config::{NodeConfig, NodeEntry};
use crate::api::metrics::MetricFamily;
use crate::api::node::{Beat, NodeView, OptionView};
use crate::api::outcome::ErrorInfo;
use crate::socket::{self, NamedListener};
use crate::telemetry::Source;

/// Longest path of a Unix socket on Linux.
const MAX_SOCKET_PATH: usize = 107;
/// A layout of 10,000 nodes has about 2 MiB.
const MAX_BODY: usize = 16 << 20;
/// The core answers within microseconds, unless it hangs.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// What the requests are answered from.
#[derive(Clone)]
pub(super) struct Api {
    pub(super) core: Requests,
    pub(super) views: watch::Receiver<NodeView>,
    pub(super) beats: watch::Receiver<Beat>,
    pub(super) live: Arc<Live>,
    pub(super) metrics: Metrics,
    pub(super) stores: Stores,
    pub(super) stop: CancellationToken,
}

/// The socket, ready to be served; its file is removed when this is dropped.
pub(super) struct Socket {
    listener: NamedListener,
    path: PathBuf,
}

impl Socket {
    /// Makes the socket with mode 0600 in a folder of mode 0700. One that a dead process left behind is replaced.
    pub(super) fn bind(path: &Path) -> Result<Socket, NodeError> {
        let length = path.as_os_str().len() + socket::UNFINISHED.len();
        if length > MAX_SOCKET_PATH {
            return Err(NodeError::SocketPath { path: path.to_owned(), length });
        }
        if socket::answers(path) {
            return Err(NodeError::AlreadyRuns { path: path.to_owned() });
        }
        let listener =
            NamedListener::bind(path).map_err(|source| NodeError::Socket { path: path.to_owned(), source })?;
        Ok(Socket { listener, path: path.to_owned() })
    }

    /// Answers until told to stop.
    pub(super) async fn serve(self, api: Api) -> Result<(), NodeError> {
        let stop = api.stop.clone();
        let router = Router::new()
            .route("/v1/node", get(node))
            .route("/v1/watch", get(watch_node))
            .route("/v1/options", get(options))
            .route("/v1/config", post(take_config))
            .route("/v1/metrics", get(metrics))
            .route("/v1/layout", post(layout))
            .merge(store_api::router(api.stores.clone(), stop.clone()))
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .with_state(api);
        let served = axum::serve(self.listener, router).with_graceful_shutdown(stop.cancelled_owned());
        served.await.map_err(|source| NodeError::Socket { path: self.path, source })
    }
}

/// What a request is refused with.
pub(super) struct Refusal(pub(super) StatusCode, pub(super) ErrorInfo);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(self.1)).into_response()
    }
}

fn hangs() -> Refusal {
    let what = format!("the node's core gave no answer within {} s", ANSWER_WITHIN.as_secs());
    let hint = Some("see its output, and restart it".to_owned());
    Refusal(StatusCode::SERVICE_UNAVAILABLE, ErrorInfo { what, hint })
}

async fn ask<T>(api: &Api, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, Refusal> {
    let (reply, answer) = oneshot::channel();
    let asked = async {
        api.core.send(request(reply)).await.ok()?;
        answer.await.ok()
    };
    tokio::time::timeout(ANSWER_WITHIN, asked).await.ok().flatten().ok_or_else(hangs)
}

async fn node(State(api): State<Api>) -> Result<Json<NodeView>, Refusal> {
    ask(&api, Request::View).await.map(Json)
}

async fn options(State(api): State<Api>) -> Json<BTreeMap<String, OptionView>> {
    Json(api.live.views())
}

async fn take_config(State(api): State<Api>, Json(given): Json<NodeConfig>) -> Result<StatusCode, Refusal> {
    let refused =
        |error: NodeError| Refusal(StatusCode::UNPROCESSABLE_ENTITY, ErrorInfo { what: error.to_string(), hint: None });
    let change = api.live.read(&given).map_err(refused)?;
    let tell = async |taken| ask(&api, |reply| Request::Options(taken, reply)).await;
    api.live.obey(change, tell).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn metrics(State(api): State<Api>) -> Result<Json<Vec<MetricFamily>>, Refusal> {
    let hint = Some("see its output, and restart it".to_owned());
    let silent = |what| Refusal(StatusCode::SERVICE_UNAVAILABLE, ErrorInfo { what, hint });
    api.metrics.families().await.map(Json).map_err(silent)
}

async fn layout(State(api): State<Api>, Json(nodes): Json<Vec<NodeEntry>>) -> Result<StatusCode, Refusal> {
    let mut names: Vec<&str> = nodes.iter().map(|entry| entry.name.as_str()).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        let what = format!("the layout names '{}' twice", twice[0]);
        return Err(Refusal(StatusCode::UNPROCESSABLE_ENTITY, ErrorInfo { what, hint: None }));
    }
    ask(&api, |reply| Request::Layout(nodes, reply)).await.map(|()| StatusCode::NO_CONTENT)
}

/// How `/v1/watch` may be asked.
#[derive(Deserialize)]
struct WatchQuery {
    /// Whether beats are wanted between the views.
    #[serde(default)]
    beat: bool,
}

/// One view a line: the first at once, then one at each change. A slow client misses views in between, never the last. With
/// them, where they are wanted, the beats.
async fn watch_node(State(api): State<Api>, Query(query): Query<WatchQuery>) -> Response {
    let mut views = api.views.clone();
    views.mark_changed();
    let beats = query.beat.then(|| api.beats.clone());
    let lines = stream::unfold((views, beats, api.stop.clone()), |(mut views, mut beats, stop)| async move {
        let line = tokio::select! {
            () = stop.cancelled() => return None,
            changed = views.changed() => {
                changed.ok()?;
                serde_json::to_vec(&*views.borrow_and_update())
            }
            beat = next_beat(&mut beats) => serde_json::to_vec(&beat?),
        };
        let mut line = line.ok()?;
        line.push(b'\n');
        Some((Ok::<Bytes, Infallible>(line.into()), (views, beats, stop)))
    });
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

/// None when the loop has ended; for ever where no beat is wanted.
async fn next_beat(beats: &mut Option<watch::Receiver<Beat>>) -> Option<Beat> {
    let Some(beats) = beats else { return std::future::pending().await };
    beats.changed().await.ok()?;
    Some(beats.borrow_and_update().clone())
}
