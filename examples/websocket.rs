//! How do I let programs take part that know nothing but WebSocket?
//!
//! A node serves Zeek's WebSocket API: a client sends the topics that it wants as a JSON array, then events as JSON, and
//! receives what others publish. The node hears who comes and who goes. The client here is a few lines in the same process; a
//! browser or ten lines of Python do as well.
//!
//! ```sh
//! cargo run --example websocket            # ports from 27760 on
//! cargo run --example websocket -- 30000   # ports from 30000 on
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what it sees")]

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::connect_async;
use zeek_cluster::{Cluster, ClusterEvent, Logs, WebSocketServerOptions, parse_layout};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::args().nth(1).unwrap_or_else(|| "27760".to_owned());
    let layout = parse_layout(&format!("port: {port}\nnodes:\n  manager: {{ type: manager }}\n"), "websocket.yaml")?;
    let (manager, mut events) = Cluster::builder(&layout, "manager").logs(Logs::discarded()).init().await?;

    // Port 0: one that the system chooses; Zeek's own is 27759. With `tls_options` it would be `wss://`.
    let address = manager.listen_websocket(WebSocketServerOptions::new(Ipv4Addr::LOCALHOST.into(), 0))?;
    let client = tokio::spawn(client(address));

    while let Some(event) = events.next().await {
        match event {
            ClusterEvent::WebsocketClientAdded { subscriptions, .. } => {
                println!("a client subscribed to {}", subscriptions.join(", "));
                let event = Cluster::make_event("Example::question", vec!["who are you?".into()]);
                manager.publish("example.questions", event).await?;
            }
            ClusterEvent::Remote { topic, event, .. } => {
                println!("{} {event}", topic.escape_ascii());
                break;
            }
            _ => {}
        }
    }
    // The end of the node ends its clients, with code 1001.
    manager.close().await?;
    client.await?.map_err(|error| format!("the client: {error}"))?;
    Ok(())
}

/// What a program in any language would do.
async fn client(address: SocketAddr) -> Result<(), tokio_tungstenite::tungstenite::Error> {
    let (mut socket, _) = connect_async(format!("ws://{address}/v1/messages/json")).await?;
    socket.send(r#"["example."]"#.into()).await?;
    // First comes the acknowledgement, then events.
    while let Some(message) = socket.next().await {
        if message?.to_text()?.contains("Example::question") {
            break;
        }
    }
    let answer = r#"{"type": "data-message", "topic": "zeek.cluster.manager", "@data-type": "vector", "data": [
        {"@data-type": "count", "data": 1}, {"@data-type": "count", "data": 1},
        {"@data-type": "vector", "data": [
            {"@data-type": "string", "data": "Example::answer"},
            {"@data-type": "vector", "data": [{"@data-type": "string", "data": "a browser"}]}]}]}"#;
    socket.send(answer.into()).await?;
    while let Some(Ok(_)) = socket.next().await {}
    Ok(())
}
