//! Data stores: which node has which, and what is in them.

use futures_util::StreamExt;
use serde::Serialize;
use serde_json::Value;

use super::ask::{self, Known, Silent, broken_off};
use super::settings::Settings;
use crate::api::outcome::{ErrorInfo, Kind};
use crate::api::store::{StoreAsk, StoreChange, StoreRequest, StoreView};
use crate::fleet::Session;
use crate::layout::{Layout, Node};

/// One row for each store of each node that answered.
#[derive(Clone, Debug, PartialEq)]
pub struct StoresReport {
    /// By node in the order of the layout, then by name.
    pub rows: Vec<StoreRow>,
    /// Nodes that gave no answer although their host did, each with the reason.
    pub not_running: Vec<(String, String)>,
    /// Hosts that gave no answer.
    pub silent: Vec<Silent>,
}

/// A store as one node has it. This is the JSON of `store list`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StoreRow {
    /// The node.
    pub node: String,
    /// What it says.
    #[serde(flatten)]
    pub view: StoreView,
}

/// Asks each node for its stores.
pub async fn stores(layout: &Layout, nodes: &[&Node], settings: &Settings) -> StoresReport {
    let names = ask::hosts_of(layout, nodes);
    let hosts = ask::reachable(layout, &names, settings);
    let mut report = StoresReport { rows: Vec::new(), not_running: Vec::new(), silent: Vec::new() };
    let question = async |session: &Session| {
        let mut answers = Vec::new();
        for node in nodes.iter().filter(|node| node.host == session.host()) {
            answers.push((node.name.clone(), session.agent().stores(&node.name).await));
        }
        Ok(answers)
    };
    let mut answers = std::pin::pin!(ask::ask(&hosts, settings, &question));
    while let Some((_, answer)) = answers.next().await {
        let answers = match answer {
            Ok(answers) => answers,
            Err(silent) => {
                report.silent.push(silent);
                continue;
            }
        };
        for (node, answer) in answers {
            match answer {
                Ok(views) => {
                    report.rows.extend(views.into_iter().map(|view| StoreRow { node: node.clone(), view }));
                }
                Err(error) => report.not_running.push((node, error.in_words())),
            }
        }
    }
    let place = |name: &str| nodes.iter().position(|node| node.name == name);
    report.rows.sort_by_key(|row| place(&row.node));
    report.not_running.sort_by_key(|(node, _)| place(node));
    report
}

/// The node that holds the master of a store, as the layout has it.
pub fn master_of<'a>(layout: &'a Layout, store: &str) -> Option<&'a Node> {
    let written = layout.stores.get(store).and_then(|store| store.master_node.as_deref());
    let name = written.or_else(|| layout.default_master_node())?;
    layout.node(name)
}

/// Asks the store of one node; `ask` changes nothing. The answer is a value of broker-json-v1.
///
/// # Errors
/// What the node or its host says instead.
pub async fn store(
    layout: &Layout,
    node: &Node,
    store: &str,
    ask: StoreAsk,
    settings: &Settings,
) -> Result<Value, Silent> {
    let request = StoreRequest { store: store.to_owned(), ask };
    let session = session(layout, node, settings).await?;
    session.agent().ask_store(&node.name, &request).await.map_err(|error| broken_off(&session, error))
}

/// Hands each change of a store to `line` as it comes, until `line` fails; `ready` is called when none is missed from then on.
///
/// # Errors
/// What the node or its host says instead, or why the stream broke off.
pub async fn watch_store<E>(
    layout: &Layout,
    node: &Node,
    store: &str,
    settings: &Settings,
    ready: impl FnOnce(),
    mut line: impl FnMut(StoreChange) -> Result<(), E>,
) -> Result<Result<(), E>, Silent> {
    let session = session(layout, node, settings).await?;
    let changes = session.agent().watch_store(&node.name, store).await;
    let mut changes = changes.map_err(|error| broken_off(&session, error))?;
    ready();
    while let Some(change) = changes.next().await {
        if let Err(error) = line(change.map_err(|error| broken_off(&session, error.into()))?) {
            return Ok(Err(error));
        }
    }
    Err(Silent {
        host: node.host.clone(),
        known: Known::Nothing,
        kind: Kind::Failed,
        step: "node",
        error: ErrorInfo { what: format!("{} has ended, or its agent", node.name), hint: None },
    })
}

async fn session(layout: &Layout, node: &Node, settings: &Settings) -> Result<Session, Silent> {
    let hosts = ask::reachable(layout, &[node.host.as_str()], settings);
    let host = hosts.first().expect("every node's host is in the layout");
    ask::open(host.as_ref()).await
}
