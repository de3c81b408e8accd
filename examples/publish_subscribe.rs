//! How do I publish and subscribe in a cluster that runs already, without being one of its nodes?
//!
//! With the address of its hub alone. Zeek nodes and ours do not notice such a guest, but for what it publishes. Without
//! arguments the example starts a cluster of its own to visit.
//!
//! ```sh
//! cargo run --example publish_subscribe                          # a cluster of its own, ports from 27760 on
//! cargo run --example publish_subscribe -- 30000                 # the same, ports from 30000 on
//! cargo run --example publish_subscribe -- 27760 192.0.2.10      # the hub of a running cluster
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what it sees")]

use std::error::Error;

use zeek_cluster::api::config::ZeromqEndpoints;
use zeek_cluster::{Cluster, ClusterEvent, Events, Logs, parse_layout};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let port: u16 = args.next().map_or(Ok(27760), |port| port.parse())?;
    let host = args.next();
    // Held until the end: a member leaves when the last of it is dropped.
    let _own_cluster = match host {
        Some(_) => None,
        None => Some(manager(port).await?),
    };
    let hub = endpoints(host.as_deref().unwrap_or("127.0.0.1"), port);

    let (subscriber, mut heard) = Cluster::builder_at(hub.clone()).init().await?;
    // A prefix: it matches all topics that begin with it.
    subscriber.subscribe("example.").await?;
    println!("subscribed to example.");

    // Who joins knows all subscriptions. A publisher that had been there before would hear of ours a moment later.
    let (publisher, _) = Cluster::builder_at(hub).init().await?;

    for number in 1..=3u64 {
        let event = Cluster::make_event("Example::tick", vec![number.into()]);
        publisher.publish("example.ticks", event).await?;
    }
    // The publisher itself never hears what it published, not even if it had subscribed.
    for _ in 1..=3 {
        if let Some(ClusterEvent::Remote { topic, event, .. }) = heard.next().await {
            println!("{} {event}", topic.escape_ascii());
        }
    }

    subscriber.unsubscribe("example.").await?;
    println!("missed {} events", heard.missed());
    publisher.close().await?;
    subscriber.close().await?;
    Ok(())
}

/// Events leave through the hub's XSUB, one port above its XPUB, where they come from.
fn endpoints(host: &str, port: u16) -> ZeromqEndpoints {
    ZeromqEndpoints {
        connect_xpub_endpoint: format!("tcp://{host}:{}", port + 1),
        connect_xsub_endpoint: format!("tcp://{host}:{port}"),
        connect_log_endpoints: Vec::new(),
        run_proxy_thread: false,
        listen_xpub_endpoint: None,
        listen_xsub_endpoint: None,
        listen_log_endpoint: None,
        ipv6: host.contains(':'),
    }
}

async fn manager(port: u16) -> Result<(Cluster, Events), Box<dyn Error>> {
    let layout = parse_layout(&format!("port: {port}\nnodes:\n  manager: {{ type: manager }}\n"), "example.yaml")?;
    Ok(Cluster::builder(&layout, "manager").logs(Logs::discarded()).init().await?)
}
