//! What the clients of one server hand to the node: one bounded queue, emptied in order of arrival.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::close::Close;
use super::counters::ServerCounters;
use crate::cluster::{ClusterEvent, Ended, EndpointInfo, Handle};
use crate::data::Event;

/// How long a wait for room counts once. Source: `websocket.md` 8.
const BLOCK: Duration = Duration::from_millis(100);

/// Something for the node.
#[derive(Debug)]
pub(super) enum Item {
    /// A client publishes.
    Event { sender: Bytes, topic: Vec<u8>, event: Event },
    /// Its subscriptions are in effect.
    Added(EndpointInfo, Vec<String>),
    /// It has gone.
    Lost(EndpointInfo, Close),
}

/// The clients' end of the queue.
pub(super) type Queue = mpsc::Sender<Item>;

/// Puts something into the queue, waits for room if need be, and counts that. Fails when the node has ended.
pub(super) async fn put(queue: &Queue, item: Item, counters: &ServerCounters) -> Result<(), Ended> {
    let sending = queue.send(item);
    tokio::pin!(sending);
    loop {
        match timeout(BLOCK, &mut sending).await {
            Ok(sent) => return sent.map_err(|_| Ended),
            Err(_) => counters.queue_blocks.add(1),
        }
    }
}

/// Hands all that comes to the node, until nobody can send any more or the node has ended.
pub(super) async fn run(mut items: mpsc::Receiver<Item>, handle: Handle) {
    while let Some(item) = items.recv().await {
        if perform(item, &handle).await.is_err() {
            return;
        }
    }
}

async fn perform(item: Item, handle: &Handle) -> Result<(), Ended> {
    match item {
        Item::Event { sender, topic, event } => handle.publish_as(sender, topic, event).await,
        Item::Added(endpoint, subscriptions) => {
            let topics = subscriptions.join(", ");
            handle.log(format!("WebSocket client {} subscribed to [{topics}]", who(&endpoint))).await?;
            handle.raise(ClusterEvent::WebsocketClientAdded { endpoint, subscriptions }).await
        }
        Item::Lost(endpoint, Close { code, reason }) => {
            let reason = reason.into_owned();
            let because = if reason.is_empty() { String::new() } else { format!(" and reason '{reason}'") };
            handle.log(format!("WebSocket client {} gone with code {code}{because}", who(&endpoint))).await?;
            handle.raise(ClusterEvent::WebsocketClientLost { endpoint, code, reason }).await
        }
    }
}

/// How `cluster.log` names a client. Source: `websocket.md` 11.
fn who(endpoint: &EndpointInfo) -> String {
    let (address, port) = (&endpoint.network.address, endpoint.network.bound_port.number);
    let name = endpoint.application_name.as_deref();
    let name = name.map(|name| format!(" application_name={name}")).unwrap_or_default();
    format!("'{}' ({address}:{port}){name}", endpoint.id)
}
