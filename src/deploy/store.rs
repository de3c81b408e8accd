//! `store put`, `del` and `clear`: one change of one store, at the node that has it.

use std::time::Instant;

use serde_json::Value;

use crate::agent::client::ClientError;
use crate::api::outcome::{ErrorInfo, Kind, Outcome};
use crate::api::store::{StoreAsk, StoreRequest};
use crate::fleet::{self, Deadlines, Presence, Settings};
use crate::layout::{Layout, Node};

/// Changes a store through a node that has it, and waits until the master has made it durable. The answer is a value of
/// broker-json-v1.
///
/// # Errors
/// The outcome for that node, when it is not done.
///
/// # Panics
/// For a node of another layout, whose host this one does not have.
pub async fn change_store(
    layout: &Layout,
    node: &Node,
    store: &str,
    ask: StoreAsk,
    settings: &Settings,
) -> Result<Value, Outcome> {
    let began = Instant::now();
    let failed = |kind, step: &str, error| Outcome {
        target: node.name.clone(),
        host: node.host.clone(),
        kind,
        step: step.to_owned(),
        elapsed_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        error: Some(error),
    };
    let hosts = fleet::hosts(layout, settings);
    let host = hosts.iter().find(|host| host.name() == node.host).expect("every node's host is in the layout");
    let session = host
        .open(Presence::Started, Deadlines::default())
        .await
        .map_err(|error| failed(error.outcome_kind(), error.step.as_str(), (&error).into()))?;
    let request = StoreRequest { store: store.to_owned(), ask };
    session.agent().ask_store(&node.name, &request).await.map_err(|error| match error {
        ClientError::Refused { info, .. } => failed(Kind::Failed, "store", info),
        other => {
            let kind = if other.is_timeout() { Kind::TimedOut } else { Kind::Failed };
            failed(kind, "store", ErrorInfo { what: format!("{}: {}", node.host, other.in_words()), hint: None })
        }
    })
}
