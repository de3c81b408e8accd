//! The part of `node.sock` that is about stores (`api::node` has the table of requests).

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Query as UrlQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::stream;
use serde::Deserialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::api::Refusal;
use super::stores::Stores;
use super::view::wall_clock;
use crate::api::outcome::ErrorInfo;
use crate::api::store::{StoreAsk, StoreChange, StoreRequest, StoreView};
use crate::cluster::stores::{self, Operation, Query, Store, StoreError, StoreEvent, Update, Watch};
use crate::data::{Data, seconds_from_ns};
use crate::wire::broker_json;

/// What the requests are answered from.
#[derive(Clone)]
struct Desk {
    stores: Stores,
    stop: CancellationToken,
}

/// The requests about stores.
pub(super) fn router<S>(stores: Stores, stop: CancellationToken) -> Router<S> {
    Router::new()
        .route("/v1/stores", get(list))
        .route("/v1/stores/ask", post(ask))
        .route("/v1/stores/watch", get(watch))
        .with_state(Desk { stores, stop })
}

async fn list(State(desk): State<Desk>) -> Json<Vec<StoreView>> {
    Json(desk.stores.views().await)
}

async fn ask(State(desk): State<Desk>, Json(request): Json<StoreRequest>) -> Result<Json<Value>, Refusal> {
    let store = find(&desk, &request.store)?;
    let answer = match request.ask {
        StoreAsk::Get { key } => store.query(Query::Get { key: value(&key)? }).await,
        StoreAsk::Keys => store.keys().await,
        StoreAsk::Size => store.query(Query::Size).await,
        StoreAsk::Clear => store.clear().await.map(|()| Data::None),
        StoreAsk::Erase { key } => erase(&store, value(&key)?).await,
        StoreAsk::Put { key, value: new, expiry_s } => {
            let expiry =
                expiry_s.map(Duration::try_from_secs_f64).transpose().map_err(|error| bad(error.to_string()))?;
            let put = Operation::Put { key: value(&key)?, value: value(&new)?, expiry };
            store.perform(put).await.map(|_| Data::None)
        }
    };
    Ok(Json(json(&answer.map_err(refusal)?)))
}

/// Whether the key was there: the erasing itself does not say.
async fn erase(store: &Store, key: Data) -> Result<Data, StoreError> {
    let there = store.exists(key.clone()).await?;
    store.erase(key).await?;
    Ok(Data::Boolean(there))
}

#[derive(Deserialize)]
struct Watched {
    store: String,
}

/// One change a line, from the moment of the answer until the client leaves.
async fn watch(State(desk): State<Desk>, UrlQuery(watched): UrlQuery<Watched>) -> Result<Response, Refusal> {
    let watch = find(&desk, &watched.store)?.watch().await.map_err(refusal)?;
    let lines = stream::unfold((watch, desk.stop), |(mut watch, stop): (Watch, _)| async move {
        let event = tokio::select! {
            () = stop.cancelled() => return None,
            event = watch.next() => event?,
        };
        let mut line = serde_json::to_vec(&change(event)).ok()?;
        line.push(b'\n');
        Some((Ok::<Bytes, Infallible>(line.into()), (watch, stop)))
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}

fn find(desk: &Desk, name: &str) -> Result<Store, Refusal> {
    if let Some(store) = desk.stores.get(name).and_then(|info| info.store) {
        return Ok(store);
    }
    let names: Vec<String> = desk.stores.all().into_iter().map(|info| info.name).collect();
    let hint = match names.is_empty() {
        true => "this node has none; `stores:` of the layout makes them".to_owned(),
        false => format!("this node has {}", names.join(", ")),
    };
    let what = format!("there is no store `{name}` on this node");
    Err(Refusal(StatusCode::NOT_FOUND, ErrorInfo { what, hint: Some(hint) }))
}

fn change(event: StoreEvent) -> StoreChange {
    let empty = StoreChange {
        ts: wall_clock(),
        change: "missed".to_owned(),
        key: None,
        value: None,
        expiry: None,
        missed: None,
    };
    let named = |change: &str, key: Option<&Data>| StoreChange {
        change: change.to_owned(),
        key: key.map(json),
        ..empty.clone()
    };
    match event {
        StoreEvent::Missed(missed) => StoreChange { missed: Some(missed), ..empty },
        StoreEvent::Changed(Update::Put { key, value, expiry }) => {
            StoreChange { value: Some(json(&value)), expiry: expiry.map(seconds_from_ns), ..named("put", Some(&key)) }
        }
        StoreEvent::Changed(Update::Erase { key }) => named("erase", Some(&key)),
        StoreEvent::Changed(Update::Expire { key }) => named("expire", Some(&key)),
        StoreEvent::Changed(Update::Clear) => named("clear", None),
    }
}

fn value(json: &Value) -> Result<Data, Refusal> {
    broker_json::decode(json.to_string().as_bytes()).map_err(|error| bad(error.to_string()))
}

fn json(data: &Data) -> Value {
    serde_json::from_str(&broker_json::encode(data)).expect("broker-json-v1 is JSON")
}

fn bad(what: String) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, ErrorInfo { what, hint: None })
}

fn refusal(error: StoreError) -> Refusal {
    let (status, hint) = match &error {
        StoreError::Refused(stores::Refusal::NoSuchKey) => (StatusCode::NOT_FOUND, None),
        StoreError::Refused(_) => (StatusCode::CONFLICT, None),
        StoreError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, None),
        StoreError::Stale { .. } | StoreError::NoMaster { .. } => (
            StatusCode::SERVICE_UNAVAILABLE,
            Some("`zeek-cluster store list` shows who has the master, and whether it runs"),
        ),
        StoreError::SecondMaster { .. } => (
            StatusCode::CONFLICT,
            Some("one of the two programs has to give the store another name, or another master_node"),
        ),
        StoreError::Backend { .. } => (
            StatusCode::INTERNAL_SERVER_ERROR,
            Some("is the disk of that host full? `zeek-cluster log` has the first such line"),
        ),
        StoreError::Closed { .. } => (StatusCode::SERVICE_UNAVAILABLE, Some("the node is ending")),
    };
    Refusal(status, ErrorInfo { what: error.to_string(), hint: hint.map(str::to_owned) })
}
